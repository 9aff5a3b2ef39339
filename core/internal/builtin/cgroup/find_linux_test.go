package cgroup

import (
	"testing"
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
