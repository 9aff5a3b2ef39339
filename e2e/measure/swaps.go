//go:build linux

package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// The load under which cores are swapped, and what comes before the first swap.
const (
	fastChecks = 190
	slowChecks = 10 // run 5 s, and are due each second
	checkEvery = time.Second
	swapTime   = 90 * time.Second
)

// swapping is one agent under load whose core is replaced again and again.
type swapping struct {
	*rig.Rig
	hub     *rig.Hub
	agent   *rig.Agent
	book    *ledger.Ledger
	began   time.Time
	swaps   []span
	left    map[string]bool // causes for which the hub saw the agent leave
	offline int             // looks at the agent that found it offline
	looks   int
}

// span is a stretch of time.
type span struct{ from, to time.Time }

// swapsUnderLoad replaces the core n times under 200 checks at 1 s and counts every result.
func swapsUnderLoad(ctx context.Context, t *table, bin, dir string, n int, before time.Duration) error {
	s, err := newSwapping(ctx, bin, dir, fastChecks, slowChecks)
	if err != nil {
		return err
	}
	defer s.hub.Stop()
	defer s.agent.Stop()
	if err := sleep(ctx, 10*time.Second); err != nil { // the start has passed
		return err
	}
	rest := span{from: time.Now()}
	if err := sleep(ctx, before); err != nil {
		return err
	}
	rest.to = time.Now()
	for i := range n {
		if err := s.swap(ctx, fmt.Sprintf("0.2.0-swap.%04d", i+1)); err != nil {
			return fmt.Errorf("swap %d: %w", i+1, err)
		}
	}
	tally, err := s.end(ctx)
	if err != nil {
		return err
	}
	s.report(t, tally, rest)
	return nil
}

