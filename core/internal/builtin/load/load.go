// Package load is the check "load": load averages, by the options, text and perfdata of check_load.
package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Averages are the load averages over 1, 5 and 15 minutes.
type Averages [3]float64

// minutes are what the averages are over, as their labels say it.
var minutes = [3]string{"1", "5", "15"}

// triple is a limit for each average.
type triple [3]float64

// The limits of a box nobody configured, for each CPU: a box that has four times the work it can do for a quarter of an hour
// is in trouble, a short burst is not.
var (
	defaultWarn = triple{10, 6, 4}
	defaultCrit = triple{20, 12, 8}
)

type options struct {
	perCPU             bool
	warn, crit         triple
	warnGiven, critSet bool
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	var o options
	var set option.Set
	set.Flag('r', "percpu", func() { o.perCPU = true })
	set.Value('w', "warning", func(v string) (err error) { o.warn, err = parseTriple(v); o.warnGiven = true; return err })
	set.Value('c', "critical", func(v string) (err error) { o.crit, err = parseTriple(v); o.critSet = true; return err })
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if !o.warnGiven && !o.critSet {
		return options{perCPU: true, warn: defaultWarn, crit: defaultCrit, warnGiven: true, critSet: true}, nil
	}
	for i := range o.warn {
		if o.warnGiven && o.critSet && o.warn[i] > o.crit[i] {
			return options{}, fmt.Errorf("warning load of %s minutes is above the critical one", minutes[i])
		}
	}
	return o, nil
}

// parseTriple reads "1,5,15"; absent ones repeat the last.
func parseTriple(text string) (triple, error) {
	parts := strings.Split(text, ",")
	if len(parts) > 3 {
		return triple{}, fmt.Errorf("%q has more than three loads", text)
	}
	var t triple
	for i := range t {
		v, err := threshold.Number(parts[min(i, len(parts)-1)])
		if err != nil || v < 0 {
			return triple{}, fmt.Errorf("%q is not of the form LOAD1,LOAD5,LOAD15", text)
		}
		t[i] = v
	}
	return t, nil
}

// Check runs the check.
type Check struct {
	sampler
}

// Run runs it once.
func (c *Check) Run(_ context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return unknown(err)
	}
	la, cpus, err := c.sample()
	if err != nil {
		return unknown(err)
	}
	return judge(o, la, cpus)
}

// judge makes the result of the averages of a box with so many CPUs.
func judge(o options, la Averages, cpus int) check.Result {
	scaled := la
	if o.perCPU && cpus > 0 {
		for i := range scaled {
			scaled[i] /= float64(cpus)
		}
	}
	var r check.Result
	for i, v := range scaled {
		switch {
		case o.critSet && v > o.crit[i]:
			r.State = check.Critical
		case o.warnGiven && v > o.warn[i]:
			r.State = threshold.Worst(r.State, check.Warning)
		}
	}
	text := fmt.Sprintf("total load average: %.2f, %.2f, %.2f", la[0], la[1], la[2])
	if o.perCPU {
		text = fmt.Sprintf("scaled load average: %.2f, %.2f, %.2f - %s", scaled[0], scaled[1], scaled[2], text)
	}
	r.Text = fmt.Sprintf("LOAD %s - %s", r.State, text)
	r.Long = fmt.Sprintf("%d CPUs", cpus)
	r.Perfdata = perfdata(o, la, scaled)
	return r
}

func perfdata(o options, la, scaled Averages) []check.Perfdata {
	list := make([]check.Perfdata, 0, 6)
	for i := range la {
		var warn, crit string
		if o.warnGiven {
			warn = fmt.Sprintf("%.3f", o.warn[i])
		}
		if o.critSet {
			crit = fmt.Sprintf("%.3f", o.crit[i])
		}
		total := check.Perfdata{Label: "load" + minutes[i], Value: la[i], Warn: warn, Crit: crit, Max: math.NaN()}
		if o.perCPU {
			total.Warn, total.Crit = "", ""
			list = append(list, total)
			total = check.Perfdata{Label: "scaled_load" + minutes[i], Value: scaled[i], Warn: warn, Crit: crit, Max: math.NaN()}
		}
		list = append(list, total)
	}
	return list
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "LOAD UNKNOWN - " + err.Error()}
}

// errLoadavg is a /proc/loadavg that makes no sense.
var errLoadavg = errors.New("read loadavg: not three numbers")

// parseLoadavg reads /proc/loadavg.
func parseLoadavg(text string) (la Averages, err error) {
	fields := strings.Fields(text)
	if len(fields) < len(la) {
		return la, errLoadavg
	}
	for i := range la {
		if la[i], err = threshold.Number(fields[i]); err != nil || la[i] < 0 {
			return Averages{}, errLoadavg
		}
	}
	return la, nil
}
