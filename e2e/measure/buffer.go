//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// buffered is what keeping a result costs, from the buffer's own package (core/internal/buffer/measure_test.go): nobody else may import it. It
// says a line for each figure.
func buffered(ctx context.Context, t *table) error {
	module, err := rig.Module()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "./core/internal/buffer", "-run", "^TestMeasure$", "-count", "1", "-timeout", "0", "-v", "-args", "-measure", debianPlugins())
	cmd.Dir, cmd.Stderr = module, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("measure the buffer: %w", err)
	}
	found := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if f := strings.Split(lines.Text(), ": "); len(f) == 5 && f[0] == "buffer" {
			t.add("buffer: "+f[1], f[2], f[3], f[4] == "true")
			found++
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("measure the buffer: %w", err)
	}
	if found < 6 {
		return errors.New("measure the buffer: figures are missing")
	}
	return nil
}

// debianPlugins is the folder of the plugins that Debian has.
func debianPlugins() string {
	if plugins := os.Getenv("LIMPET_TEST_PLUGINS"); plugins != "" {
		return plugins
	}
	return "/usr/lib/nagios/plugins"
}
