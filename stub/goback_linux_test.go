package main

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/limpet-monitoring/limpet/updater/boot"
)

// onTwo is a box that committed release 2 a moment ago.
func onTwo(t *testing.T) *updating {
	t.Helper()
	u := newUpdating(t)
	u.start()
	u.untilRunning()
	u.release(2)
	u.limpet("look")
	u.until("commit", func() bool { return u.good1() == 2 })
	return u
}

// TestKeepsDyingAfterItsCommit: DEMOTE. What ran before runs again, and the release never does.
func TestKeepsDyingAfterItsCommit(t *testing.T) {
	t.Parallel()
	u := onTwo(t)
	two, _ := u.record()
	u.modeOf(2, "dies")
	u.must(syscall.Kill(u.view().core.pid, syscall.SIGKILL)) // itself no verdict: somebody's kill
	u.until("demotion", func() bool { return u.good1() == 1 })
	r, _ := u.record()
	if r.Good != u.good || !r.Previous.None() || r.Barred[0] != (boot.Bar{Hash: two.Good.Hash, Counter: 2, Reason: boot.Demoted}) {
		t.Errorf("%+v", r)
	}
	u.until("history tells of it", func() bool { return strings.Contains(u.past(), " demote release=2 ") })
	u.until("the one before runs", func() bool { v := u.view(); return v.core.counter == 1 && v.state == running })
	first := u.view()
	u.limpet("look", "--wait")
	if out, _, _ := u.limpet("why"); !strings.Contains(out, "failed on this box (demoted) and is barred") {
		t.Errorf("why: %s", out)
	}
	u.release(3)
	u.limpet("look")
	u.until("the next one is taken", func() bool { return u.good1() == 3 })
	if r, _ := u.record(); r.Previous != u.good || first.core.counter != 1 {
		t.Errorf("%+v", r)
	}
}

// TestDiesButNotThreeTimes: two deaths are no demotion, and a kill from outside is none at all.
func TestDiesButNotThreeTimes(t *testing.T) {
	t.Parallel()
	u := onTwo(t)
	for range 4 {
		pid := u.view().core.pid
		u.must(syscall.Kill(pid, syscall.SIGKILL))
		u.until("another core", func() bool { v := u.view(); return v.state == running && v.core.pid != pid })
	}
	last := u.lastStart()
	u.modeOfStart(last+1, "dies")
	u.modeOfStart(last+2, "dies")
	u.must(syscall.Kill(u.view().core.pid, syscall.SIGKILL))
	u.until("it lives, after two deaths of its own", func() bool { return u.lastStart() >= last+3 && u.view().state == running })
	if r, _ := u.record(); r.Good.Counter != 2 || r.Barred[0] != (boot.Bar{}) {
		t.Errorf("%+v", r)
	}
}

// TestDamagedGoodIsPlacedAgain: REPAIR. Something that hashes runs meanwhile; then good takes over, and nothing is held against anybody.
func TestDamagedGoodIsPlacedAgain(t *testing.T) {
	for name, damaged := range map[string]int{"previous runs meanwhile": 1, "nothing runs meanwhile": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := onTwo(t)
			before, _ := u.record()
			cores := []boot.Core{before.Good, before.Previous}
			for _, c := range cores[:damaged] {
				u.flip(c)
			}
			u.must(os.RemoveAll(u.Fetch())) // so that it can be seen
			u.must(syscall.Kill(u.view().core.pid, syscall.SIGKILL))
			switch damaged {
			case 1:
				u.until("previous runs", func() bool { v := u.view(); return v.state == running && v.core.role == "previous" })
				if !slices.Contains(words(u.view().warnings), "repair") {
					t.Errorf("%+v", u.view())
				}
			case 2:
				u.until("it says that nothing may run", func() bool { return u.view().state == noCore })
			}
			u.fetches()
			u.limpet("look")
			u.until("good runs again", func() bool { v := u.view(); return v.state == running && v.core.counter == 2 && v.core.role == "good" })
			if len(words(u.view().warnings)) != 1 { // development
				t.Errorf("warnings %v", u.view().warnings)
			}
			r, _ := u.record()
			if r.Good != before.Good || r.Previous != before.Previous || r.Barred[0] != (boot.Bar{}) || !r.Trial.None() {
				t.Errorf("%+v", r)
			}
		})
	}
}
