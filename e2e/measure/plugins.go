//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// loaded is a box whose plugins are measured, and its hub.
type loaded struct {
	*rig.Rig
	hub    *rig.Hub
	agent  *rig.Agent
	plugin string // the trivial one
}

func newLoaded(ctx context.Context, r *rig.Rig, hub *rig.Hub, name string, config ...string) (*loaded, error) {
	l := &loaded{Rig: r, hub: hub, agent: r.NewAgent(name)}
	dir := filepath.Join(r.Dir, name+"-plugins")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	l.plugin = filepath.Join(dir, "check_trivial")
	if err := writeTrivial(l.plugin, 0); err != nil {
		return nil, err
	}
	if err := hub.Apply(ctx, "defaults: false\n"); err != nil {
		return nil, err
	}
	if err := l.agent.Bootstrap(ctx, hub); err != nil {
		return nil, err
	}
	if err := l.agent.Configure(append(config, "plugin_dirs = "+dir)...); err != nil {
		return nil, err
	}
	return l, l.agent.Start()
}

// state is what of `limpet status --json` is looked at.
type state struct {
	Core *struct {
		Buffer   struct{ Pending uint64 }
		Schedule struct {
			Checks, Running, Queued int
			Skipped, Runs           uint64
			P99                     float64 `json:"lag_p99_ms"`
			Max                     float64 `json:"lag_max_ms"`
		}
	}
}

func (l *loaded) state(ctx context.Context) (s state, err error) {
	out, err := l.Run(ctx, "limpet", "status", "--json", "--root", l.agent.Root)
	if err == nil {
		err = json.Unmarshal([]byte(out), &s)
	}
	if err == nil && s.Core == nil {
		err = fmt.Errorf("the core of %s does not answer", l.agent.Root)
	}
	return s, err
}

// apply gives it checks and waits until they run.
func (l *loaded) apply(ctx context.Context, yaml string, checks int) error {
	if err := l.hub.Apply(ctx, yaml); err != nil {
		return err
	}
	return rig.Await(ctx, time.Minute, fmt.Sprintf("%d checks", checks), func(ctx context.Context) (bool, error) {
		s, err := l.state(ctx)
		return err == nil && s.Core.Schedule.Checks == checks, nil
	})
}

func trivial(n int, every string) string { return alike(n, "check_trivial", every) }

func alike(n int, plugin, every string) string {
	var b strings.Builder
	b.WriteString("defaults: false\nchecks:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {name: t%d, plugin: %s, every: %s}\n", i, plugin, every)
	}
	return b.String()
}

// rate is what the agent brings into its synced buffer, with its hub away, which would share the processors, and what its schedule started and skipped meanwhile.
func (l *loaded) rate(ctx context.Context, during time.Duration) (r rate, sched slots, err error) {
	if err := l.hub.Stop(); err != nil {
		return r, sched, err
	}
	defer func() {
		if started := l.hub.Start(ctx); err == nil {
			err = started
		}
	}()
	if err := sleep(ctx, 2*time.Second); err != nil { // the first runs are over, and the line's end is known
		return r, sched, err
	}
	pid := l.agent.CorePID()
	start := time.Now() // both times before the answer, which is long with so many checks
	before, err := l.state(ctx)
	if err != nil {
		return r, sched, err
	}
	cpu := treeTime(pid)
	if err := sleep(ctx, during); err != nil {
		return r, sched, err
	}
	took := time.Since(start)
	after, err := l.state(ctx)
	if err != nil {
		return r, sched, err
	}
	r = rate{after.Core.Buffer.Pending - before.Core.Buffer.Pending, took, treeTime(pid) - cpu}
	return r, slots{after.Core.Schedule.Runs - before.Core.Schedule.Runs, after.Core.Schedule.Skipped - before.Core.Schedule.Skipped}, nil
}

// slots are those of a while that were run, and those that were skipped.
type slots struct{ run, skipped uint64 }

// treeTime is the user and system time of a process and of the children it has waited for.
func treeTime(pid int) time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	at := strings.LastIndexByte(string(stat), ')')
	fields := strings.Fields(string(stat[at+1:]))
	if len(fields) < 15 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// pluginRate holds the agent's rate against the bare loop's, taken before and after it.
func pluginRate(ctx context.Context, t *table, r *rig.Rig, hub *rig.Hub, name, config string, share float64, during time.Duration) error {
	return withLoaded(ctx, r, hub, "rate", config, func(l *loaded) error { return l.rates(ctx, t, name, share, during) })
}