// newSwapping brings up a hub, and an agent whose every check has run.
func newSwapping(ctx context.Context, bin, dir string, fast, slow int) (*swapping, error) {
	s := &swapping{Rig: &rig.Rig{Bin: bin, Dir: dir}, left: map[string]bool{}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := rig.BuildCore(ctx, s.core(), "0.2.0-swap.0000"); err != nil {
		return nil, err
	}
	if err := s.Publish(ctx, "0.2.0-swap.0000", s.core()); err != nil {
		return nil, err
	}
	var err error
	if s.book, err = ledger.New(dir, "5"); err != nil {
		return nil, err
	}
	if s.hub, err = s.NewHub(); err != nil {
		return nil, err
	}
	if err := s.hub.Start(ctx); err != nil {
		return nil, err
	}
	s.agent = s.NewAgent("box")
	if err := s.agent.Bootstrap(ctx, s.hub); err != nil {
		return nil, err
	}
	if err := s.agent.Configure("plugin_dirs = " + s.book.Plugins()); err != nil {
		return nil, err
	}
	s.began = time.Now()
	if err := s.agent.Start(); err != nil {
		return nil, err
	}
	if err := s.hub.Apply(ctx, ledger.Checks(fast, slow)); err != nil {
		return nil, err
	}
	return s, rig.Await(ctx, time.Minute, "every check's first run", func(context.Context) (bool, error) {
		return s.book.Began() == fast+slow, nil
	})
}

func (s *swapping) core() string { return filepath.Join(s.Dir, "core") }

// swap publishes another core and waits until it is committed and runs alone with the last one's runs.
func (s *swapping) swap(ctx context.Context, version string) error {
	next := filepath.Join(s.Dir, "next")
	hash, err := rig.Reversion(s.core(), next, "0.2.0-swap.0000", version)
	if err != nil {
		return err
	}
	if _, err := s.PublishCore(ctx, version, next, "--plain"); err != nil {
		return err
	}
	at := span{from: time.Now()}
	if err := s.agent.Look(ctx); err != nil {
		return err
	}
	err = rig.Await(ctx, swapTime, version+" committed", func(ctx context.Context) (bool, error) {
		r := s.agent.Record()
		if bar := r.Barred[0]; bar.Counter != 0 {
			return false, fmt.Errorf("release %d was barred: %s", bar.Counter, bar.Reason)
		}
		return hex.EncodeToString(r.Good.Hash[:]) == hash, s.look(ctx)
	})
	at.to = time.Now()
	s.swaps = append(s.swaps, at)
	return err
}

// look asks the hub how it sees the agent.
func (s *swapping) look(ctx context.Context) error {
	var agent struct{ Presence, Cause string }
	if err := s.hub.Get(ctx, "/api/v1/agents/"+s.agent.Fingerprint(), &agent); err != nil {
		return err
	}
	if s.looks++; agent.Presence == "offline" {
		s.offline++
	}
	if s.looks%50 != 0 {
		return nil
	}
	return s.log(ctx)
}

// log gathers why the agent left, as the hub saw it.
func (s *swapping) log(ctx context.Context) error {
	var log []struct{ ID, Kind, Cause string }
	if err := s.hub.Get(ctx, "/api/v1/log?limit=1000", &log); err != nil {
		return err
	}
	for _, e := range log {
		if e.Kind == "left" {
			s.left[e.Cause] = true
		}
	}
	return nil
}

// end takes the checks away, waits until nothing runs, and counts.
func (s *swapping) end(ctx context.Context) (ledger.Tally, error) {
	if err := s.log(ctx); err != nil {
		return ledger.Tally{}, err
	}
	if err := s.hub.Apply(ctx, "defaults: false\nchecks: []\n"); err != nil {
		return ledger.Tally{}, err
	}
	if err := ledger.Settle(ctx, s.Rig, s.agent); err != nil {
		return ledger.Tally{}, err
	}
	return s.book.Count(ctx, s.hub, s.agent.Fingerprint(), time.Since(s.began)+time.Minute)
}

func (s *swapping) report(t *table, tally ledger.Tally, rest span) {
	p99 := quantile(lags(tally.Runs, rest), 0.99)
	var gaps, took []time.Duration
	for _, at := range s.swaps {
		gaps = append(gaps, max(0, quantile(lags(tally.Runs, at), 1)-p99))
		took = append(took, at.to.Sub(at.from))
	}
	what := fmt.Sprintf("%d swaps under %d checks at 1 s, %d of them running 5 s: ", len(s.swaps), fastChecks+slowChecks, slowChecks)
	t.add(what+"gap in the schedule (worst lag of a swap less the p99 of the minute before, "+millis(p99)+")", spread(gaps), "p99 < 250 ms",
		quantile(gaps, 0.99) < 250*time.Millisecond)
	t.add("… results: ran, on the bus; lost, doubled", fmt.Sprintf("%d, %d; %d, %d", tally.Ran, tally.Arrived, len(tally.Lost), len(tally.Doubled)+len(tally.Strange)),
		"0, 0", len(tally.Lost)+len(tally.Doubled)+len(tally.Strange) == 0 && tally.Arrived > 0)
	t.add("… runs killed", fmt.Sprint(tally.Told), "0", tally.Told == 0)
	t.add("… slots left out", fmt.Sprint(leftOut(tally.Runs)), "0", leftOut(tally.Runs) == 0)
	t.add("… presence: looks that found it offline; why it left", fmt.Sprintf("%d of %d; %s", s.offline, s.looks, causes(s.left)), "never lost",
		s.offline == 0 && !s.left["lost"])
	t.add("… look to commit, soak of 3 s", spread(took), "", true)
}

func causes(left map[string]bool) string {
	var list []string
	for c := range left {
		list = append(list, c)
	}
	if list == nil {
		return "never"
	}
	return strings.Join(list, ", ")
}

// lags are how late the runs began that were due in a stretch of time.
func lags(runs []ledger.Run, at span) []time.Duration {
	var list []time.Duration
	for _, r := range runs {
		if r.Trigger == "scheduled" && !r.Due.Before(at.from) && !r.Due.After(at.to) {
			list = append(list, r.Start.Sub(r.Due))
		}
	}
	return list
}

// leftOut counts the slots of quick checks that no run came for. Those of slow ones go by while a run lasts.
func leftOut(runs []ledger.Run) int {
	last, n := map[string]time.Time{}, 0
	for _, r := range dueOrder(runs) {
		if !strings.HasPrefix(r.Check, "fast-") {
			continue
		}
		if was, ok := last[r.Check]; ok {
			n += max(0, int((r.Due.Sub(was)+checkEvery/2)/checkEvery)-1)
		}
		last[r.Check] = r.Due
	}
	return n
}
