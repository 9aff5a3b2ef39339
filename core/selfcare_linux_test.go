package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// When memory runs out the kernel takes plugins before collectors, collectors before what the box is for, and that before the agent.
func TestWhoGoesFirstWhenMemoryRunsOut(t *testing.T) {
	b := newBox(t, "1")
	script := filepath.Join(b.layout.Root, "plugins", "check_oom")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsleep 0.1\necho \"score $(cat /proc/self/oom_score_adj)\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := command(1, "exec sleep 1000", nil)
	d.Checks = []*wire.Check{{Name: "oom", Plugin: "check_oom", EveryMs: 1000, TimeoutMs: 60_000}}
	b.hub.push(d)
	c := b.start()
	c.heard("ready")
	b.eventually("the plugin tells", func() bool {
		results, _, _, _ := b.hub.items()
		return slices.ContainsFunc(results["oom"], func(r *wire.Result) bool { return r.GetText() == "score 600" })
	})
	own := b.until("it runs", running)
	score := func(pid int) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	b.eventually("the collector's score", func() bool { return score(own.PID) == "300" })
	want := "-300"
	if exec.Command("sh", "-c", "echo -300 >/proc/self/oom_score_adj").Run() != nil {
		want = score(os.Getpid()) // who tests may not lower it, and neither may the core
	}
	if got := score(c.cmd.Process.Pid); got != want {
		t.Errorf("the core has %s, not %s", got, want)
	}
	b.stop(c)
}
