//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// The start of a box is to cost little more than the hashing that it cannot do without.
const (
	startRuns  = 20
	startFixed = 20 * time.Millisecond
	startHash  = 2 // times what SHA-256 of the same file takes
)

// coreStarts measures from the start of `limpet run` on a box with a record until the core is its child, and the SHA-256 of the same
// core before each.
func coreStarts(ctx context.Context, t *table, r *rig.Rig, hub *rig.Hub) error {
	a := r.NewAgent("start")
	if err := a.Bootstrap(ctx, hub); err != nil {
		return err
	}
	cores, err := filepath.Glob(filepath.Join(a.Root, "ver", "*", "limpet-core"))
	if err != nil || len(cores) != 1 {
		return fmt.Errorf("find the core below %s: %v %w", a.Root, cores, errors.Join(err, os.ErrNotExist))
	}
	var took, hashed []time.Duration
	for i := range startRuns + 1 {
		hash, err := hashTime(cores[0])
		if err != nil {
			return err
		}
		begin := time.Now()
		if err := a.Start(); err != nil {
			return err
		}
		err = coreRuns(ctx, a)
		since := time.Since(begin)
		if stopped := a.Stop(); err == nil {
			err = stopped
		}
		if err != nil {
			return err
		}
		if i > 0 { // the first writes the record: it is no start like the others
			took, hashed = append(took, since), append(hashed, hash)
		}
	}
	limit := startHash*quantile(hashed, 0.5) + startFixed
	t.add(fmt.Sprintf("start to core running, %d starts; SHA-256 of the core in the same run: p50 %.1f ms", startRuns, ms(quantile(hashed, 0.5))),
		spread(took), fmt.Sprintf("p50 at most %d × that + 20 ms = %.1f ms", startHash, ms(limit)), quantile(took, 0.5) <= limit)
	return nil
}

func hashTime(path string) (time.Duration, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	begin := time.Now()
	_, err = io.Copy(sha256.New(), f)
	return time.Since(begin), err
}

// coreRuns waits until the stub has a core for a child.
func coreRuns(ctx context.Context, a *rig.Agent) error {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if hasCore(a) {
			return nil
		}
		if err := sleep(ctx, 200*time.Microsecond); err != nil {
			return err
		}
	}
	return errors.New("no core runs within 10 s of the start")
}

// hasCore looks at the stub's children alone: to look at every process would be a part of the figure.
func hasCore(a *rig.Agent) bool {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", a.Stub().Cmd.Process.Pid))
	for _, list := range lists {
		pids, _ := os.ReadFile(list)
		for _, pid := range strings.Fields(string(pids)) {
			if exe, _ := os.Readlink("/proc/" + pid + "/exe"); strings.HasPrefix(exe, filepath.Join(a.Root, "ver")+"/") {
				return true
			}
		}
	}
	return false
}
