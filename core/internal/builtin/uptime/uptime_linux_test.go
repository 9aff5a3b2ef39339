package uptime

import (
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/fixture"
)

func TestRun(t *testing.T) {
	for _, c := range []struct {
		uptime, args string
		state        check.State
		text, warn   string
	}{
		{"31560.71 5.00\n", "", check.OK, "UPTIME OK - 8 hours 46 min", ""},
		{"31560.71 5.00\n", "-w 30: -c 15:", check.OK, "UPTIME OK", "1800:"},
		{"1000.00 5.00\n", "-w 30: -c 15:", check.Warning, "UPTIME WARNING - 16 min 40 s", "1800:"},
		{"10.00 5.00\n", "-w 30: -c 15:", check.Critical, "UPTIME CRITICAL - 0 min 10 s", "1800:"},
		{"8640000.00 5.00\n", "-u days -w 90", check.Warning, "UPTIME WARNING - 100 days 0 hours 0 min", "7776000"},
		{"8640000.00 5.00\n", "-w 90 -u days", check.Warning, "UPTIME WARNING - 100 days", "7776000"},
		{"long", "", check.Unknown, "UPTIME UNKNOWN - read uptime", ""},
	} {
		got := New(fixture.Tree(t, map[string]string{"uptime": c.uptime})).Run(t.Context(), strings.Fields(c.args))
		if got.State != c.state || !strings.HasPrefix(got.Text, c.text) || len(got.Perfdata) == 1 && got.Perfdata[0].Warn != c.warn {
			t.Errorf("%q %q: %+v", c.uptime, c.args, got)
		}
	}
}
