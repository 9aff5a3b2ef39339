package boot

import (
	"fmt"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// kind is how a release behaves; nobody but the world knows.
type kind int

const (
	healthy kind = iota
	dies         // whenever it runs
	slow         // healthy, but its first run ends without a verdict (somebody kills it)
)

// world is one box with its publisher, over power cuts: disk survives a cut as far as the crash disk says,
// clock and what was seen go on, everything else is lost.
type world struct {
	t        *testing.T
	disk     *crashdisk.Disk
	releases []kind // by counter - 1; the first came with bootstrap
	now      int64
	choose   crashdisk.Chooser

	starts map[uint64]int  // of trials, by counter
	barred map[uint64]bool // rejections that took effect
	slept  map[uint64]bool // slow ones that were cut off once
	steps  int
}

// violated ends the run: nothing more is learnt from it.
func (w *world) violated(format string, args ...any) {
	w.t.Errorf("releases %v: %s", w.releases, fmt.Sprintf(format, args...))
}

// live is one life of a stub, until the power fails (false) or there is nothing left to do (true).
func (w *world) live() bool {
	sectors, r, found := Load(w.disk, names)
	if !found {
		w.violated("no record")
		return true
	}
	decide := func(e Event) (Action, bool) {
		next, a := Next(r, e)
		if next == r {
			return a, true
		}
		saved, err := sectors.Save(next)
		if err != nil {
			return a, false
		}
		r = saved
		return a, true
	}
	w.runs(Next(r, Boot{}))
	for w.steps++; w.steps < 200; w.steps++ {
		if r.Trial.None() {
			newest := sample(uint64(len(w.releases)))
			if r.Against(newest, w.now) != "" {
				return true
			}
			if _, ok := decide(Stage{newest, 300, w.now}); !ok {
				return false
			}
		}
		a, ok := decide(Start{Baseline: 7, Now: w.now})
		if !ok {
			return false
		}
		if a.Do == Try {
			a, ok = w.try(r, decide)
			if !ok {
				return false
			}
		}
		switch a.Do {
		case Reject:
			w.barred[a.Core.Counter] = true
		case GiveUp:
			w.now += asideTime
		}
	}
	w.violated("it does not settle: %+v", r)
	return true
}

// runs checks what was decided to run: it must be something that works.
func (w *world) runs(_ Record, a Action) {
	if a.Do != Run || a.Core.None() || w.releases[a.Core.Counter-1] == dies {
		w.violated("starts %+v as good", a)
	}
}

// try is one run of the trial.
func (w *world) try(r Record, decide func(Event) (Action, bool)) (Action, bool) {
	counter := r.Trial.Counter
	w.starts[counter]++
	if w.barred[counter] {
		w.violated("release %d was rejected and starts again", counter)
	}
	if w.starts[counter] > MaxStarts {
		w.violated("release %d starts for the %dth time", counter, w.starts[counter])
	}
	switch kind := w.releases[counter-1]; {
	case kind == dies:
		return decide(Fail{Exited})
	case kind == slow && !w.slept[counter]:
		w.slept[counter] = true
		return Action{}, true
	}
	return decide(Commit{w.now})
}

// TestCrashPoints cuts the power at each write of the record, once and twice in a row for a release, with
// every outcome of the cut, over all kinds of releases.
func TestCrashPoints(t *testing.T) {
	runs := 0
	for _, second := range []kind{healthy, dies, slow} {
		runs += explore(t, []kind{healthy, second}, 1)
		runs += explore(t, []kind{healthy, second}, 2)
		for _, third := range []kind{healthy, dies, slow} {
			runs += explore(t, []kind{healthy, second, third}, 1)
		}
	}
	t.Logf("%d ways", runs)
	if runs < 1000 {
		t.Errorf("only %d ways to lose power", runs)
	}
}

// explore goes through every way to lose power so often: at which call of each life, and what the disk
// keeps.
func explore(t *testing.T, releases []kind, cuts int) int {
	const calls = 6 // of one life: two a write; more only repeats what the shorter cuts show
	return crashdisk.Every(0, func(c crashdisk.Chooser) bool {
		w := &world{t: t, disk: prepared(t), now: 1000, choose: c, starts: map[uint64]int{}, barred: map[uint64]bool{}, slept: map[uint64]bool{}}
		s, _, _ := Load(w.disk, names)
		if _, err := s.Save(Record{Good: sample(1), Factory: sample(1)}); err != nil {
			t.Fatal(err)
		}
		for n := 2; n <= len(releases); n++ {
			w.releases = releases[:n]
			for range cuts {
				w.disk.CutAt(1 + c.Choose(calls))
				if done := w.live(); done {
					break
				}
				w.disk = w.disk.Restart(c)
			}
			w.disk = w.disk.Restart(crashdisk.Kept{})
			w.steps = 0
			for range 2 {
				w.live()
				w.disk = w.disk.Restart(crashdisk.Kept{})
			}
			w.settled()
		}
		return !t.Failed()
	})
}

// settled checks the end of a story.
func (w *world) settled() {
	_, r, found := Load(w.disk, names)
	newest := len(w.releases)
	want := uint64(newest)
	for w.releases[want-1] == dies {
		want--
	}
	switch {
	case !found || r.Good.Counter != want:
		w.violated("good is %d, want %d", r.Good.Counter, want)
	case !r.Trial.None():
		w.violated("release %d is still tried", r.Trial.Counter)
	}
	for _, b := range r.Barred {
		if b != (Bar{}) && w.releases[b.Counter-1] != dies {
			w.violated("release %d is healthy and barred", b.Counter)
		}
	}
}
