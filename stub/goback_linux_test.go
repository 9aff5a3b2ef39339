package main

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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
	u.until("commit", 30*time.Second, func() bool { return u.good1() == 2 })
	return u
}

// TestKeepsDyingAfterItsCommit: DEMOTE. What ran before runs again, and the release never does.
func TestKeepsDyingAfterItsCommit(t *testing.T) {
	t.Parallel()
	u := onTwo(t)
	two, _ := u.record()
	u.modeOf(2, "dies")
	u.must(syscall.Kill(u.view().core.pid, syscall.SIGKILL)) // itself no verdict: somebody's kill
	u.until("demotion", 20*time.Second, func() bool { return u.good1() == 1 })
	r, _ := u.record()
	if r.Good != u.good || !r.Previous.None() || r.Barred[0] != (boot.Bar{Hash: two.Good.Hash, Counter: 2, Reason: boot.Demoted}) {
		t.Errorf("%+v", r)
	}
	u.until("history tells of it", time.Second, func() bool { return strings.Contains(u.past(), " demote release=2 ") })
	u.until("the one before runs", 10*time.Second, func() bool { v := u.view(); return v.core.counter == 1 && v.state == running })
	first := u.view()
	u.limpet("look", "--wait")
	if out, _, _ := u.limpet("why"); !strings.Contains(out, "failed on this box (demoted) and is barred") {
		t.Errorf("why: %s", out)
	}
	u.release(3)
	u.limpet("look")
	u.until("the next one is taken", 40*time.Second, func() bool { return u.good1() == 3 })
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
		u.until("another core", 30*time.Second, func() bool { v := u.view(); return v.state == running && v.core.pid != pid })
	}
	u.modeOf(2, "dies")
	starts := u.starts()
	u.must(syscall.Kill(u.view().core.pid, syscall.SIGKILL))
	u.until("two deaths of its own", 30*time.Second, func() bool { return u.starts() >= starts+2 })
	u.modeOf(2, "")
	u.until("it lives", 40*time.Second, func() bool { return u.view().state == running })
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
				u.until("previous runs", 10*time.Second, func() bool { v := u.view(); return v.state == running && v.core.role == "previous" })
				if !slices.Contains(words(u.view().warnings), "repair") {
					t.Errorf("%+v", u.view())
				}
			case 2:
				u.until("it says that nothing may run", 10*time.Second, func() bool { return u.view().state == noCore })
			}
			program, err := os.ReadFile(programs.fetch())
			u.must(err)
			u.must(os.WriteFile(u.Fetch(), program, 0o755))
			u.limpet("look")
			u.until("good runs again", 30*time.Second, func() bool { v := u.view(); return v.state == running && v.core.counter == 2 && v.core.role == "good" })
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
