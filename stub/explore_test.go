package main

import (
	"flag"
	"hash/maphash"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

var cuts = flag.Int("cuts", 0, "power cuts in every story of the explorer; 0 = as often as there is time for in every `make test`, -1 = none")

// explorer goes through everything that can happen in one story: the power fails at any changing call
// of the supervisor to its disk, and of what was not synced any part is kept; the happening comes at any
// step. It goes into every state only once: what a life starts from is what is on the disk and what the
// world remembers. One life shows what a power cut at each of its calls leaves; states with more cuts still
// to come are gone into first, so that one with fewer adds nothing to them.
type explorer struct {
	story   story
	broken  broken
	seen    map[uint64]bool
	same    map[uint64]bool // the same, byte by byte: most of what power cuts leave was left by others before, and this is found sooner
	waiting []start         // states to go into, those with the most cuts left first
	lives   int
	cuts    int      // what power cuts left, the same counted as often as it comes
	bad     []string // what was violated, in how many lives
	most    int      // stop after so many violations
	few     int      // of what a power cut leaves at one call no more than these; 0 = all
}

// start is where a life starts.
type start struct {
	disk  *crashdisk.Disk
	facts facts
	wall  int64
	cuts  int // how often the power may still fail
}

func (x *explorer) run(cuts int) {
	x.seen, x.same = map[uint64]bool{}, map[uint64]bool{}
	x.story.cuts = cuts
	x.meet(start{
		disk: begins(x.story), wall: dayOne, cuts: cuts,
		facts: facts{published: 1, pending: x.story.happening != nothing, fails: x.story.fails},
	})
	for len(x.waiting) > 0 && !x.enough() {
		at := x.waiting[0]
		x.waiting[0], x.waiting = start{}, x.waiting[1:]
		x.from(at)
	}
}

func (x *explorer) enough() bool { return x.most > 0 && len(x.bad) >= x.most }

// meet goes into a state later, if it is a new one.
func (x *explorer) meet(at start) {
	bytes := at.bytes()
	if x.same[bytes] {
		return
	}
	x.same[bytes] = true
	if id := at.id(); !x.seen[id] {
		x.seen[id] = true
		x.waiting = append(x.waiting, at)
	}
}

// from explores every life that starts in a state.
func (x *explorer) from(at start) {
	crashdisk.Every(0, func(c crashdisk.Chooser) bool {
		w := &world{
			facts: at.facts, story: x.story, broken: x.broken, choose: c,
			power: at.disk.Restart(crashdisk.Kept{}), up: time.Minute, wall: at.wall, // a copy: at.disk serves the next life, too
		}
		if at.cuts > 0 {
			w.cut = func(disk func(crashdisk.Chooser) *crashdisk.Disk) { x.cut(w, at.cuts-1, disk) }
		}
		w.live()
		x.lives++
		if w.bad != "" {
			x.bad = append(x.bad, w.bad)
		}
		return !x.enough()
	})
}

// cut meets all that a power cut leaves that comes now, in a life.
func (x *explorer) cut(w *world, left int, disk func(crashdisk.Chooser) *crashdisk.Disk) {
	if w.bad != "" || !crashdisk.Fresh(w.choose) {
		return // the life before has been here
	}
	x.cuts += crashdisk.Every(x.few, func(c crashdisk.Chooser) bool {
		x.meet(start{disk: disk(c), facts: w.facts, wall: (w.wall/3600 + 2) * 3600, cuts: left})
		return true
	})
}

var seed = maphash.MakeSeed()

// id is the same for two states from which the same follows: of times only the hour counts, of sequences
// which is higher. How often the power may still fail is no part of it: see explorer.
func (at start) id() uint64 {
	type key struct {
		records [2]boot.Record
		valid   [2]bool
		files   uint64
		facts   facts
	}
	k := key{facts: at.facts}
	highest := uint64(0)
	for i, name := range records(worldLayout) {
		if data, err := fsys.Read(at.disk, name, boot.Size); err == nil {
			r, err := boot.Decode(data)
			k.records[i], k.valid[i] = r, err == nil
			highest = max(highest, r.Sequence)
		}
	}
	for i := range k.records {
		k.records[i].Sequence = highest - k.records[i].Sequence
		k.records[i].Committed = hours(k.records[i].Committed, at.wall)
		for j := range k.records[i].Aside {
			k.records[i].Aside[j].Until = hours(k.records[i].Aside[j].Until, at.wall)
		}
	}
	text := at.files()
	k.files = text.Sum64()
	return maphash.Comparable(seed, k)
}

// bytes is the same for two states only where everything is.
func (at start) bytes() uint64 {
	text := at.files()
	for _, name := range records(worldLayout) {
		data, _ := fsys.Read(at.disk, name, boot.Size)
		text.Write(data)
	}
	type key struct {
		files uint64
		facts facts
		wall  int64
	}
	return maphash.Comparable(seed, key{text.Sum64(), at.facts, at.wall})
}

// files hashes everything but the records.
func (at start) files() *maphash.Hash {
	text := &maphash.Hash{}
	text.SetSeed(seed)
	for _, dir := range []string{worldLayout.Ver, worldLayout.TrustCore(), worldLayout.Request()} {
		dump(text, at.disk, dir)
	}
	return text
}

func hours(t, now int64) int64 {
	if t == 0 {
		return 0
	}
	return (t-now)/3600 - 1<<20
}

// dump hashes everything in a folder.
func dump(to *maphash.Hash, d fsys.FS, dir string) {
	names, err := d.ReadDir(dir)
	if err != nil {
		data, _ := fsys.Read(d, dir, 1<<10)
		to.WriteByte('=')
		to.Write(data)
		return
	}
	for _, name := range names {
		to.WriteString("/" + name)
		dump(to, d, dir+"/"+name)
	}
	to.WriteByte('.')
}

func stories() []story {
	var list []story
	for n := healthy; n <= stubborn; n++ {
		list = append(list, story{releases: []nature{healthy, n, healthy}})
	}
	list = append(list, story{releases: []nature{stubborn, healthy}}, story{releases: []nature{healthy, healthy}, fresh: true},
		story{releases: []nature{healthy, healthy}, asked: true})
	for h := outage; h <= hubHeld; h++ {
		for _, n := range []nature{healthy, deadLater, breaks} {
			s := story{releases: []nature{healthy, n}, happening: h}
			if h == news {
				s.releases = append(s.releases, healthy)
			}
			list = append(list, s)
		}
	}
	for _, n := range []nature{healthy, deadLater, breaks} {
		list = append(list, story{releases: []nature{healthy, n}, fails: true})
	}
	for _, h := range []happening{held, withdrew} { // while a handover is awaited, too
		list = append(list, story{releases: []nature{stubborn, healthy}, happening: h})
	}
	list = append(list, story{releases: []nature{healthy, healthy}, happening: held, fails: true},
		story{releases: []nature{healthy, healthy}, happening: hubHeld, fails: true})
	return list
}

// quick is how many power cuts there is time for in every `make test`: two in every story, none where a call fails beside something
// else, which makes for ten times as many lives. The race detector makes a life ten times as long and has nothing to find in one goroutine: `make test` explores without it.
func (s story) quick() int {
	switch {
	case raced, s.happening != nothing && s.fails:
		return 0
	}
	return 2
}

// TestExplore: in no story, wherever the power fails in it and whatever the disk makes of that, is a
// rule of SWAP broken.
func TestExplore(t *testing.T) {
	var lives, states, left atomic.Int64
	before := debug.SetGCPercent(400) // every state stays in memory anyhow
	t.Cleanup(func() {
		debug.SetGCPercent(before)
		t.Logf("in all %d lives, from %d states, of %d that power cuts left", lives.Load(), states.Load(), left.Load())
	})
	for _, s := range stories() {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			x, n := explorer{story: s, most: 3}, *cuts
			if n == 0 {
				n = s.quick()
			}
			n = max(n, 0)
			x.run(n)
			t.Logf("%d power cuts: %d lives, from %d states, of %d that power cuts left", n, x.lives, len(x.seen), x.cuts)
			lives.Add(int64(x.lives))
			states.Add(int64(len(x.seen)))
			left.Add(int64(x.cuts))
			for _, bad := range x.bad {
				t.Error(bad)
			}
		})
	}
}
