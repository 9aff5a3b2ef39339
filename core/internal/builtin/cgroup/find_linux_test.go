package cgroup

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/fixture"
)

func TestCPUOfV1(t *testing.T) {
	root := fixture.Tree(t, map[string]string{
		"self/cgroup":                       "5:cpu:/docker/x\n6:cpuacct:/docker/x\n",
		"fs/cgroup/cpu/cpu.cfs_quota_us":    "150000\n",
		"fs/cgroup/cpu/cpu.cfs_period_us":   "100000\n",
		"fs/cgroup/cpu/cpu.stat":            "nr_periods 7\nnr_throttled 3\nthrottled_time 9\n",
		"fs/cgroup/cpuacct/cpuacct.usage":   "5000000000\n",
		"fs/cgroup/memory/unrelated":        "",
		"fs/cgroup/cpu/docker/x/irrelevant": "",
	})
	f := Finder{Proc: root, Sys: root}
	want := CPU{Scope: Container, CPUs: 1.5, Used: 5 * time.Second, Periods: 7, Throttled: 3}
	if got := f.CPU(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	fixture.Write(t, root+"/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
	if got := f.CPU(); got != (CPU{}) {
		t.Errorf("no limit: %+v", got)
	}
}

func TestTheNarrowestLimitCounts(t *testing.T) {
	root := fixture.Tree(t, map[string]string{
		"self/cgroup":                  "0::/a/b\n",
		"fs/cgroup/a/memory.max":       "1000\n",
		"fs/cgroup/a/memory.current":   "900\n",
		"fs/cgroup/a/b/memory.max":     "5000\n",
		"fs/cgroup/a/b/memory.current": "70\n",
	})
	f := Finder{Proc: root, Sys: root}
	if got := f.Memory(); got != (Memory{Scope: Own, Limit: 1000, Used: 900}) {
		t.Errorf("%+v", got)
	}
}

func TestNoCgroups(t *testing.T) {
	f := Finder{Proc: t.TempDir(), Sys: t.TempDir()}
	if m, c := f.Memory(), f.CPU(); m != (Memory{}) || c != (CPU{}) {
		t.Errorf("%+v %+v", m, c)
	}
}

// TestALimitThatIsNewIsFoundWithinAMinute; one that is there is read each time.
func TestALimitThatIsNewIsFoundWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := fixture.Tree(t, map[string]string{"self/cgroup": "0::/a\n", "fs/cgroup/a/memory.max": "max\n", "fs/cgroup/a/cpu.max": "max 100000\n"})
		f := Finder{Proc: root, Sys: root}
		if m, c := f.Memory(), f.CPU(); m != (Memory{}) || c != (CPU{}) {
			t.Errorf("no limits, and found %+v %+v", m, c)
		}
		fixture.Write(t, root+"/fs/cgroup/a/memory.max", "1000\n")
		fixture.Write(t, root+"/fs/cgroup/a/memory.current", "900\n")
		fixture.Write(t, root+"/fs/cgroup/a/cpu.max", "50000 100000\n")
		fixture.Write(t, root+"/fs/cgroup/a/cpu.stat", "usage_usec 7\n")
		time.Sleep(again + 1)
		if m, c := f.Memory(), f.CPU(); m != (Memory{Own, 1000, 900}) || c != (CPU{Scope: Own, CPUs: 0.5, Used: 7 * time.Microsecond}) {
			t.Errorf("a minute later %+v %+v", m, c)
		}
		fixture.Write(t, root+"/fs/cgroup/a/memory.current", "950\n")
		if m := f.Memory(); m.Used != 950 {
			t.Errorf("at once %+v", m)
		}
	})
}
