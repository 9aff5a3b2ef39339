package buffer

import (
	"errors"
	"fmt"
	"math/rand"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// story is what happens in the lives of a buffer, and which gaps that may make.
type story struct {
	name   string
	o      Options // Dir and FS are the test's
	live   func(l *lives)
	causes []string
}

// lives are those of one box. An error ends the one under way: the power is off, or a call failed.
type lives struct {
	disk  *crashdisk.Disk
	world *world
	o     Options
	b     *Buffer
	n     int
}

var stories = []story{
	{name: "appends, marks, rotations, acks, a split", o: Options{SegmentBytes: 190, Retain: time.Second}, live: func(l *lives) {
		for range 2 {
			l.start()
			l.put(4)
			l.do(func() error { return l.b.Split(-1) })
			l.serve(1, true)
			l.put(2)
			l.serve(2, true)
			l.wait(2 * time.Second) // acknowledged segments are removed
			l.put(1)
			l.stop()
		}
	}},
	{name: "checks that end together", o: Options{SegmentBytes: 300, Retain: time.Second}, live: func(l *lives) {
		for range 2 {
			l.start()
			l.putTogether(5)
			l.serve(3, true)
			l.putTogether(3)
			l.stop()
		}
	}},
	{name: "acks are lost, and so is what the bus confirmed", o: Options{SegmentBytes: 190}, causes: []string{causeHubLost}, live: func(l *lives) {
		l.start()
		l.put(5)
		l.serve(2, true)
		l.serve(1, false)
		l.meet()
		l.world.forget(2)
		l.meet()
		l.serve(9, true)
		l.put(2)
		l.stop()
		l.world.forget(1)
		l.start()
		l.put(2)
		l.serve(3, true)
		l.stop()
	}},
	{name: "a cap drops the oldest", o: Options{SegmentBytes: 900, MaxBytes: 3000, Retain: time.Second}, causes: []string{causeCap, causeHubLost}, live: func(l *lives) {
		l.start()
		l.serve(2, true)
		l.put(44)
		l.stop()
		l.start()
		l.put(16)
		l.wait(2 * time.Minute) // no cap drops for a minute after a gap record failed
		l.put(1)
		l.stop()
	}},
	{name: "the bus can never take one", o: Options{SegmentBytes: 190}, causes: []string{causeRejected}, live: func(l *lives) {
		l.start()
		l.put(3)
		l.do(func() error { return l.b.Reject(l.b.Live(), 2) })
		l.serve(9, true)
		l.wait(2 * time.Second) // a disk that failed rests for one
		l.put(1)
		l.serve(9, true)
		l.stop()
	}},
	{name: "a copy takes a key of its own", o: Options{SegmentBytes: 190}, causes: []string{causeCopy, causeHubLost}, live: func(l *lives) {
		l.start()
		l.put(2)
		l.stop()
		l.start()
		l.put(3)
		l.serve(2, true)
		l.serve(1, false)
		l.do(func() error { return l.part(2) })
		l.put(2)
		l.meet()
		l.serve(9, true)
		l.stop()
	}},
	{name: "the box was restored from a copy", o: Options{SegmentBytes: 190}, causes: []string{causeRestored, causeHubLost}, live: func(l *lives) {
		l.start()
		l.put(4)
		l.serve(1, true)
		l.do(func() error { l.world.occupy(l.b.Live()); return nil })
		l.meet()
		l.wait(2 * time.Second)
		l.put(2)
		l.serve(9, true)
		l.stop()
	}},
}

func (l *lives) start() {
	l.b = nil
	o := l.o
	o.Dir, o.FS, o.Owner = dir, l.disk, l.world.owner
	if b, err := Open(o); err == nil {
		l.b = b
	}
	l.meet()
}

func (l *lives) stop() {
	if l.b != nil {
		l.b.Close()
	}
}

func (l *lives) do(what func() error) {
	if l.b != nil {
		_ = what() // it may fail in any way: what counts is what was promised
	}
}

func (l *lives) meet() { l.do(func() error { return l.world.meet(l.b) }) }
func (l *lives) serve(batches int, ack bool) {
	l.do(func() error { return l.world.serve(l.b, batches, ack) })
}
func (l *lives) wait(d time.Duration) { time.Sleep(d) } // of the test's own clock

func (l *lives) put(n int) {
	for range n {
		l.n++
		l.do(func() error { return l.append(l.n) })
	}
}

func (l *lives) putTogether(n int) {
	var all sync.WaitGroup
	for range n {
		l.n++
		number := l.n
		all.Go(func() { l.do(func() error { return l.append(number) }) })
	}
	all.Wait()
}

// part changes the key as a session does.
func (l *lives) part(owner uint64) error {
	var marks []*wire.Watermark
	for _, g := range l.b.Generations() {
		seq, crc := l.world.watermark(g.GetEpoch())
		marks = append(marks, &wire.Watermark{Epoch: g.GetEpoch(), Seq: seq, Crc: crc})
	}
	if err := l.b.Leave(owner, marks); err != nil {
		return err
	}
	l.world.part(owner)
	l.b.Left()
	return nil
}

// append marks a run and appends its result.
func (l *lives) append(n int) error {
	check, text := fmt.Sprint("c", n%3), fmt.Sprint("r", n)
	l.b.Mark(check, time.Unix(0, int64(n)))
	item := result(check, text)
	item.GetResult().StartNs = int64(n)
	if err := l.b.Append(item); err != nil {
		return err
	}
	l.world.promise(promise{text, l.b.Live(), item.GetSeq()})
	return nil
}

// left is what a power cut at some call left, and what had been promised by then.
type left struct {
	when  string
	disk  *crashdisk.Disk
	world *world
}

// each is every power cut of a story that begins on the disk: at each changing call, in the ways that the choosers give.
func (s story) each(disk *crashdisk.Disk, w *world, number int, choosers func(call int, try func(crashdisk.Chooser))) (cuts []left, calls int) {
	disk.Each(func(at func(crashdisk.Chooser) *crashdisk.Disk) {
		calls++
		now := w.clone()
		choosers(calls, func(c crashdisk.Chooser) {
			cuts = append(cuts, left{fmt.Sprintf("%s, cut at call %d", s.name, calls), at(c), now})
		})
	})
	s.live(&lives{disk: disk, world: w, o: s.o, n: number})
	return cuts, calls
}

// TestPowerCutAnywhere cuts the power at every changing call, syncs among them, of each story, lets the cut take what it may in many ways, and
// has the next life bring what it finds to the bus: everything promised is there once, or a gap says that it is not. Some of these lives
// are cut, too.
func TestPowerCutAnywhere(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var cuts []left
			var calls int
			synctest.Test(t, func(t *testing.T) { cuts, calls = s.each(newDisk(), newWorld(), 0, many) })
			if calls < 30 {
				t.Fatalf("a life has only %d changing calls", calls)
			}
			again := 0
			for i, c := range cuts {
				if i%(len(cuts)/secondCuts) == 0 {
					var second []left
					next := c.world.clone()
					synctest.Test(t, func(t *testing.T) { second, _ = s.each(c.disk.Restart(crashdisk.Kept{}), next, 1000, few) })
					for _, d := range second {
						d.when = c.when + ", and again" + d.when[len(s.name):]
						d.check(t, s)
					}
					again += len(second)
					continue
				}
				c.check(t, s)
			}
			t.Logf("%d changing calls, %d cuts, %d second ones", calls, len(cuts), again)
		})
	}
}

