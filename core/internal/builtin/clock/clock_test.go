package clock

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

func TestRun(t *testing.T) {
	for _, c := range []struct {
		offset, rtt time.Duration
		args        string
		state       check.State
		text        string
	}{
		{1200 * time.Microsecond, 3 * time.Millisecond, "", check.OK, "CLOCK OK - offset 0.001200 s (ahead of the hub), round trip 3.0 ms"},
		{-6 * time.Second, 0, "", check.Warning, "CLOCK WARNING - offset -6.000000 s (behind the hub)"},
		{61 * time.Second, 0, "", check.Critical, "CLOCK CRITICAL"},
		{6 * time.Second, 3 * time.Second, "", check.OK, "CLOCK OK"}, // may be 4.5 s: within what the round trip leaves open
		{-2 * time.Second, 0, "-w 1 -c 3", check.Warning, "CLOCK WARNING"},
		{2 * time.Second, -time.Second, "-w 1 -c 3", check.Warning, "CLOCK WARNING"},
		{365 * 24 * time.Hour, 0, "", check.Critical, "CLOCK CRITICAL - offset 31536000.000000 s"},
	} {
		got := New(func() (time.Duration, time.Duration, bool) { return c.offset, c.rtt, true }).Run(t.Context(), strings.Fields(c.args))
		if got.State != c.state || !strings.HasPrefix(got.Text, c.text) || got.Perfdata[0].Value != c.offset.Seconds() {
			t.Errorf("%v %v %q: %+v", c.offset, c.rtt, c.args, got)
		}
	}
}

func TestNotMeasuredYetIsOK(t *testing.T) {
	for name, f := range map[string]Offset{"no function": nil, "no session": func() (time.Duration, time.Duration, bool) { return 0, 0, false }} {
		got := New(f).Run(t.Context(), nil)
		if got.State != check.OK || !strings.Contains(got.Text, "not compared yet") || !math.IsNaN(got.Perfdata[0].Value) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
