package main

import (
	"flag"
	"fmt"
	"hash/maphash"
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
// step. It goes depth first, and into every state only once: what a life starts from is what is on the
// disk and what the world remembers.
type explorer struct {
	story   story
	broken  broken
	seen    map[uint64]bool
	lives   int
	choices int
	bad     []string // what was violated, in how many lives
	most    int      // stop after so many violations
}

// state is where a life starts.
type start struct {
	disk  *crashdisk.Disk
	facts facts
	wall  int64
	cuts  int
}

// counting is a chooser that counts what it is asked.
type counting struct {
	crashdisk.Chooser
	n *int
}

func (c counting) Choose(n int) int {
	*c.n++
	return c.Chooser.Choose(n)
}

func (x *explorer) run(cuts int) {
	x.seen = map[uint64]bool{}
	x.story.cuts = cuts
	x.from(start{
		disk: begins(x.story), wall: dayOne, cuts: cuts,
		facts: facts{published: 1, pending: x.story.happening != nothing, fails: x.story.fails},
	})
}

// from explores every life that starts in a state.
func (x *explorer) from(at start) {
	if id := at.id(); x.seen[id] {
		return
	} else {
		x.seen[id] = true
	}
	crashdisk.Every(0, func(c crashdisk.Chooser) bool {
		c = counting{c, &x.choices}
		w := &world{
			facts: at.facts, story: x.story, broken: x.broken, choose: c, cuts: at.cuts,
			power: at.disk.Restart(crashdisk.Kept{}), up: time.Minute, wall: at.wall, // a copy: at.disk serves the next life, too
		}
		w.live()
		x.lives++
		switch {
		case w.bad != "":
			x.bad = append(x.bad, w.bad)
		case w.power.Off():
			x.from(start{disk: w.power.Restart(c), facts: w.facts, wall: (w.wall/3600 + 2) * 3600, cuts: at.cuts - 1})
		}
		return x.most == 0 || len(x.bad) < x.most
	})
}

var seed = maphash.MakeSeed()

// id is the same for two states from which the same follows: of times only the hour counts, of sequences
// which is higher.
func (at start) id() uint64 {
	type key struct {
		records [2]boot.Record
		valid   [2]bool
		files   string
		facts   facts
		cuts    int
	}
	k := key{facts: at.facts, cuts: at.cuts}
	d := at.disk.Restart(crashdisk.Kept{})
	highest := uint64(0)
	for i, name := range records(worldLayout) {
		if data, err := fsys.Read(d, name, boot.Size); err == nil {
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
	for _, dir := range []string{worldLayout.Ver, worldLayout.TrustCore(), worldLayout.Request()} {
		k.files += dump(d, dir)
	}
	return maphash.Comparable(seed, k)
}

func hours(t, now int64) int64 {
	if t == 0 {
		return 0
	}
	return (t-now)/3600 - 1<<20
}

// dump is everything in a folder as text.
func dump(d fsys.FS, dir string) string {
	names, err := d.ReadDir(dir)
	if err != nil {
		data, _ := fsys.Read(d, dir, 1<<10)
		return fmt.Sprintf("=%q", data)
	}
	text := ""
	for _, name := range names {
		text += "/" + name + dump(d, dir+"/"+name)
	}
	return text
}

func stories() []story {
	var list []story
	for n := healthy; n <= stubborn; n++ {
		list = append(list, story{releases: []nature{healthy, n, healthy}})
	}
	list = append(list, story{releases: []nature{stubborn, healthy}}, story{releases: []nature{healthy, healthy}, fresh: true})
	for h := outage; h <= withdrew; h++ {
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
	return list
}

// quick is how many power cuts there is time for in every `make test`: two with every kind of release, one where an outage
// begins at any step or a healthy release meets anything else, none where something else befalls the box while a release fails:
// each of those makes for ten times as many lives, and is for `make explore`. The race detector makes a life ten times as long
// and has nothing to find in one goroutine: `make test` explores without it.
func (s story) quick() int {
	switch {
	case raced:
		return 0
	case s.happening == nothing && !s.fails:
		return 2
	case s.releases[1] == healthy || s.happening == outage:
		return 1
	}
	return 0
}

// TestExplore: in no story, wherever the power fails in it and whatever the disk makes of that, is a
// rule of SWAP broken.
func TestExplore(t *testing.T) {
	var lives, states, choices atomic.Int64
	t.Cleanup(func() {
		t.Logf("in all %d lives, %d states, %d choices", lives.Load(), states.Load(), choices.Load())
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
			t.Logf("%d power cuts: %d lives, %d states, %d choices", n, x.lives, len(x.seen), x.choices)
			lives.Add(int64(x.lives))
			states.Add(int64(len(x.seen)))
			choices.Add(int64(x.choices))
			for _, bad := range x.bad {
				t.Error(bad)
			}
		})
	}
}
