//go:build linux

package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

const baseVersion = "0.4.0-storm.0000"

// victims are what is killed in a swap: each names the processes of its kind that live now.
var victims = []struct {
	name string
	of   func(a *rig.Agent) []int
}{
	{"stub", func(a *rig.Agent) []int { return []int{a.Stub().Cmd.Process.Pid} }},
	{"core that schedules", func(a *rig.Agent) []int { return []int{a.CorePID()} }},
	{"core beside it", func(a *rig.Agent) []int { return a.Others() }},
	{"fetcher", func(a *rig.Agent) []int { return a.Fetchers() }},
}

const (
	killsPerSwap = 2
	killWithin   = 4 * time.Second // a swap is a look, a wait of 3 s, a second in standby, a moment of handing over, and a soak
	victimTime   = 5 * time.Second // until one is there
)

// TestSwapStorm publishes release after release under load and kills (-9) stub, old core, new core and fetcher at random moments of each swap.
// However it goes, the box ends up on the newest release, nothing is held against any, and every run is at the hub once or reported as lost.
func TestSwapStorm(t *testing.T) {
	t.Parallel()
	swaps := 3
	if n, err := strconv.Atoi(os.Getenv("LIMPET_STORM_SWAPS")); err == nil {
		swaps = n
	}
	s := newSite(t)
	core := filepath.Join(s.Dir, "core")
	s.must(rig.BuildCore(s.ctx, core, baseVersion))
	_, err := s.PublishCore(s.ctx, baseVersion, core, "--plain")
	s.must(err)
	book, err := ledger.New(s.Dir, "2")
	s.must(err)
	began := time.Now()
	a := s.agent("storm", "plugin_dirs = "+book.Plugins())
	s.must(s.hub.Apply(s.ctx, ledger.Checks(16, 4)))
	s.await("every check's first run", func() bool { return book.Began() == 20 })

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	turns := rnd.Perm(len(victims))
	for i := range swaps {
		version := fmt.Sprintf("0.4.0-storm.%04d", i+1)
		hash := s.publishStorm(core, version)
		s.must(a.Look(s.ctx))
		for k := range killsPerSwap {
			wait := time.NewTimer(time.Duration(rnd.Int64N(int64(killWithin))))
			<-wait.C
			s.killOne(a, turns[(i*killsPerSwap+k)%len(turns)], time.Duration(rnd.Int64N(int64(time.Second))))
		}
		s.settlesOn(a, version, hash)
	}
	s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks: []\n"))
	s.must(ledger.Settle(s.ctx, s.Rig, a))
	tally, err := book.Count(s.ctx, s.hub, a.Fingerprint(), time.Since(began)+time.Minute)
	s.must(err)
	t.Logf("%d runs, %d at the hub, %d cut off and reported", tally.Ran, tally.Arrived, tally.Told)
	for what, list := range map[string][]string{"lost": tally.Lost, "more than once at the hub": tally.Doubled, "at the hub and never ran": tally.Strange} {
		if len(list) > 0 {
			t.Errorf("%s: %v", what, list)
		}
	}
	if tally.Arrived < 20*swaps {
		t.Errorf("only %d results: the load was no load", tally.Arrived)
	}
}

// publishStorm publishes another release and returns its hash.
func (s *site) publishStorm(core, version string) string {
	s.t.Helper()
	next := filepath.Join(s.Dir, "next")
	hash, err := rig.Reversion(core, next, baseVersion, version)
	s.must(err)
	_, err = s.PublishCore(s.ctx, version, next, "--plain")
	s.must(err)
	return hash
}

// settlesOn waits until the box is on a release, and nothing is held against any.
func (s *site) settlesOn(a *rig.Agent, version, hash string) {
	s.t.Helper()
	s.must(a.Look(s.ctx)) // the fetcher may be what was killed
	s.must(rig.AwaitPatiently(s.ctx, version+" committed", func(context.Context) (bool, error) {
		r := a.Record()
		if r.Barred[0] != (boot.Bar{}) || r.Aside[0] != (boot.Aside{}) {
			return false, fmt.Errorf("release %d was barred (%s) or set aside", r.Barred[0].Counter, r.Barred[0].Reason)
		}
		return hex.EncodeToString(r.Good.Hash[:]) == hash, nil
	}))
	if history, _ := os.ReadFile(filepath.Join(a.Root, "state", "history")); strings.Contains(string(history), " fail ") {
		s.t.Errorf("a kill was held against a release:\n%s", history)
	}
}

// killOne kills one process of a kind, a moment after there is one, and starts the stub again where it was that. A fetcher lives for no longer
// than such a moment: it is killed as soon as it is seen.
func (s *site) killOne(a *rig.Agent, kind int, moment time.Duration) {
	s.t.Helper()
	v, brief := victims[kind], victims[kind].name == "fetcher"
	if brief {
		s.must(a.Look(s.ctx))
	}
	there := func(context.Context) (bool, error) { pids := v.of(a); return len(pids) > 0 && pids[0] > 1, nil }
	if err := rig.Await(s.ctx, victimTime, v.name, there); err != nil {
		s.t.Log(err) // the swap is over
		return
	}
	if wait := time.NewTimer(moment); !brief {
		<-wait.C
	}
	pids := v.of(a)
	if len(pids) == 0 || pids[0] <= 1 {
		s.t.Logf("no %s any more", v.name)
		return
	}
	s.t.Logf("kill -9 %s (%d)", v.name, pids[0])
	if v.name == "stub" {
		a.Stub().Kill()
		s.must(a.Start())
	} else if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		s.t.Errorf("kill %s: %v", v.name, err)
	}
}
