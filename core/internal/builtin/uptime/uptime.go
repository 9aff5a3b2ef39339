// Package uptime is the check "uptime": how long the box has been up, with limits as ranges of minutes like those of
// check_uptime.
package uptime

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// units are what -u takes, in seconds.
var units = map[string]float64{"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

// parse gives the limits in seconds.
func parse(args []string) (threshold.Pair, error) {
	var limits threshold.Pair
	unit := units["minutes"]
	var set option.Set
	set.Value('w', "warning", threshold.Into(&limits.Warn))
	set.Value('c', "critical", threshold.Into(&limits.Crit))
	set.Value('u', "unit", func(v string) error {
		seconds, ok := units[v]
		if !ok {
			return fmt.Errorf("%q is none of seconds, minutes, hours, days", v)
		}
		unit = seconds
		return nil
	})
	if err := set.Parse(args); err != nil {
		return threshold.Pair{}, err
	}
	return limits.Scaled(unit), nil
}

// Check runs the check.
type Check struct {
	sampler
}

// New gives a check that reads procfs where it is mounted (Linux).
func New(proc string) *Check { return &Check{newSampler(proc)} }

// Run runs it once.
func (c *Check) Run(_ context.Context, args []string) check.Result {
	limits, err := parse(args)
	if err != nil {
		return unknown(err)
	}
	up, err := c.sample()
	if err != nil {
		return unknown(err)
	}
	seconds := math.Floor(up.Seconds())
	r := check.Result{State: limits.State(seconds)}
	r.Text = fmt.Sprintf("UPTIME %s - %s", r.State, words(up))
	r.Long = "up since " + time.Now().Add(-up).UTC().Format(time.RFC3339)
	r.Perfdata = []check.Perfdata{limits.Perf("uptime", seconds, "s", 0, math.NaN())}
	return r
}

// words writes a duration as people say it.
func words(up time.Duration) string {
	minutes := int(up / time.Minute)
	days, hours := minutes/(24*60), minutes/60%24
	switch {
	case days > 0:
		return fmt.Sprintf("%d days %d hours %d min", days, hours, minutes%60)
	case hours > 0:
		return fmt.Sprintf("%d hours %d min", hours, minutes%60)
	default:
		return fmt.Sprintf("%d min %d s", minutes, int(up/time.Second)%60)
	}
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "UPTIME UNKNOWN - " + err.Error()}
}
