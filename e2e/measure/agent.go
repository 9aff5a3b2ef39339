//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

func moduleDir() (string, error) { return rig.Module() }

// firstResult starts new agents one after the other and waits for each one's first result.
func firstResult(ctx context.Context, t *table, r *rig.Rig, hub *rig.Hub) error {
	var times []time.Duration
	for i := range 10 {
		a := r.NewAgent(fmt.Sprintf("first-%d", i))
		if err := a.Bootstrap(ctx, hub); err != nil {
			return err
		}
		start := time.Now()
		if err := a.Start(); err != nil {
			return err
		}
		err := rig.Await(ctx, 30*time.Second, "the first result", func(ctx context.Context) (bool, error) {
			finger := a.Fingerprint()
			if finger == "" {
				return false, nil
			}
			var agent struct{ Results uint64 }
			err := hub.Get(ctx, "/api/v1/agents/"+finger, &agent)
			return err == nil && agent.Results > 0, nil
		})
		times = append(times, time.Since(start))
		if stopped := a.Stop(); err == nil {
			err = stopped
		}
		if err != nil {
			return err
		}
	}
	t.add("`limpet run` with a token to the first result in the hub, 10 agents", spread(times), "max < 3 s", quantile(times, 1) < 3*time.Second)
	return nil
}

// runNow presses "run" for a plugin that prints at once.
func runNow(ctx context.Context, t *table, r *rig.Rig, hub *rig.Hub) error {
	plugins := filepath.Join(r.Dir, "plugins")
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(plugins, "check_now"), []byte("#!/bin/sh\necho OK\n"), 0o755); err != nil {
		return err
	}
	a := r.NewAgent("now")
	if err := a.Bootstrap(ctx, hub); err != nil {
		return err
	}
	if err := a.Configure("plugin_dirs = " + plugins); err != nil {
		return err
	}
	if err := hub.Apply(ctx, "checks:\n  - {name: now, plugin: check_now, every: 1h}\n"); err != nil {
		return err
	}
	if err := a.Start(); err != nil {
		return err
	}
	defer a.Stop()
	err := rig.Await(ctx, 30*time.Second, "the check now", func(ctx context.Context) (bool, error) {
		return hub.Get(ctx, "/api/v1/agents/"+a.Fingerprint()+"/checks/now", &struct{}{}) == nil, nil
	})
	if err != nil {
		return err
	}
	var times []time.Duration
	for range 200 {
		start := time.Now()
		body, err := hub.RunNow(ctx, a.Fingerprint(), "now")
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(body)
		lines.Scan()
		first := time.Since(start)
		if !strings.Contains(lines.Text(), `"output"`) {
			return fmt.Errorf("run now answered %q first", lines.Text())
		}
		times = append(times, first)
		for lines.Scan() {
		}
		body.Close()
	}
	t.add("run now, request to first byte of output, 200 runs", spread(times), "p50 < 20 ms", quantile(times, 0.5) < 20*time.Millisecond)
	return hub.Apply(ctx, "defaults: true\n")
}

// atRest watches one agent with the default checks.
func atRest(ctx context.Context, t *table, r *rig.Rig, hub *rig.Hub, rest time.Duration) error {
	a := r.NewAgent("rest")
	if err := a.Bootstrap(ctx, hub); err != nil {
		return err
	}
	if err := a.Start(); err != nil {
		return err
	}
	defer a.Stop()
	if err := sleep(ctx, time.Minute); err != nil {
		return err
	}
	stub, core := a.Stub().Cmd.Process.Pid, a.CorePID()
	rss := statusKB(stub, "VmRSS:")
	t.add("`limpet` VmRSS sixty seconds after a start that verified the metadata", fmt.Sprintf("%d kB", rss), "4096 kB", rss > 0 && rss <= 4096)
	stub0, core0 := cpuTime(stub), cpuTime(core)
	start := time.Now()
	if err := sleep(ctx, rest); err != nil {
		return err
	}
	wall := time.Since(start)
	if a.CorePID() != core {
		return fmt.Errorf("the core was started again while at rest")
	}
	memory(t, "proportional set", rollupKB(stub, "Pss:"), rollupKB(core, "Pss:"), 16)
	memory(t, "anonymous memory", rollupKB(stub, "Anonymous:"), rollupKB(core, "Anonymous:"), 6)
	cpuStub, cpuCore := cpuTime(stub)-stub0, cpuTime(core)-core0
	share := float64(cpuStub+cpuCore) / float64(wall) * 100
	procs, _ := filepath.Glob("/proc/[0-9]*")
	t.add(fmt.Sprintf("stub + core at rest, user+sys over %s with %d processes", wall.Round(time.Second), len(procs)),
		fmt.Sprintf("%.1f + %.1f ms = %.3f %%", ms(cpuStub), ms(cpuCore), share), "0.05 %", share <= 0.05)
	return nil
}

// memory adds one kind of it, of both programs together; the limit is in MB.
func memory(t *table, what string, stub, core int64, limit float64) {
	sum := mb(stub + core)
	t.add("stub + core at rest, "+what, fmt.Sprintf("%.1f + %.1f = %.1f MB", mb(stub), mb(core), sum), fmt.Sprintf("%g MB", limit), sum <= limit)
}

// cpuTime is the user and system time of a process, to the nanosecond: its CPU clock.
func cpuTime(pid int) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func statusKB(pid int, key string) int64 { return fileKB(fmt.Sprintf("/proc/%d/status", pid), key) }

func rollupKB(pid int, key string) int64 {
	return fileKB(fmt.Sprintf("/proc/%d/smaps_rollup", pid), key)
}

func fileKB(file, key string) int64 {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == key {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n
		}
	}
	return 0
}

func mb(kb int64) float64 { return float64(kb) * 1024 / 1e6 }

func ms(d time.Duration) float64 { return float64(d) / 1e6 }
