package memory

import (
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/fixture"
)

const box = "MemTotal: 16777216 kB\nMemFree: 1048576 kB\nMemAvailable: 4194304 kB\nBuffers: 1024 kB\nCached: 3145728 kB\n"

func TestRun(t *testing.T) {
	v2 := map[string]string{"meminfo": box, "self/cgroup": "0::/\n", "fs/cgroup/memory.max": "1073741824\n",
		"fs/cgroup/memory.current": "1073741000\n", "fs/cgroup/memory.stat": "anon 5\ninactive_file 536870000\nfile 7\n"}
	v1 := map[string]string{"meminfo": box, "self/cgroup": "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/\n",
		"fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n", "fs/cgroup/memory/memory.usage_in_bytes": "1063004405\n",
		"fs/cgroup/memory/memory.stat": "total_inactive_file 0\n"}
	own := map[string]string{"meminfo": box, "self/cgroup": "0::/system.slice/limpet.service/core-1\n",
		"fs/cgroup/system.slice/limpet.service/memory.max":        "104857600\n",
		"fs/cgroup/system.slice/limpet.service/memory.current":    "104857600\n",
		"fs/cgroup/system.slice/limpet.service/core-1/memory.max": "max\n"}
	v1none := map[string]string{"meminfo": box, "self/cgroup": "4:memory:/\n",
		"fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "fs/cgroup/memory/memory.usage_in_bytes": "5\n"}
	for _, c := range []struct {
		name  string
		files map[string]string
		args  string
		state check.State
		text  string
		long  string
	}{
		{"plain", map[string]string{"meminfo": box}, "", check.OK, "MEMORY OK - 75.0% used (12.0 GiB of 16.0 GiB), 4.0 GiB available", "cached 3.0 GiB"},
		{"warning", map[string]string{"meminfo": box}, "-w 70% -c 80%", check.Warning, "MEMORY WARNING - 75.0%", ""},
		{"critical", map[string]string{"meminfo": box}, "-c 74", check.Critical, "MEMORY CRITICAL - 75.0%", ""},
		{"container v2", v2, "", check.OK, "MEMORY OK - container limited to 1.0 GiB, 512.0 MiB used (50.0%); host 75.0% used", "this container is limited"},
		{"container v1", v1, "", check.Critical, "MEMORY CRITICAL - container limited to 1.0 GiB, 1013.8 MiB used (99.0%); host", "this container is limited"},
		{"own cgroup", own, "", check.OK, "MEMORY OK - 75.0% used (12.0 GiB", "the agent's own cgroup is limited to 100.0 MiB, 100.0 MiB used (100.0%)"},
		{"v1 without limit", v1none, "", check.OK, "MEMORY OK - 75.0% used", ""},
		{"broken", map[string]string{"meminfo": "MemTotal: x"}, "", check.Unknown, "MEMORY UNKNOWN - read meminfo", ""},
	} {
		root := fixture.Tree(t, c.files)
		got := New(root, root).Run(t.Context(), strings.Fields(c.args))
		if got.State != c.state || !strings.HasPrefix(got.Text, c.text) || !strings.Contains(got.Long, c.long) {
			t.Errorf("%s: %+v", c.name, got)
		}
		if limited := strings.Contains(got.Long, "limited"); limited != strings.Contains(c.long, "limited") {
			t.Errorf("%s: %q", c.name, got.Long)
		}
	}
}

func TestPerfdata(t *testing.T) {
	root := fixture.Tree(t, map[string]string{"meminfo": box})
	got := New(root, root).Run(t.Context(), nil).Perfdata
	want := check.Perfdata{Label: "used", Value: 12 << 30, Unit: "B", Warn: "15461882266", Crit: "16320875725", Max: 16 << 30}
	if len(got) != 4 || got[0] != want {
		t.Errorf("%+v", got)
	}
}
