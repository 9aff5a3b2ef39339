package cpu

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/fixture"
)

// stat writes a /proc/stat.
func stat(t *testing.T, root string, user, system, idle, iowait, steal uint64) {
	fixture.Write(t, root+"/stat", fmt.Sprintf("cpu  %d 0 %d %d %d 0 0 %d 0 0\ncpu0 1 2 3 4\nintr 5\n", user, system, idle, iowait, steal))
}

func TestRunsMeasureSinceThePreviousOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		c := New(root, root)
		args := []string{"-w", "50", "-c", "90"}
		stat(t, root, 900, 50, 50, 0, 0)
		got := c.Run(t.Context(), args)
		if got.State != check.OK || !strings.Contains(got.Text, "95.0% busy since boot; this is the first run") {
			t.Fatalf("first: %+v", got)
		}
		for _, step := range []struct {
			wait                              time.Duration
			user, system, idle, iowait, steal uint64
			state                             check.State
			text                              string
		}{
			{10 * time.Second, 910, 60, 110, 10, 10, check.OK, "CPU OK - 30.0% busy over 10s (user 10.0%, system 10.0%, iowait 10.0%, steal 10.0%)"},
			{10 * time.Second, 980, 60, 140, 10, 10, check.Warning, "CPU WARNING - 70.0% busy over 10s"},
			{100 * time.Millisecond, 980, 60, 141, 10, 10, check.Warning, "CPU WARNING - 69.3% busy over 10s"}, // not since the last: too near
			{20 * time.Second, 1080, 60, 141, 5, 10, check.Critical, "CPU CRITICAL - 99.0% busy over 20s"},     // iowait went back
		} {
			time.Sleep(step.wait)
			stat(t, root, step.user, step.system, step.idle, step.iowait, step.steal)
			if got := c.Run(t.Context(), args); got.State != step.state || got.Text != step.text {
				t.Errorf("got %s %q, want %q", got.State, got.Text, step.text)
			}
		}
	})
}

func TestDefaultWarnsOnlyAfterAQuarterOfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		c := New(root, root)
		var first time.Duration
		for i := range 200 {
			stat(t, root, uint64(1000*i), 0, 10, 0, 0)
			got := c.Run(t.Context(), nil)
			if got.State != check.OK && first == 0 {
				first = time.Duration(i) * 10 * time.Second
				if got.State != check.Warning || !strings.Contains(got.Text, "100.0% over 13m30s") {
					t.Errorf("%+v", got)
				}
			}
			time.Sleep(10 * time.Second)
		}
		if first != 810*time.Second {
			t.Errorf("first warning after %v", first)
		}
		if n := c.past.Len(); n > 70 {
			t.Errorf("%d samples are kept", n)
		}
	})
}

func TestContainerLimitIsJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, scope := range []struct {
			name, dir, place string
			state            check.State
			long             string
		}{
			{"container", "/fs/cgroup", "/", check.Critical, "this container may use 2.00 CPUs and used 1.90 of them (95.0%); held back in 50 of 100 periods"},
			{"own", "/fs/cgroup/limpet.service", "/limpet.service", check.OK, "the agent's own cgroup may use 2.00 CPUs"},
		} {
			root := fixture.Tree(t, map[string]string{
				"self/cgroup":               "0::" + scope.place + "\n",
				scope.dir[1:] + "/cpu.max":  "200000 100000\n",
				scope.dir[1:] + "/cpu.stat": "usage_usec 1000000\nnr_periods 100\nnr_throttled 10\n",
			})
			stat(t, root, 0, 0, 1000, 0, 0)
			c := New(root, root)
			c.Run(t.Context(), nil)
			time.Sleep(10 * time.Second)
			stat(t, root, 100, 0, 1900, 0, 0)
			fixture.Write(t, root+scope.dir+"/cpu.stat", "usage_usec 20000000\nnr_periods 200\nnr_throttled 60\n")
			got := c.Run(t.Context(), []string{"-w", "80", "-c", "90"})
			if got.State != scope.state || !strings.Contains(got.Long, scope.long) {
				t.Errorf("%s: %+v", scope.name, got)
			}
		}
	})
}

func TestParseStat(t *testing.T) {
	for text, want := range map[string]times{
		"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1": {user: 3, system: 16, idle: 4, iowait: 5, steal: 8},
		"cpu 1 2 3 4":                       {user: 3, system: 3, idle: 4},
	} {
		if got, err := parseStat([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "cpu", "cpu 1 2 3", "cpu0 1 2 3 4", "cpu 1 2 x 4", "cpu -1 2 3 4", "cpu 99999999999999999999 1 1 1"} {
		if got, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q was taken: %+v", text, got)
		}
	}
}

func TestNoTimeCountedIsUnknown(t *testing.T) {
	root := t.TempDir()
	stat(t, root, 0, 0, 0, 0, 0)
	if got := New(root, root).Run(t.Context(), nil); got.State != check.Unknown || !strings.Contains(got.Text, "counts no CPU time") {
		t.Errorf("%+v", got)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("cpu  1 2 3 4 5 6 7 8 9 10\n", "cpu 5 5 5 5 5 5 5 5\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		before, err1 := parseStat([]byte(a))
		now, err2 := parseStat([]byte(b))
		if err1 != nil || err2 != nil {
			return
		}
		s, err := since(before, now)
		if err == nil && !(s.busy >= 0 && s.busy <= 100 && s.user >= 0 && s.user <= 100) {
			t.Errorf("%+v to %+v: %+v", before, now, s)
		}
	})
}
