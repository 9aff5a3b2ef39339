//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

const (
	// mostChecks an agent takes, so at an interval of a second, the shortest, what can be asked of it in one.
	mostChecks = 10_000
	// asked is how much more than its peak is asked of an agent: twice, and what the peak may have been more than was seen.
	asked = 2.3
	// busyRate is what the bare loop makes at most of a plugin with which that can be asked for: an agent's peak is some 1.2 times the bare loop's.
	busyRate = mostChecks / asked / 1.25
)

// writeBusy writes a plugin that computes for so long that an agent's peak with it is less than half of mostChecks.
func writeBusy(path string) error {
	for turns := uint32(100_000); ; turns += turns / 4 {
		if err := writeTrivial(path, turns); err != nil {
			return err
		}
		if bestBare(path, time.Second).perSecond() < busyRate {
			return nil
		}
	}
}

// overload takes the rows with slots and without.
func overload(ctx context.Context, t *table, r *rig.Rig, hub *rig.Hub, during time.Duration) error {
	for _, m := range []struct{ name, config string }{{"with cgroup slots", "cgroups = yes"}, {"without", "cgroups = no"}} {
		err := withLoaded(ctx, r, hub, "overload", m.config, func(l *loaded) error { return l.overload(ctx, t, m.name, during) })
		if err != nil {
			return err
		}
	}
	return nil
}

// overload takes three rounds of the agent at its peak and at twice that, with a plugin that is slow enough for both. Every slot is one that was run or one
// that the agent says it skipped, and its hub hears of it.
func (l *loaded) overload(ctx context.Context, t *table, name string, during time.Duration) error {
	plugin := filepath.Join(filepath.Dir(l.plugin), "check_busy")
	if err := writeBusy(plugin); err != nil {
		return err
	}
	var kept, cost, offered, told []float64
	silent := false // slots that were neither
	var peak, twice rate
	var left slots
	for range 3 {
		var err error
		if peak, err = l.peak(ctx, int(bestBare(plugin, during/2).perSecond()), during); err != nil {
			return err
		}
		n := min(int(peak.perSecond()*asked), mostChecks)
		if twice, left, err = l.at(ctx, n, during); err != nil {
			return err
		}
		top := max(peak.perSecond(), twice.perSecond())
		due := float64(n) * twice.took.Seconds()
		fmt.Fprintf(os.Stderr, "peak %.0f/s; of %.0f slots, %d a second, %d run, %d skipped, %.0f/s in the buffer; user+sys a run %s, then %s\n", peak.perSecond(), due, n, left.run, left.skipped, twice.perSecond(), peak.cpuPerRun(), twice.cpuPerRun())
		kept = append(kept, twice.perSecond()/top)
		cost = append(cost, float64(twice.cpuPerRun())/float64(peak.cpuPerRun()))
		offered = append(offered, float64(n)/top)
		told = append(told, float64(left.run+left.skipped)/due)
		silent = silent || math.Abs(float64(left.run+left.skipped)-due) > float64(n) // one slot of each check may be counted before a look or after it
	}
	if err := l.apply(ctx, "defaults: false\n", 0); err != nil {
		return err
	}
	events, err := l.Run(ctx, "limpet-hub", "events", "--json", "--limit", "1000", "--data", filepath.Join(l.Dir, "hub"))
	if err != nil {
		return err
	}
	heard := slices.ContainsFunc(strings.Split(events, "\n"), func(line string) bool {
		return strings.Contains(line, `"cause":"behind"`) && strings.Contains(line, l.agent.Fingerprint())
	})
	t.add(fmt.Sprintf("at %.2f times its peak of %.0f/s with a plugin that computes, %s", slices.Min(offered), peak.perSecond(), name),
		fmt.Sprintf("%.0f %% kept, user+sys a run %.2f × that at the peak", 100*median(kept), median(cost)), "90 % at 2", median(kept) >= 0.9 && slices.Min(offered) >= 2)
	t.add("of the slots meanwhile run, or said to be skipped; the hub is told",
		fmt.Sprintf("%.1f %%; %s", 100*median(told), map[bool]string{true: "yes", false: "no"}[heard]), "all, but for one of each check; yes", !silent && left.skipped > 0 && heard)
	return nil
}

// peak is the best rate with ever more busy checks at 1 s, from so many on, until the agent no longer runs them all.
func (l *loaded) peak(ctx context.Context, n int, during time.Duration) (best rate, err error) {
	for ; n < mostChecks; n += n / 4 {
		r, _, err := l.at(ctx, n, during)
		if err != nil {
			return best, err
		}
		if r.perSecond() > best.perSecond() {
			best = r
		}
		if r.perSecond() < 0.95*float64(n) {
			return best, nil
		}
	}
	return best, nil
}

// at is the rate with so many busy checks at 1 s.
func (l *loaded) at(ctx context.Context, n int, during time.Duration) (rate, slots, error) {
	if err := l.apply(ctx, alike(n, "check_busy", "1s"), n); err != nil {
		return rate{}, slots{}, err
	}
	return l.rate(ctx, during)
}
