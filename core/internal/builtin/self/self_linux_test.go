package self

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/fixture"
)

func TestRun(t *testing.T) {
	well := Stats{BufferBytes: 1 << 20, BufferLimit: 1 << 30, Pending: 0, Lag: 2 * time.Millisecond}
	away := Stats{BufferBytes: 900 << 20, BufferLimit: 1 << 30, Pending: 5000, Oldest: time.Hour, Lag: 0}
	late := Stats{BufferBytes: -1, Pending: -1, Lag: 90 * time.Second}
	pages := (64 << 20) / os.Getpagesize()
	root := fixture.Tree(t, map[string]string{"self/statm": fmt.Sprintf("99999 %d 5 5 0 5 0\n", pages)})
	for _, c := range []struct {
		name   string
		agent  Agent
		stuck  func() int
		args   string
		state  check.State
		text   string // after the CPU, which is this test's own
		labels string
	}{
		{"well", func() Stats { return well }, func() int { return 0 }, "", check.OK,
			"buffer 1.0 MiB (0.1% of its cap), 0 results pending, schedule lag 2ms", "rss cpu buffer pending lag stuck_checks"},
		{"hub away", func() Stats { return away }, nil, "", check.Warning,
			"buffer 900.0 MiB (87.9% of its cap) (WARNING), 5000 results pending, the oldest for 1h0m0s, schedule lag 0s", "rss cpu buffer pending lag"},
		{"late", func() Stats { return late }, nil, "", check.Critical, "schedule lag 1m30s (CRITICAL)", "rss cpu lag"},
		{"own limits", func() Stats { return away }, nil, "--buffer 90,95 --pending 100,", check.Warning, "5000 results pending, the oldest for 1h0m0s (WARNING)", "rss cpu buffer pending lag"},
		{"rss", nil, nil, "--rss 10,20", check.Critical, "64.0 MiB resident (CRITICAL)", "rss cpu"},
		{"stuck", nil, func() int { return 2 }, "", check.Warning, "2 builtin checks do not return", "rss cpu stuck_checks"},
	} {
		got := New(root, c.agent, c.stuck).Run(t.Context(), strings.Fields(c.args))
		var labels []string
		for _, p := range got.Perfdata {
			labels = append(labels, p.Label)
		}
		if got.State != c.state || !strings.Contains(got.Text, c.text) || strings.Join(labels, " ") != c.labels ||
			got.Perfdata[0].Value != 64<<20 {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestCPUIsMeasured(t *testing.T) {
	root := "/proc"
	c := New(root, nil, nil)
	begun, spent := time.Now(), processTime(t)
	for processTime(t)-spent < 200*time.Millisecond { // of work, however long a busy machine takes over it
	}
	got := c.Run(t.Context(), nil)
	most := 100 * (processTime(t) - spent).Seconds() / max(time.Since(begun), time.Second).Seconds() // as the first run counts
	if v := got.Perfdata[1].Value; v < most/2 || v > 5000 {
		t.Errorf("%v%% where the work was about %v%%", v, most)
	}
}

func processTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestBrokenStatmIsUnknownButTheRestIsTold(t *testing.T) {
	for _, text := range []string{"", "5", "5 x", "5 -1"} {
		root := fixture.Tree(t, map[string]string{"self/statm": text})
		got := New(root, func() Stats { return Stats{BufferBytes: 5, Pending: 7} }, nil).Run(t.Context(), nil)
		if got.State != check.Unknown || !strings.Contains(got.Text, "7 results pending") || !strings.Contains(got.Text, "read statm") {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
