// Package memory is the check "memory": how much of the box's memory is in use, what the kernel can free at once not counted.
// It has no matching plugin.
package memory

import (
	"context"
	"fmt"
	"math"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/cgroup"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Limits of a box nobody configured, in percent used.
const (
	defaultWarn = 90
	defaultCrit = 95
)

// usage is what a box has and uses, in bytes.
type usage struct {
	total, available, free, cached, buffers uint64
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := threshold.Options(args, defaultWarn, defaultCrit)
	return err
}

// Check runs the check.
type Check struct {
	sampler
	groups cgroup.Finder
}

// New gives a check that reads procfs and sysfs where they are mounted (Linux).
func New(proc, sys string) *Check {
	return &Check{sampler: newSampler(proc), groups: cgroup.Finder{Proc: proc, Sys: sys}}
}

// Run runs it once.
func (c *Check) Run(_ context.Context, args []string) check.Result {
	limits, err := threshold.Options(args, defaultWarn, defaultCrit)
	if err != nil {
		return unknown(err)
	}
	u, err := c.sample()
	if err != nil {
		return unknown(err)
	}
	return judge(limits, u, c.groups.Memory())
}

// judge makes the result. A limit that binds the whole container is judged like the box's own memory; one of the agent's own
// cgroup is only told: it says nothing about the box.
func judge(limits threshold.Pair, u usage, group cgroup.Memory) check.Result {
	used := u.total - min(u.available, u.total)
	percent := percentOf(used, u.total)
	r := check.Result{State: limits.State(percent)}
	text := fmt.Sprintf("%.1f%% used (%s of %s), %s available",
		percent, size(used), size(u.total), size(u.available))
	r.Long = fmt.Sprintf("total %s\nused %s\navailable %s\nfree %s\ncached %s\nbuffers %s",
		size(u.total), size(used), size(u.available), size(u.free), size(u.cached), size(u.buffers))
	r.Perfdata = perfdata(limits, u, used)
	limited := fmt.Sprintf("limited to %s, %s used (%.1f%%)", size(group.Limit), size(group.Used), percentOf(group.Used, group.Limit))
	switch {
	case group.Scope == cgroup.None || group.Limit == 0 || group.Limit >= u.total:
	case group.Scope == cgroup.Container:
		r.State = threshold.Worst(r.State, limits.State(percentOf(group.Used, group.Limit)))
		text = "container " + limited + "; host " + text
		r.Long += "\nthis container is " + limited
		r.Perfdata = append(r.Perfdata, bytes(limits, group.Limit).Perf("cgroup", float64(group.Used), "B", 0, float64(group.Limit)))
	default:
		r.Long += "\nthe agent's own cgroup is " + limited
	}
	r.Text = fmt.Sprintf("MEMORY %s - %s", r.State, text)
	return r
}

func perfdata(limits threshold.Pair, u usage, used uint64) []check.Perfdata {
	total := float64(u.total)
	var none threshold.Pair
	return []check.Perfdata{
		bytes(limits, u.total).Perf("used", float64(used), "B", 0, total),
		none.Perf("available", float64(u.available), "B", 0, total),
		none.Perf("cached", float64(u.cached), "B", 0, total),
		none.Perf("buffers", float64(u.buffers), "B", 0, total),
	}
}

// bytes gives limits in percent as bytes of a total.
func bytes(limits threshold.Pair, total uint64) threshold.Pair {
	return limits.Scaled(float64(total) / 100)
}

func percentOf(part, total uint64) float64 {
	if total == 0 {
		return math.NaN()
	}
	return float64(part) / float64(total) * 100
}

func size(n uint64) string { return threshold.Bytes(float64(n)) }

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "MEMORY UNKNOWN - " + err.Error()}
}
