package main

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// rollout is a fleet of real supervisors, each on a machine of its own (world), in one virtual time, while one release goes
// out to them in waves. What is listed is what `limpet verify` says of really signed metadata at that moment.
type rollout struct {
	t     *testing.T
	dir   string // signed metadata
	begin time.Time
	waves []tuf.Wave
	story story
	boxes []*member
	hub   hubsWord
	// seen is called after a box was given time.
	seen func(b *member)

	open map[int][]signed // what is listed, by how many waves are open
	now  time.Duration    // since begin
	due  boxHeap
}

// member is one box of the fleet.
type member struct {
	*world
	number int
	place  int // in the waves, by the published definition and not by the code
	due    time.Duration
	took   time.Duration // when it staged the release, 0 = it did not
	told   string        // what the hub heard last
	backs  int           // how often good had to take over again, to see whether what broke holds there
	judged bool
	state  [2]bool // as the hub counts it: tried, failed
}

// hubsWord is what a hub makes of what its agents say: docs/api.md, Rollouts.
type hubsWord struct {
	tried, failed int
	stopped       bool
	at            time.Duration
	triedThen     int
}

// The hub's limits as docs/limpet-hub.md gives them.
const (
	stopHosts   = 3
	stopPercent = 5
)

const (
	soakOfFleet  = 300 * time.Second
	startOfFleet = time.Minute // of a machine, before its stub
)

var (
	_, oldCore = coreOfWorld(1)
	_, newCore = coreOfWorld(2)
)

// newRollout is a fleet that runs release 1, and release 2 behind waves that open after so long.
func newRollout(t *testing.T, boxes int, s story, waves ...tuf.Wave) *rollout {
	t.Helper()
	f := &rollout{t: t, dir: t.TempDir(), begin: time.Unix(dayOne, 0).UTC(), waves: waves, story: s, seen: func(*member) {}, open: map[int][]signed{}}
	one, _ := coreOfWorld(1)
	two, _ := coreOfWorld(2)
	publishCores(t, f.dir, f.begin, published{repo.Release{Version: "1.0.0", Counter: 1, Soak: soakOfFleet}, one},
		published{repo.Release{Version: "2.0.0", Counter: 2, Soak: soakOfFleet, Waves: waves}, two})
	etc := t.TempDir()
	for i := range boxes {
		f.boxes = append(f.boxes, f.member(i, etc))
	}
	return f
}

// after is a wave of a rollout.
func after(d time.Duration, percent int) tuf.Wave {
	return tuf.Wave{From: time.Unix(dayOne, 0).UTC().Add(d), Percent: percent}
}