// secondCuts is of how many of a story's cuts the next life is cut as well.
const secondCuts = 3

// newDisk is a disk on which the state folder stands, as on an installed box.
func newDisk() *crashdisk.Disk {
	disk := crashdisk.New()
	disk.MkdirAll(filepath.Dir(dir), 0o755)
	disk.SyncDir("/")
	return disk
}

// many are the two ends of what a cut may take, the first of all ways in their order, and some by chance.
func many(call int, try func(crashdisk.Chooser)) {
	try(crashdisk.Lost{})
	crashdisk.Every(4, func(c crashdisk.Chooser) bool { try(c); return true }) // the first one keeps all
	for i := range 2 {
		try(dice{rand.New(rand.NewSource(int64(call*16 + i)))})
	}
}

func few(call int, try func(crashdisk.Chooser)) {
	try(crashdisk.Lost{})
	try(dice{rand.New(rand.NewSource(int64(call)))})
}

type dice struct{ *rand.Rand }

func (d dice) Choose(n int) int { return d.Intn(n) }

// check opens what a cut left, brings it to the bus, and compares.
func (c left) check(t *testing.T, s story) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lives{world: c.world.clone()}
		b, err := Open(Options{Dir: dir, FS: c.disk, Owner: c.world.owner})
		if err != nil {
			t.Errorf("%s: %v", c.when, err)
			return
		}
		defer b.Close()
		l.b = b
		l.n = 1 << 20
		l.put(1)
		if len(l.world.promised) != len(c.world.promised)+1 {
			t.Errorf("%s: the next life keeps nothing", c.when)
		}
		if err := errors.Join(l.world.meet(b), l.world.serve(b, 1000, true)); err != nil {
			t.Errorf("%s: %v", c.when, err)
		}
		for b.Stats().UnackedRecords > 0 { // gaps that were stated meanwhile
			if err := l.world.serve(b, 1000, true); err != nil {
				t.Errorf("%s: %v", c.when, err)
				break
			}
		}
		l.world.holds(t, c.when, s.causes...)
	})
}

// TestEveryCallMayFail lets each changing call of each story fail once: nothing promised is lost, and the buffer works on.
func TestEveryCallMayFail(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			synctest.Test(t, func(t *testing.T) { _, calls = s.each(newDisk(), newWorld(), 0, func(int, func(crashdisk.Chooser)) {}) })
			for n := 1; n <= calls; n++ {
				var after left
				synctest.Test(t, func(t *testing.T) {
					disk, w := newDisk(), newWorld()
					disk.FailAt(n, errors.New("the disk has a bad day"))
					s.live(&lives{disk: disk, world: w, o: s.o})
					if len(w.promised) == 0 {
						t.Errorf("call %d failing: nothing was kept", n)
					}
					after = left{fmt.Sprintf("%s, call %d failing", s.name, n), disk.Restart(crashdisk.Lost{}), w}
				})
				after.check(t, s)
			}
		})
	}
}
