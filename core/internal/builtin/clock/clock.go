// Package clock is the check "clock": how far the box's clock is from the hub's, by the options and perfdata of
// check_ntp_time. It measures nothing: the session does.
package clock

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Limits of a box nobody configured, in seconds: five make logs of two boxes hard to read together, a minute breaks
// tickets and one-time codes.
const (
	defaultWarn = 5
	defaultCrit = 60
)

// Offset tells how far this box's clock is ahead of the hub's and the round trip it was measured with.
type Offset func() (offset, rtt time.Duration, ok bool)

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := threshold.Options(args, defaultWarn, defaultCrit)
	return err
}

// Check runs the check.
type Check struct {
	offset Offset
}

// New gives a check that asks this function; nil means that no session measures.
func New(offset Offset) *Check { return &Check{offset: offset} }

// Run runs it once. As long as nothing was measured it is OK: a box is not ill because the hub cannot be reached.
func (c *Check) Run(_ context.Context, args []string) check.Result {
	limits, err := threshold.Options(args, defaultWarn, defaultCrit)
	if err != nil {
		return check.Result{State: check.Unknown, Text: "CLOCK UNKNOWN - " + err.Error()}
	}
	var offset, rtt time.Duration
	var ok bool
	if c.offset != nil {
		offset, rtt, ok = c.offset()
	}
	if !ok {
		return check.Result{
			Text:     "CLOCK OK - not compared yet: there was no session with the hub",
			Perfdata: []check.Perfdata{limits.Perf("offset", math.NaN(), "s", math.NaN(), math.NaN())},
		}
	}
	return judge(limits, offset, rtt)
}

// judge makes the result. What lies within half the round trip cannot be told from nothing, and is not held against the box.
func judge(limits threshold.Pair, offset, rtt time.Duration) check.Result {
	rtt = max(rtt, 0)
	certain := max(0, math.Abs(offset.Seconds())-rtt.Seconds()/2)
	r := check.Result{State: limits.State(certain)}
	way := "ahead of"
	if offset < 0 {
		way = "behind"
	}
	r.Text = fmt.Sprintf("CLOCK %s - offset %.6f s (%s the hub), round trip %.1f ms", r.State, offset.Seconds(), way,
		float64(rtt)/float64(time.Millisecond))
	r.Long = "this clock says " + time.Now().UTC().Format(time.RFC3339)
	var none threshold.Pair
	r.Perfdata = []check.Perfdata{
		limits.Perf("offset", offset.Seconds(), "s", math.NaN(), math.NaN()),
		none.Perf("rtt", rtt.Seconds(), "s", 0, math.NaN()),
	}
	return r
}
