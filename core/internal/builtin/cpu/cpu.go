// Package cpu is the check "cpu": how busy the CPUs were since its previous run, and with what. It has no matching plugin.
package cpu

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/cgroup"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/history"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// A box nobody configured warns when it had nothing to spare for a quarter of an hour, and is never critical: a busy CPU is
// what it was bought for.
const (
	defaultWarn = 95 // percent
	defaultOver = 15 * time.Minute
)

// maxOver bounds the window that limits are held against.
const maxOver = 24 * time.Hour

type options struct {
	limits threshold.Pair // percent busy
	over   time.Duration  // what they are held against: the average over this; 0 = since the previous run
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	var o options
	var set option.Set
	set.Value('w', "warning", threshold.Into(&o.limits.Warn))
	set.Value('c', "critical", threshold.Into(&o.limits.Crit))
	set.Value(0, "over", func(v string) (err error) {
		if o.over, err = time.ParseDuration(v); err != nil || o.over < 0 || o.over > maxOver {
			return fmt.Errorf("%q is no duration up to %s", v, maxOver)
		}
		return nil
	})
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if !o.limits.Set() {
		o.limits.Warn = threshold.Above(defaultWarn)
		if o.over == 0 {
			o.over = defaultOver
		}
	}
	return o, nil
}

// times counts what the CPUs did since boot, in ticks of any length.
type times struct {
	user, system, idle, iowait, steal uint64 // user with nice, system with interrupts
}

// sample is what one run reads.
type sample struct {
	host  times
	group cgroup.CPU
}

// shares are parts of all CPU time, in percent.
type shares struct {
	busy, user, system, iowait, steal float64
}

// errIdle is a system that counts no CPU time, as some sandboxes do.
var errIdle = errors.New("the system counts no CPU time")

// since gives what happened between two counts. Counters that went backwards, as iowait and idle may, count as nothing.
func since(before, now times) (shares, error) {
	d := times{
		user: growth(before.user, now.user), system: growth(before.system, now.system), idle: growth(before.idle, now.idle),
		iowait: growth(before.iowait, now.iowait), steal: growth(before.steal, now.steal),
	}
	total := float64(d.user) + float64(d.system) + float64(d.idle) + float64(d.iowait) + float64(d.steal)
	if total == 0 {
		return shares{}, errIdle
	}
	part := func(n uint64) float64 { return math.Round(float64(n)/total*1e4) / 1e2 }
	s := shares{user: part(d.user), system: part(d.system), iowait: part(d.iowait), steal: part(d.steal)}
	s.busy = math.Round((100-100*(float64(d.idle)+float64(d.iowait))/total)*1e2) / 1e2
	return s, nil
}

func growth(before, now uint64) uint64 {
	if now < before {
		return 0
	}
	return now - before
}

// Check runs the check; it keeps its own earlier samples.
type Check struct {
	sampler
	groups cgroup.Finder
	past   history.History[sample]
}

// New gives a check that reads procfs and sysfs where they are mounted (Linux).
func New(proc, sys string) *Check {
	return &Check{sampler: newSampler(proc), groups: cgroup.Finder{Proc: proc, Sys: sys}}
}

// Run runs it once.
func (c *Check) Run(_ context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return unknown(err)
	}
	var s sample
	if s.host, err = c.sample(); err != nil {
		return unknown(err)
	}
	s.group = c.groups.CPU()
	now := time.Now()
	defer c.past.Add(now, s, o.over)
	before, age, ok := c.past.Previous(now)
	if !ok {
		return first(o, s)
	}
	recent, err := since(before.host, s.host)
	if err != nil {
		return unknown(err)
	}
	r := check.Result{Perfdata: perfdata(o, recent)}
	text := []string{fmt.Sprintf("%.1f%% busy over %s", recent.busy, age.Round(time.Second))}
	judged := recent.busy
	if o.over > 0 {
		judged = math.NaN()
		if oldest, span, _ := c.past.Oldest(now); span >= o.over*9/10 {
			if long, err := since(oldest.host, s.host); err == nil {
				judged = long.busy
				text = append(text, fmt.Sprintf("%.1f%% over %s", long.busy, span.Round(time.Second)))
			}
		}
	}
	r.State = o.limits.State(judged)
	r.Long = detail(recent)
	held(&r, o, before.group, s.group, age)
	r.Text = fmt.Sprintf("CPU %s - %s", r.State, strings.Join(text, ", "))
	if r.State == check.OK {
		r.Text += fmt.Sprintf(" (user %.1f%%, system %.1f%%, iowait %.1f%%, steal %.1f%%)",
			recent.user, recent.system, recent.iowait, recent.steal)
	}
	return r
}

// first is the result of the first run: the average since boot, which nobody is woken for.
func first(o options, s sample) check.Result {
	boot, err := since(times{}, s.host)
	if err != nil {
		return unknown(err)
	}
	r := check.Result{Perfdata: perfdata(o, boot), Long: detail(boot)}
	r.Text = fmt.Sprintf("CPU OK - %.1f%% busy since boot; this is the first run, the next one measures since this one", boot.busy)
	return r
}

// held adds what a cgroup's limit means for this run. A limit that binds the whole container is judged like the CPUs; one of
// the agent's own cgroup is only told: it says nothing about the box.
func held(r *check.Result, o options, before, now cgroup.CPU, age time.Duration) {
	if now.Scope == cgroup.None || before.Scope != now.Scope || age <= 0 {
		return
	}
	used := max(0, (now.Used-before.Used).Seconds()) / age.Seconds()
	percent := math.Round(used/now.CPUs*1e4) / 1e2
	whose := "the agent's own cgroup"
	if now.Scope == cgroup.Container {
		whose = "this container"
		r.Perfdata = append(r.Perfdata, o.limits.Perf("cgroup", percent, "%", 0, 100))
		if o.over == 0 {
			r.State = threshold.Worst(r.State, o.limits.State(percent))
		}
	}
	r.Long += fmt.Sprintf("\n%s may use %.2f CPUs and used %.2f of them (%.1f%%); held back in %d of %d periods",
		whose, now.CPUs, used, percent, growth(before.Throttled, now.Throttled), growth(before.Periods, now.Periods))
}

func detail(s shares) string {
	return fmt.Sprintf("user %.2f%%\nsystem %.2f%%\niowait %.2f%%\nsteal %.2f%%", s.user, s.system, s.iowait, s.steal)
}

func perfdata(o options, s shares) []check.Perfdata {
	var none threshold.Pair
	return []check.Perfdata{
		o.limits.Perf("busy", s.busy, "%", 0, 100), none.Perf("user", s.user, "%", 0, 100), none.Perf("system", s.system, "%", 0, 100),
		none.Perf("iowait", s.iowait, "%", 0, 100), none.Perf("steal", s.steal, "%", 0, 100),
	}
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "CPU UNKNOWN - " + err.Error()}
}
