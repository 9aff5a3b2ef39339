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

// limit is how much must be free, in percent or bytes. The zero value is none.
type limit struct {
	value   float64
	percent bool
	set     bool
}

type options struct {
	warn, crit limit
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
	set.Value('w', "warning", func(v string) (err error) { o.warn, err = parseLimit(v); return err })
	set.Value('c', "critical", func(v string) (err error) { o.crit, err = parseLimit(v); return err })
	set.Flag('a', "allswaps", func() { o.each = true })
	set.Value('n', "no-swap", func(v string) (err error) { o.none, err = parseState(v); return err })
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if !o.warn.set && !o.crit.set {
		o.warn, o.crit = limit{defaultWarn, true, true}, limit{defaultCrit, true, true}
	}
	if o.warn.set && o.crit.set && o.warn.percent == o.crit.percent && o.warn.value < o.crit.value {
		return options{}, errors.New("warning must be more free space than critical")
	}
	return o, nil
}

func parseLimit(text string) (limit, error) {
	number, percent := strings.CutSuffix(text, "%")
	v, err := threshold.Number(number)
	if err != nil || v < 0 || percent && v > 100 {
		return limit{}, fmt.Errorf("%q is neither bytes nor percent free", text)
	}
	return limit{v, percent, true}, nil
}

func parseState(text string) (check.State, error) {
	for s := check.OK; s <= check.Unknown; s++ {
		if strings.EqualFold(text, s.String()) {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%q is none of ok, warning, critical, unknown", text)
}

// bytes gives the limit in bytes of a total.
func (l limit) bytes(total uint64) float64 {
	if l.percent {
		return float64(uint64(l.value / 100 * float64(total)))
	}
	return l.value
}

// broken says whether too little is free. As with the plugin the limit itself is too little.
func (l limit) broken(free, total uint64) bool {
	if !l.set {
		return false
	}
	if l.percent {
		return float64(free)*100 <= l.value*float64(total)
	}
	return float64(free) <= l.value
}

func (l limit) text(total uint64) string {
	if !l.set {
		return ""
	}
	return threshold.Format(l.bytes(total))
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
		Label: "swap", Value: float64(all.free), Unit: "B", Warn: o.warn.text(all.total), Crit: o.crit.text(all.total),
		Max: float64(all.total),
	}}
	return r
}

func (o options) state(a area) check.State {
	switch {
	case a.total == 0:
		return check.OK
	case o.crit.broken(a.free, a.total):
		return check.Critical
	case o.warn.broken(a.free, a.total):
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