// withLoaded is for a box with cgroups as config says, that may use all of the machine: one left to itself uses half.
func withLoaded(ctx context.Context, r *rig.Rig, hub *rig.Hub, what, config string, f func(*loaded) error) error {
	l, err := newLoaded(ctx, r, hub, what+"-"+strings.Fields(config)[2], config, "limit.cpu = none")
	if err != nil {
		return err
	}
	err = f(l)
	if stopped := l.agent.Stop(); err == nil {
		err = stopped
	}
	return err
}

// bestBare is the bare loop with as many at a time as it is fastest with.
func bestBare(plugin string, during time.Duration) (best rate) {
	for _, side := range []int{2, 4, 8} {
		if b := bare(plugin, side, during/3); b.perSecond() > best.perSecond() {
			best = b
		}
	}
	return best
}

// rates takes three rounds of bare loop, agent with more checks than it runs, bare loop.
func (l *loaded) rates(ctx context.Context, t *table, name string, share float64, during time.Duration) error {
	var shares, cpus []float64
	var base, peak rate
	for range 3 {
		base = bestBare(l.plugin, during) // of this round: neighbours of the machine hit both alike
		n := min(int(base.perSecond()*1.3), mostChecks)
		if err := l.apply(ctx, trivial(n, "1s"), n); err != nil {
			return err
		}
		var err error
		if peak, _, err = l.rate(ctx, during); err != nil {
			return err
		}
		if b := bestBare(l.plugin, during); b.perSecond() > base.perSecond() {
			base = b
		}
		fmt.Fprintf(os.Stderr, "bare %.0f/s %s, agent %.0f/s %s\n", base.perSecond(), base.cpuPerRun(), peak.perSecond(), peak.cpuPerRun())
		shares = append(shares, peak.perSecond()/base.perSecond())
		cpus = append(cpus, float64(peak.cpuPerRun())/float64(base.cpuPerRun()))
		if err := l.apply(ctx, "defaults: false\n", 0); err != nil {
			return err
		}
	}
	t.add("runs of a trivial plugin into the synced buffer, "+name+", of the bare loop's "+fmt.Sprintf("%.0f/s", base.perSecond()),
		fmt.Sprintf("%.0f/s = %.0f %%", peak.perSecond(), 100*median(shares)), fmt.Sprintf("%.0f %%", 100*share), median(shares) >= share)
	t.add("user+sys a run, "+name+", of the bare loop's "+base.cpuPerRun().Round(time.Microsecond).String(),
		fmt.Sprintf("%s = %.2f ×", peak.cpuPerRun().Round(time.Microsecond), median(cpus)), "1.10 ×", median(cpus) <= 1.1)
	return nil
}

func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	return s[len(s)/2]
}

// plugins takes the measures of runs and of their times, or one row of them.
func plugins(ctx context.Context, t *table, r *rig.Rig, hub *rig.Hub, row string, quick bool) error {
	during := 20 * time.Second
	if quick {
		during = 5 * time.Second
	}
	for _, m := range []struct {
		row  string
		take func() error
	}{
		{"perfdata", func() error { perfdata(t); return nil }},
		{"slots", func() error { return pluginRate(ctx, t, r, hub, "with cgroup slots", "cgroups = yes", 0.85, during) }},
		{"marks", func() error { return pluginRate(ctx, t, r, hub, "without", "cgroups = no", 0.90, during) }},
		{"overload", func() error { return overload(ctx, t, r, hub, during) }},
		{"times", func() error { return punctual(ctx, t, r, hub, 3*during) }},
		{"many", func() error { return tenThousand(ctx, t, r, hub, 3*during) }},
	} {
		if row != "" && row != m.row {
			continue
		}
		if err := m.take(); err != nil {
			return err
		}
	}
	return nil
}

