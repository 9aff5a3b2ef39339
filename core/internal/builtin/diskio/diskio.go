// Package diskio is the check "diskio": what the block devices read and write, how busy they are and how long they take. It has no matching plugin.
package diskio

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/history"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Limits.
const (
	maxDevices = 64 // told of one box
	maxShown   = 6  // in the first line
)

// boring are devices not told unless named: they stand for others, or for memory.
var boring = option.Patterns{"loop*", "ram*", "zram*", "fd*", "sr*", "dm-*", "md*", "nbd*"}

type options struct {
	busy, wait threshold.Pair // percent; milliseconds per request
	devices    option.Choice
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	var o options
	var set option.Set
	set.Value('w', "warning", threshold.Into(&o.busy.Warn))
	set.Value('c', "critical", threshold.Into(&o.busy.Crit))
	set.Value(0, "await", threshold.IntoPair(&o.wait))
	set.Value('d', "device", o.devices.Include.Into("/dev/"))
	set.Value('x', "exclude", o.devices.Exclude.Into("/dev/"))
	return o, set.Parse(args)
}

func (o options) wants(d counters) bool {
	return o.devices.Wants(d.name, !d.part && !boring.Match(d.name))
}

// counters is what a device did since it was there.
type counters struct {
	name            string
	part            bool // a part of another device
	reads, writes   uint64
	read, written   uint64 // bytes
	waited, working uint64 // milliseconds: of all requests together; with at least one under way
}

// Check runs the check; it keeps its own earlier samples.
type Check struct {
	sampler
	past history.History[[]counters]
}

// New gives a check that reads procfs and sysfs where they are mounted (Linux).
func New(proc, sys string) *Check { return &Check{sampler: newSampler(proc, sys)} }

// Run runs it once.
func (c *Check) Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return unknown(err)
	}
	list, err := c.sample(ctx)
	if err != nil {
		return unknown(err)
	}
	list = slices.DeleteFunc(list, func(d counters) bool { return !o.wants(d) })
	now := time.Now()
	before, age, ok := c.past.Previous(now)
	c.past.Add(now, list, 0)
	if !ok {
		return o.first(list)
	}
	return o.judge(before, list, age)
}

// first is the result of a run that has nothing to compare with.
func (o options) first(list []counters) check.Result {
	if missing := o.missing(list); len(missing) > 0 {
		return check.Result{State: check.Critical, Text: "DISKIO CRITICAL - " + strings.Join(missing, ", ")}
	}
	return check.Result{Text: fmt.Sprintf("DISKIO OK - %d devices, measured from now on", len(list))}
}

// missing says which devices that are named exactly are not there.
func (o options) missing(list []counters) (all []string) {
	for _, name := range o.devices.Include {
		if !strings.ContainsAny(name, `*?[\`) && !slices.ContainsFunc(list, func(d counters) bool { return d.name == name }) {
			all = append(all, name+" does not exist")
		}
	}
	return all
}

// rates are what a device did per second.
type rates struct {
	read, written, reads, writes, busy, wait float64
}

func since(b, c counters, age time.Duration) rates {
	delta := func(before, now uint64) float64 {
		if now < before { // the device was made anew
			return 0
		}
		return float64(now - before)
	}
	seconds := age.Seconds()
	v := rates{
		read: round(delta(b.read, c.read) / seconds), written: round(delta(b.written, c.written) / seconds),
		reads: round(delta(b.reads, c.reads) / seconds), writes: round(delta(b.writes, c.writes) / seconds),
		busy: round(min(100, delta(b.working, c.working)/10/seconds)),
	}
	if requests := delta(b.reads, c.reads) + delta(b.writes, c.writes); requests > 0 {
		v.wait = round(delta(b.waited, c.waited) / requests)
	}
	return v
}

func round(v float64) float64 { return math.Round(v*100) / 100 }

// judge makes the result of two samples.
func (o options) judge(before, now []counters, age time.Duration) check.Result {
	var r check.Result
	bad, texts := o.missing(now), []string(nil)
	if len(bad) > 0 {
		r.State = check.Critical
	}
	told := 0
	for _, d := range now {
		i := slices.IndexFunc(before, func(b counters) bool { return b.name == d.name })
		if i < 0 || told == maxDevices {
			continue
		}
		told++
		v := since(before[i], d, age)
		state := threshold.Worst(o.busy.State(v.busy), o.wait.State(v.wait))
		r.State = threshold.Worst(r.State, state)
		text := fmt.Sprintf("%s %s/s read, %s/s written, %s%% busy", d.name, threshold.Bytes(v.read), threshold.Bytes(v.written), threshold.Format(v.busy))
		if state != check.OK {
			bad = append(bad, fmt.Sprintf("%s, %s ms per request (%s)", text, threshold.Format(v.wait), state))
		} else {
			texts = append(texts, text)
		}
		r.Perfdata = append(r.Perfdata, o.perfdata(d.name, v)...)
	}
	if more := len(now) - maxDevices; more > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("%d more devices than %d are not told", more, maxDevices))
	}
	r.Long = strings.Join(append(bad, texts...), "\n")
	texts = append(bad, texts...)
	if len(texts) == 0 {
		texts = []string{"no device to check"}
	}
	if more := len(texts) - maxShown; more > 0 {
		texts = append(texts[:maxShown], fmt.Sprintf("%d more", more))
	}
	r.Text = fmt.Sprintf("DISKIO %s - %s", r.State, strings.Join(texts, "; "))
	return r
}

func (o options) perfdata(name string, v rates) []check.Perfdata {
	var none threshold.Pair
	nan := math.NaN()
	return []check.Perfdata{
		none.Perf(name+"_read", v.read, "B/s", 0, nan), none.Perf(name+"_write", v.written, "B/s", 0, nan),
		none.Perf(name+"_reads", v.reads, "/s", 0, nan), none.Perf(name+"_writes", v.writes, "/s", 0, nan),
		o.busy.Perf(name+"_busy", v.busy, "%", 0, 100), o.wait.Perf(name+"_wait", v.wait, "ms", 0, nan),
	}
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "DISKIO UNKNOWN - " + err.Error()}
}
