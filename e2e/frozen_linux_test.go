//go:build linux

package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

const (
	shortFreeze = 8 * time.Second  // less than three missed `alive`
	longFreeze  = 25 * time.Second // more than those
	hubFreeze   = 35 * time.Second // more than three heartbeats
)

// TestFrozen stops (SIGSTOP) core and stub for a while under load. A core that is still for long is ended and started again; one whose stub slept is not, and a
// release that is due meanwhile comes afterwards. Whatever stood still, every run is at the hub once or reported as lost.
func TestFrozen(t *testing.T) {
	t.Parallel()
	s, a, counted := newLoad(t)
	core := a.CorePID()
	s.freeze(core, shortFreeze)
	s.holds(5*time.Second, "a core that stood still for less than the stub waits goes on", func() bool { return a.CorePID() == core })

	s.stopped(core, func() {
		s.await("another core, in the place of one that stands still", func() bool { pid := a.CorePID(); return pid > 1 && pid != core })
	})
	s.online(a, "after its core stood still")

	core = a.CorePID()
	newer := filepath.Join(s.Dir, "newer")
	_, err := rig.Reversion(filepath.Join(bin, "limpet-core"), newer, "0.1.0", "0.1.1")
	s.must(err)
	_, err = s.PublishCore(s.ctx, "0.1.1", newer, "--plain")
	s.must(err)
	stub := a.Stub().Cmd.Process.Pid
	s.stopped(stub, func() {
		s.must(a.Look(s.ctx))
		seen := s.runs(a)
		s.wait(longFreeze)
		s.await("results while the stub stands still", func() bool { return s.runs(a)-seen >= 50 }) // ten checks a second
		if pid := a.CorePID(); pid != core {
			t.Errorf("core %d became %d while the stub stood still", core, pid)
		}
	})
	s.await("the release that was due", func() bool { return a.Record().Good.Counter == 2 })
	if r := a.Record(); r.Barred[0] != (boot.Bar{}) || r.Aside[0] != (boot.Aside{}) {
		t.Errorf("held against a release: %+v, %+v", r.Barred[0], r.Aside[0])
	}

	counted()
}

// TestFrozenHub stops the hub for longer than agents wait for its word.
func TestFrozenHub(t *testing.T) {
	t.Parallel()
	s, a, counted := newLoad(t)
	s.freeze(s.hub.Process().Cmd.Process.Pid, hubFreeze)
	s.online(a, "after its hub stood still")
	counted()
}

// newLoad is a box that runs ten checks a second, and what ends that and holds what ran against what the hub has.
func newLoad(t *testing.T) (s *site, a *rig.Agent, counted func()) {
	t.Helper()
	s = newSite(t)
	book, err := ledger.New(s.Dir, "2")
	s.must(err)
	began := time.Now()
	a = s.agent("box", "plugin_dirs = "+book.Plugins())
	s.must(s.hub.Apply(s.ctx, ledger.Checks(8, 2)))
	s.await("every check's first run", func() bool { return book.Began() == 10 })
	return s, a, func() {
		t.Helper()
		s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks: []\n"))
		s.must(ledger.Settle(s.ctx, s.Rig, a))
		tally, err := book.Count(s.ctx, s.hub, a.Fingerprint(), time.Since(began)+time.Minute)
		s.must(err)
		t.Logf("%d runs, %d at the hub, %d cut off and reported", tally.Ran, tally.Arrived, tally.Told)
		if n := len(tally.Lost) + len(tally.Doubled) + len(tally.Strange); n > 0 || tally.Arrived < 100 {
			t.Errorf("lost %v, doubled %v, never ran %v", tally.Lost, tally.Doubled, tally.Strange)
		}
	}
}

// freeze stops a process for so long.
func (s *site) freeze(pid int, d time.Duration) {
	s.t.Helper()
	s.stopped(pid, func() { s.wait(d) })
}

// wait lets time pass: what is tested is that it does.
func (s *site) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
}

// runs is how many results the hub has of an agent.
func (s *site) runs(a *rig.Agent) int {
	agent, _ := get[struct{ Results int }](s, "/api/v1/agents/"+a.Fingerprint())
	return agent.Results
}
