//go:build linux

package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// bad is one way for a release to be broken.
type bad struct {
	tag, what string
	reason    boot.Reason
	still     time.Duration // the longest that nothing may start for it
	untouched bool          // and good is never told to hand over
}

var bads = []bad{
	{"demofault_die", "a core that dies at its start", boot.Exited, 500 * time.Millisecond, true},
	{"demofault_hang", "a core that says ready and hangs", boot.Hung, 500 * time.Millisecond, true},
	{"demofault_dieactive", "a core that dies right after `activate`", boot.Exited, 2 * time.Second, false},
	{"demofault_hangactive", "a core that hangs right after `activate`", boot.Hung, 25 * time.Second, false},
}

const barTime = 5 * time.Minute // three trials, and what is waited between them

// faults publishes broken cores to one agent under a small load: 40 checks at 1 s, so that a start is never far.
func faults(ctx context.Context, t *table, bin, dir string) error {
	s, err := newSwapping(ctx, bin, dir, 40, 2)
	if err != nil {
		return err
	}
	defer s.hub.Stop()
	defer s.agent.Stop()
	if err := sleep(ctx, 5*time.Second); err != nil {
		return err
	}
	for i, b := range bads {
		if err := s.bad(ctx, b, fmt.Sprintf("0.3.0-%s.%d", strings.TrimPrefix(b.tag, "demofault_"), i)); err != nil {
			return fmt.Errorf("%s: %w", b.what, err)
		}
	}
	tally, err := s.end(ctx)
	if err != nil {
		return err
	}
	for i, b := range bads {
		at := s.swaps[i]
		p := longestPause(tally.Runs, at)
		epochs := len(epochsOf(tally.Runs, at))
		t.add(b.what+", three trials: longest time in which nothing started; cores that scheduled", fmt.Sprintf("%s; %d", millis(p), epochs),
			fmt.Sprintf("< %s", b.still), p > 0 && p < b.still && (epochs == 1) == b.untouched)
	}
	t.add("… results: ran, on the bus, cut off and reported; lost, doubled",
		fmt.Sprintf("%d, %d, %d; %d, %d", tally.Ran, tally.Arrived, tally.Told, len(tally.Lost), len(tally.Doubled)+len(tally.Strange)),
		"0, 0", len(tally.Lost)+len(tally.Doubled)+len(tally.Strange) == 0)
	return nil
}

// bad publishes a broken core and waits until it is barred, for the right reason.
func (s *swapping) bad(ctx context.Context, b bad, version string) error {
	core := filepath.Join(s.Dir, version)
	if err := rig.BuildCore(ctx, core, version, b.tag); err != nil {
		return err
	}
	if _, err := s.PublishCore(ctx, version, core, "--plain"); err != nil {
		return err
	}
	good, before, at := s.agent.Record().Good, newest(s.agent.Record()), span{from: time.Now()}
	if err := s.agent.Look(ctx); err != nil {
		return err
	}
	err := rig.Await(ctx, barTime, version+" barred", func(ctx context.Context) (bool, error) {
		r := s.agent.Record()
		if r.Good != good {
			return false, fmt.Errorf("good changed to %s", hex.EncodeToString(r.Good.Hash[:6]))
		}
		bar := newest(r)
		if bar.Counter <= before.Counter {
			return false, s.look(ctx)
		}
		if bar.Reason != b.reason {
			return false, fmt.Errorf("barred as %q, want %q", bar.Reason, b.reason)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	err = sleep(ctx, 5*time.Second) // good schedules again
	at.to = time.Now()
	s.swaps = append(s.swaps, at)
	return err
}

// newest is the bar with the highest counter.
func newest(r boot.Record) boot.Bar {
	return slices.MaxFunc(r.Barred[:], func(a, b boot.Bar) int { return cmp.Compare(a.Counter, b.Counter) })
}

// longestPause is the longest time in a stretch in which no run started.
func longestPause(runs []ledger.Run, at span) time.Duration {
	last, longest := at.from, time.Duration(0)
	for _, start := range slices.SortedFunc(starts(runs, at), time.Time.Compare) {
		longest, last = max(longest, start.Sub(last)), start
	}
	return max(longest, at.to.Sub(last))
}

// epochsOf are the lives of cores that scheduled in a stretch.
func epochsOf(runs []ledger.Run, at span) map[string]bool {
	seen := map[string]bool{}
	for _, r := range runs {
		if !r.Start.Before(at.from) && r.Start.Before(at.to) {
			seen[r.Epoch] = true
		}
	}
	return seen
}

func starts(runs []ledger.Run, at span) func(func(time.Time) bool) {
	return func(yield func(time.Time) bool) {
		for _, r := range runs {
			if !r.Start.Before(at.from) && r.Start.Before(at.to) && !yield(r.Start) {
				return
			}
		}
	}
}
