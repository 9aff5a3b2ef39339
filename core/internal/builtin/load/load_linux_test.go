package load

import (
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/fixture"
)

func TestRun(t *testing.T) {
	for _, c := range []struct {
		loadavg, args string
		state         check.State
		text          string
		labels        string
	}{
		{"4.00 2.00 1.00 1/91 5\n", "-w 5,4,3 -c 10,8,6", check.OK, "LOAD OK - total load average: 4.00, 2.00, 1.00", "load1 load5 load15"},
		{"4.00 2.00 1.00 1/91 5\n", "-w 5,1 -c 10", check.Warning, "LOAD WARNING - total", "load1 load5 load15"},
		{"4.00 2.00 1.00 1/91 5\n", "-w 1 -c 5,5,0.5", check.Unknown, "LOAD UNKNOWN - warning load of 15 minutes is above", ""},
		{"4.00 2.00 1.00 1/91 5\n", "-c 3", check.Critical, "LOAD CRITICAL - total", "load1 load5 load15"},
		{"5.00 5.00 5.00 1/91 5\n", "-w 5 -c 5", check.OK, "LOAD OK", "load1 load5 load15"}, // the limit itself is fine
		{"4.00 2.00 1.00 1/91 5\n", "-r -w 1 -c 2", check.OK, "LOAD OK - scaled load average: 1.00, 0.50, 0.25 - total load average: 4.00", "load1 scaled_load1 load5 scaled_load5 load15 scaled_load15"},
		{"9.00 9.00 9.00 1/91 5\n", "", check.OK, "LOAD OK - scaled load average: 2.25", "load1 scaled_load1 load5 scaled_load5 load15 scaled_load15"},
		{"99.0 99.0 99.0 1/91 5\n", "", check.Critical, "LOAD CRITICAL - scaled", "load1 scaled_load1 load5 scaled_load5 load15 scaled_load15"},
		{"", "", check.Unknown, "LOAD UNKNOWN - read loadavg", ""},
		{"1 x 3", "", check.Unknown, "LOAD UNKNOWN - read loadavg", ""},
		{"1 2", "", check.Unknown, "LOAD UNKNOWN - read loadavg", ""},
		{"-1 2 3", "", check.Unknown, "LOAD UNKNOWN - read loadavg", ""},
	} {
		root := fixture.Tree(t, map[string]string{"loadavg": c.loadavg, "devices/system/cpu/present": "0-3\n"})
		got := New(root, root).Run(t.Context(), strings.Fields(c.args))
		var labels []string
		for _, p := range got.Perfdata {
			labels = append(labels, p.Label)
		}
		if got.State != c.state || !strings.HasPrefix(got.Text, c.text) || strings.Join(labels, " ") != c.labels {
			t.Errorf("%q %q: %+v", c.loadavg, c.args, got)
		}
	}
}

func FuzzParseLoadavg(f *testing.F) {
	f.Add("0.70 0.51 0.27 1/91 12746\n")
	f.Fuzz(func(t *testing.T, text string) {
		la, err := parseLoadavg(text)
		for _, v := range la {
			if err == nil && !(v >= 0) {
				t.Errorf("%q: %v", text, la)
			}
		}
	})
}
