//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

const (
	installRounds   = 5
	startByHandCode = 3 // of the installer where there is no service manager for its folder
)

// installed types the line that the hub prints, into folders of its own, starts what it says, and waits for the first result.
func installed(ctx context.Context, t *table, bin, dir string) error {
	return line(ctx, bin, dir, func(r *rig.Rig, hub *rig.Hub) error {
		var times []time.Duration
		for i := range installRounds {
			took, err := installOne(ctx, r, hub, fmt.Sprintf("box-%d", i))
			if err != nil {
				return err
			}
			times = append(times, took)
		}
		t.add(fmt.Sprintf("the installer's line to the first result in the hub, without a service manager, %d times", installRounds), spread(times), "max < 5 s",
			quantile(times, 1) < 5*time.Second)
		return nil
	})
}

func installOne(ctx context.Context, r *rig.Rig, hub *rig.Hub, name string) (time.Duration, error) {
	out, err := r.Run(ctx, "limpet-hub", "token", "create", "--json", "--data", hub.Data)
	if err != nil {
		return 0, err
	}
	var made struct{ Install string }
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		return 0, err
	}
	lines := strings.Split(strings.TrimSpace(made.Install), "\n")
	a := r.NewAgent(name)
	start := time.Now()
	sh := exec.CommandContext(ctx, "sh", "-c", lines[len(lines)-1]+" -s -- --root "+a.Root)
	if text, err := sh.CombinedOutput(); sh.ProcessState.ExitCode() != startByHandCode {
		return 0, fmt.Errorf("install: %w\n%s", err, text)
	}
	if err := a.StartInstalled(); err != nil {
		return 0, err
	}
	defer a.Stop()
	err = rig.Await(ctx, 30*time.Second, "the first result", func(ctx context.Context) (bool, error) {
		var agent struct{ Results uint64 }
		return hub.Get(ctx, "/api/v1/agents/"+a.Fingerprint(), &agent) == nil && agent.Results > 0, nil
	})
	return time.Since(start), err
}