func (f *rollout) member(i int, etc string) *member {
	sum := sha256.Sum256(fmt.Append(nil, "member ", i))
	finger := hex.EncodeToString(sum[:])
	mix := sha256.Sum256([]byte(finger + ":2.0.0"))
	random := rand.New(rand.NewPCG(1, uint64(i)))
	w := &world{facts: facts{published: 2}, story: f.story, power: begins(f.story), up: startOfFleet, wall: dayOne, listing: f.listed}
	w.layer = w.power
	l := worldLayout
	l.Etc = filepath.Join(etc, fmt.Sprint(i))
	if err := os.Mkdir(l.Etc, 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(l.Finger(), []byte(finger+"\n"), 0o644); err != nil {
		f.t.Fatal(err)
	}
	s := newSupervisor(l, &logger{io.Discard, w.now})
	s.on(w)
	w.luck = random.Float64
	s.looking.due = w.up + lookFirst + time.Duration(random.Float64()*float64(lookEvery))
	s.swap.owned = true
	w.s = s
	b := &member{world: w, number: i, place: int(binary.BigEndian.Uint32(mix[:]) % 10_000)}
	w.do(s.begin)
	w.settle()
	return b
}

// listed is what `limpet verify` says now; it says the same until the next wave opens.
func (f *rollout) listed(now int64) []signed {
	n := 0
	for _, w := range f.waves {
		if w.From.Unix() <= now {
			n++
		}
	}
	if f.open[n] == nil {
		f.open[n] = asked(f.t, f.dir, time.Unix(now, 0))
	}
	cores := f.open[n]
	if !f.hub.stopped {
		return cores
	}
	held := append([]signed(nil), cores...)
	for i := range held {
		held[i].held = held[i].Core == newCore
	}
	return held
}

// run lets time pass up to a moment.
func (f *rollout) run(until time.Duration) {
	f.t.Helper()
	if f.due == nil {
		f.due = append(f.due, f.boxes...)
		heap.Init(&f.due)
	}
	for f.due[0].due <= until {
		b := f.due[0]
		f.now = b.due
		f.wake(b)
		heap.Fix(&f.due, 0)
		if b.bad != "" {
			f.t.Fatalf("box %d after %v: %s", b.number, f.now, b.bad)
		}
	}
	f.now = until
}

// wake gives a box the time since it was last awake, and a tick. One that waits for nothing sleeps until it looks.
func (f *rollout) wake(b *member) {
	if gap := f.now - (b.up - startOfFleet) - tick; gap > 0 {
		b.pass(gap)
	}
	b.tick()
	if judging := b.s.swap.judge != nil; judging != b.judged {
		b.judged = judging
		if judging {
			b.backs++
		}
	}
	if r := b.s.record; b.took == 0 && (r.Trial == newCore || r.Good == newCore) {
		b.took = f.now
	}
	b.due = f.now + tick
	if b.idle() {
		b.due = max(b.due, b.s.looking.due-startOfFleet)
	}
	f.seen(b)
	f.hears(b)
}

// hears is the hub taking what a box says of itself, while it has a session.
func (f *rollout) hears(b *member) {
	if b.s.core == nil || b.out || b.refused || b.s.core.told == b.told {
		return
	}
	b.told = b.s.core.told
	release := hex.EncodeToString(newCore.Hash[:])
	says := func(word string) bool { return strings.Contains(b.told+" ", " "+word+" ") }
	failed := strings.Contains(b.told, " barred="+release+":") || says("why=set-aside")
	tried := failed || says("hash="+release) || says("trial="+release) && !says("starts=0") && strings.Contains(b.told, " starts=")
	f.hub.tried += toInt(tried) - toInt(b.state[0])
	f.hub.failed += toInt(failed) - toInt(b.state[1])
	b.state = [2]bool{tried, failed}
	if !f.hub.stopped && f.hub.failed >= stopHosts && 100*f.hub.failed >= stopPercent*f.hub.tried {
		f.hub.stopped, f.hub.at, f.hub.triedThen = true, f.now, f.hub.tried
		for _, other := range f.boxes {
			if other.s.record.Trial == newCore && other.s.core != nil {
				other.heard = append(other.heard, event{number: other.s.core.number, line: "look"})
			}
		}
	}
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// count is how many boxes are so.
func (f *rollout) count(is func(b *member) bool) (n int) {
	for _, b := range f.boxes {
		n += toInt(is(b))
	}
	return n
}

func onNew(b *member) bool    { return b.s.record.Good == newCore }
func isBarred(b *member) bool { return b.s.record.Barred[0] != (boot.Bar{}) }
func isAside(b *member) bool  { return b.s.record.Aside[0] != (boot.Aside{}) }

// boxHeap has the box that is due first in front.
type boxHeap []*member

func (h boxHeap) Len() int { return len(h) }
func (h boxHeap) Less(i, j int) bool {
	return h[i].due < h[j].due || h[i].due == h[j].due && h[i].number < h[j].number
}
func (h boxHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *boxHeap) Push(any)     { panic("a fleet does not grow") }
func (h *boxHeap) Pop() any     { panic("nor shrink") }

var _ heap.Interface = (*boxHeap)(nil)
