// Package self is the check "agent": what the agent itself costs and whether it keeps up. It measures memory and CPU of its
// own process; buffer and schedule are told by the agent.
package self

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/history"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Stats is what only the agent knows about itself. A negative value means "not known" and is left out.
type Stats struct {
	BufferBytes int64         // bytes the buffer holds on disk
	BufferLimit int64         // its cap in bytes; 0 or less when it has none
	Pending     int64         // results not acknowledged by the hub
	Oldest      time.Duration // age of the oldest of them; 0 without any
	Lag         time.Duration // how late the schedule started its latest due run, the worst since the previous call
}

// Agent tells what it knows about itself.
type Agent func() Stats

// limits are what is held against what.
type limits struct {
	rss     threshold.Pair // MiB
	cpu     threshold.Pair // percent of one CPU since the previous run
	buffer  threshold.Pair // percent of its cap
	pending threshold.Pair // results
	lag     threshold.Pair // seconds
}

// defaults are the limits of a box nobody configured; each option replaces its own. Results wait while the hub is away:
// that is what the buffer is for, so their number alone has no limit.
func defaults() limits {
	return limits{
		rss:    threshold.Pair{Warn: threshold.Above(128), Crit: threshold.Above(512)},
		buffer: threshold.Pair{Warn: threshold.Above(80), Crit: threshold.Above(95)},
		lag:    threshold.Pair{Warn: threshold.Above(5), Crit: threshold.Above(60)},
	}
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (limits, error) {
	l := defaults()
	var set option.Set
	set.Value(0, "rss", threshold.IntoPair(&l.rss))
	set.Value(0, "cpu", threshold.IntoPair(&l.cpu))
	set.Value(0, "buffer", threshold.IntoPair(&l.buffer))
	set.Value(0, "pending", threshold.IntoPair(&l.pending))
	set.Value(0, "lag", threshold.IntoPair(&l.lag))
	if err := set.Parse(args); err != nil {
		return limits{}, err
	}
	return l, nil
}

// process is what this process used so far.
type process struct {
	rss uint64 // bytes resident now
	cpu time.Duration
}

// Check runs the check; it keeps its own earlier samples.
type Check struct {
	sampler
	agent Agent
	stuck func() int
	start time.Time
	past  history.History[process]
}

// New gives a check that asks these functions; nil means that nothing is known. stuck counts runs of builtin checks that
// have not returned.
func New(proc string, agent Agent, stuck func() int) *Check {
	return &Check{sampler: newSampler(proc), agent: agent, stuck: stuck, start: time.Now()}
}

// Run runs it once.
func (c *Check) Run(_ context.Context, args []string) check.Result {
	l, err := parse(args)
	if err != nil {
		return check.Result{State: check.Unknown, Text: "AGENT UNKNOWN - " + err.Error()}
	}
	var w writer
	c.process(&w, l)
	if c.agent != nil {
		told(&w, l, c.agent())
	}
	if c.stuck != nil {
		n := c.stuck()
		w.add(threshold.Pair{Warn: threshold.Above(0)}, "stuck_checks", float64(n), "", math.NaN(), "")
		if n > 0 {
			w.say(check.OK, fmt.Sprintf("%d builtin checks do not return", n))
		}
	}
	return w.result()
}

// process adds what this process costs.
func (c *Check) process(w *writer, l limits) {
	p, err := c.sample()
	if err != nil {
		w.problems = append(w.problems, err.Error())
		w.state = check.Unknown
		w.say(check.OK, err.Error())
		return
	}
	now := time.Now()
	before, age, ok := c.past.Previous(now)
	c.past.Add(now, p, 0)
	if !ok {
		// The first run: the average over this process' life, which is short.
		before, age = process{}, max(now.Sub(c.start), time.Second)
	}
	percent := math.Round(max(0, (p.cpu-before.cpu).Seconds()/age.Seconds()*100)*1e3) / 1e3
	const mib = 1 << 20
	w.add(l.rss.Scaled(mib), "rss", float64(p.rss), "B", math.NaN(), threshold.Bytes(float64(p.rss))+" resident")
	w.add(l.cpu, "cpu", percent, "%", math.NaN(), fmt.Sprintf("%.2f%% CPU", percent))
}

// told adds what the agent knows.
func told(w *writer, l limits, s Stats) {
	if s.BufferBytes >= 0 {
		size := float64(s.BufferBytes)
		text, cap, pair := "buffer "+threshold.Bytes(size), math.NaN(), threshold.Pair{}
		if s.BufferLimit > 0 {
			cap = float64(s.BufferLimit)
			pair = l.buffer.Scaled(cap / 100)
			text += fmt.Sprintf(" (%.1f%% of its cap)", size/cap*100)
		}
		w.add(pair, "buffer", size, "B", cap, text)
	}
	if s.Pending >= 0 {
		text := fmt.Sprintf("%d results pending", s.Pending)
		if s.Pending > 0 && s.Oldest > 0 {
			text += fmt.Sprintf(", the oldest for %s", s.Oldest.Round(time.Second))
		}
		w.add(l.pending, "pending", float64(s.Pending), "", math.NaN(), text)
	}
	if s.Lag >= 0 {
		w.add(l.lag, "lag", s.Lag.Seconds(), "s", math.NaN(), fmt.Sprintf("schedule lag %s", s.Lag.Round(time.Millisecond)))
	}
}

// writer gathers a result's parts.
type writer struct {
	state    check.State
	texts    []string
	perf     []check.Perfdata
	problems []string
}

// add adds a measured value with its limits and its words.
func (w *writer) add(p threshold.Pair, label string, v float64, unit string, most float64, text string) {
	state := p.State(v)
	w.state = threshold.Worst(w.state, state)
	w.perf = append(w.perf, p.Perf(label, v, unit, 0, most))
	if text != "" {
		w.say(state, text)
	}
}

func (w *writer) say(state check.State, text string) {
	if state != check.OK {
		text += " (" + state.String() + ")"
	}
	w.texts = append(w.texts, text)
}

func (w *writer) result() check.Result {
	return check.Result{
		State: w.state, Text: fmt.Sprintf("AGENT %s - %s", w.state, strings.Join(w.texts, ", ")), Perfdata: w.perf,
		Problems: w.problems,
	}
}
