//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// simulated is whole rollouts over simulated fleets: 10,000 of the stub's own supervisors each, in virtual time (stub/fleet_test.go).
// What they find is said by the tests there, a line each; a test that fails is a limit that was missed.
func simulated(ctx context.Context, t *table, quick bool) error {
	boxes := "10000"
	if quick {
		boxes = "500"
	}
	module, err := rig.Module()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "./stub", "-run", "TestFleet", "-count", "1", "-timeout", "0", "-v", "-args", "-boxes", boxes)
	cmd.Dir, cmd.Stderr = module, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("simulate a fleet: %w", err)
	}
	found := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text := strings.TrimSpace(lines.Text())
		if _, said, ok := strings.Cut(text, " fleet: "); ok {
			what, figure, _ := strings.Cut(said, ": ")
			t.add("fleet of "+boxes+": "+what, figure, "", true)
			found++
		} else if strings.HasPrefix(text, "--- FAIL") || strings.Contains(text, "_test.go:") {
			t.add("fleet of "+boxes, text, "no failure", false)
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("simulate a fleet: %w", err)
	}
	if found == 0 {
		return fmt.Errorf("simulate a fleet: no test said anything")
	}
	return nil
}
