// Package swap is the check "swap": how much swap space is free, by the options, text and perfdata of check_swap.
package swap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Limits of a box nobody configured: percent free. A box that has been up for long may well have filled half of its swap.
const (
	defaultWarn = 20
	defaultCrit = 5
)

// mib is what sizes are printed in, as the plugin does.
const mib = 1 << 20

type options struct {
	warn, crit threshold.Free
	each       bool        // -a: judge each device too
	none       check.State // -n: without any swap
}

// area is one swap device or file, sizes in bytes.
type area struct {
	name        string
	total, free uint64
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	var o options
	var set option.Set
	set.Value('w', "warning", threshold.IntoFree(&o.warn))
	set.Value('c', "critical", threshold.IntoFree(&o.crit))
	set.Flag('a', "allswaps", func() { o.each = true })
	set.Value('n', "no-swap", func(v string) (err error) { o.none, err = parseState(v); return err })
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if !o.warn.Given && !o.crit.Given {
		o.warn = threshold.Free{Value: defaultWarn, Percent: true, Given: true}
		o.crit = threshold.Free{Value: defaultCrit, Percent: true, Given: true}
	}
	if o.warn.Given && o.crit.Given && o.warn.Percent == o.crit.Percent && o.warn.Value < o.crit.Value {
		return options{}, errors.New("warning must be more free space than critical")
	}
	return o, nil
}

func parseState(text string) (check.State, error) {
	for s := check.OK; s <= check.Unknown; s++ {
		if strings.EqualFold(text, s.String()) {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%q is none of ok, warning, critical, unknown", text)
}

// perf gives a limit as perfdata has it: bytes free of a total.
func perf(limit threshold.Free, total uint64) string {
	if !limit.Given {
		return ""
	}
	return threshold.Format(limit.Left(float64(total)))
}

// Check runs the check.
type Check struct {
	sampler
}

// New gives a check that reads procfs where it is mounted (Linux).
func New(proc string) *Check { return &Check{newSampler(proc)} }

// Run runs it once.
func (c *Check) Run(_ context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return unknown(err)
	}
	total, areas, err := c.sample()
	if err != nil {
		return unknown(err)
	}
	return judge(o, total, areas)
}

// judge makes the result of the box's whole swap and its parts.
func judge(o options, all area, areas []area) check.Result {
	var r check.Result
	note := ""
	if all.total == 0 {
		r.State, note = o.none, "Swap is either disabled, not present, or of zero size. "
	} else {
		r.State = o.state(all)
	}
	var lines []string
	for _, a := range areas {
		if o.each {
			r.State = threshold.Worst(r.State, o.state(a))
		}
		lines = append(lines, fmt.Sprintf("%s: %.0f%% free (%s of %s)", a.name, percent(a), threshold.Bytes(float64(a.free)),
			threshold.Bytes(float64(a.total))))
	}
	r.Text = strings.TrimRight(fmt.Sprintf("SWAP %s - %d%% free (%dMB out of %dMB) %s", r.State, whole(all),
		all.free/mib, all.total/mib, note), " ")
	r.Long = strings.Join(lines, "\n")
	r.Perfdata = []check.Perfdata{{
		Label: "swap", Value: float64(all.free), Unit: "B", Warn: perf(o.warn, all.total), Crit: perf(o.crit, all.total),
		Max: float64(all.total),
	}}
	return r
}

func (o options) state(a area) check.State {
	switch {
	case a.total == 0:
		return check.OK
	case o.crit.Broken(float64(a.free), float64(a.total)):
		return check.Critical
	case o.warn.Broken(float64(a.free), float64(a.total)):
		return check.Warning
	default:
		return check.OK
	}
}

// whole gives the percentage free as the plugin prints it: 100 less the percentage used, cut to whole ones.
func whole(a area) int {
	if a.total == 0 {
		return 0
	}
	return 100 - int(100-percent(a))
}

func percent(a area) float64 {
	if a.total == 0 {
		return 0
	}
	return float64(a.free) / float64(a.total) * 100
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "SWAP UNKNOWN - " + err.Error()}
}