// perfdata parses what a plugin with a thousand values prints, on one processor.
func perfdata(t *table) {
	out := []byte("OK | " + strings.Repeat("label=12.5ms;10:20;@1:2;0;100 'other label'=3% ", 500))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	labels, start := 0, time.Now()
	for time.Since(start) < time.Second {
		labels += len(check.ParseOutput(out, false).Perfdata)
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	perSecond := float64(labels) / took.Seconds()
	t.add("perfdata, labels parsed in a second by one processor; allocations for each", fmt.Sprintf("%.1f M; %.3f", perSecond/1e6,
		float64(after.Mallocs-before.Mallocs)/float64(labels)), "1 M; 0.01", perSecond >= 1e6 && float64(after.Mallocs-before.Mallocs)/float64(labels) < 0.01)
}

// punctual runs 500 plugins every second and looks at when they began.
func punctual(ctx context.Context, t *table, r *rig.Rig, hub *rig.Hub, during time.Duration) error {
	l, err := newLoaded(ctx, r, hub, "punctual")
	if err != nil {
		return err
	}
	defer l.agent.Stop()
	if err := l.apply(ctx, trivial(500, "1s"), 500); err != nil {
		return err
	}
	if err := sleep(ctx, 5*time.Second); err != nil {
		return err
	}
	from := time.Now()
	if err := sleep(ctx, during); err != nil {
		return err
	}
	starts, err := l.starts(ctx, from)
	if err != nil {
		return err
	}
	var off, all []time.Duration
	for _, list := range starts {
		slices.Sort(list)
		for i := 1; i < len(list); i++ {
			off = append(off, (list[i] - list[i-1] - time.Second).Abs())
		}
		all = append(all, list...)
	}
	const share = 25
	most := crowded(all, 50*time.Millisecond)
	t.add(fmt.Sprintf("500 plugins at 1 s, |interval − 1 s| of %d", len(off)), spread(off), "p99 20 ms, max 50 ms", len(off) > 0 && quantile(off, 0.99) <= 20*time.Millisecond && quantile(off, 1) <= 50*time.Millisecond)
	t.add("the most of them that began within 50 ms; the even share is 25", strconv.Itoa(most), "37", most <= share*3/2)
	return nil
}

// starts are when each check began after a moment, since that moment, as the hub has it from the agent.
func (l *loaded) starts(ctx context.Context, from time.Time) (map[string][]time.Duration, error) {
	starts := map[string][]time.Duration{}
	err := l.hub.Every(ctx, l.agent.Fingerprint(), time.Since(from)+2*time.Second, func(line []byte) error {
		var r struct {
			Check string
			Start time.Time
		}
		err := json.Unmarshal(line, &r)
		if err == nil && r.Start.After(from) {
			starts[r.Check] = append(starts[r.Check], r.Start.Sub(from))
		}
		return err
	})
	return starts, err
}

// crowded is the greatest number of moments within a window.
func crowded(at []time.Duration, window time.Duration) (most int) {
	slices.Sort(at)
	from := 0
	for i := range at {
		for at[i]-at[from] >= window {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// tenThousand runs as many builtin checks every ten seconds.
func tenThousand(ctx context.Context, t *table, r *rig.Rig, hub *rig.Hub, during time.Duration) error {
	l, err := newLoaded(ctx, r, hub, "many")
	if err != nil {
		return err
	}
	defer l.agent.Stop()
	var b strings.Builder
	b.WriteString("defaults: false\nchecks:\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "  - {name: b%d, builtin: uptime, every: 10s}\n", i)
	}
	if err := l.apply(ctx, b.String(), 10_000); err != nil {
		return err
	}
	if err := sleep(ctx, 20*time.Second); err != nil {
		return err
	}
	pid := l.agent.CorePID()
	before, err := l.state(ctx)
	if err != nil {
		return err
	}
	cpu, start := treeTime(pid), time.Now()
	var p99 []float64
	for time.Since(start) < during {
		if err := sleep(ctx, 5*time.Second); err != nil { // a status of so many checks costs as much as their runs in a second
			return err
		}
		s, err := l.state(ctx)
		if err != nil {
			return err
		}
		p99 = append(p99, s.Core.Schedule.P99)
	}
	after, err := l.state(ctx)
	if err != nil {
		return err
	}
	wall := time.Since(start)
	runs := after.Core.Schedule.Runs - before.Core.Schedule.Runs
	t.add(fmt.Sprintf("10,000 builtin checks every 10 s: %.0f runs/s for %.0f %% of one processor; lag p99, the worst of %d looks", float64(runs)/wall.Seconds(),
		100*float64(treeTime(pid)-cpu)/float64(wall), len(p99)), fmt.Sprintf("%.1f ms, %d skipped", slices.Max(p99), after.Core.Schedule.Skipped-before.Core.Schedule.Skipped),
		"100 ms", slices.Max(p99) < 100 && float64(runs)/wall.Seconds() > 900)
	return nil
}
