package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pidsCgroup makes a cgroup that bounds processes, where this machine has such.
func pidsCgroup(t *testing.T) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		dir := filepath.Join(root, "limpet-test-"+strconv.Itoa(os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "pids.max")); err != nil {
			os.Remove(dir)
			continue
		}
		t.Cleanup(func() { os.Remove(dir) })
		return dir
	}
	t.Skip("NOT TESTED HERE: no cgroup bounds processes on this machine, or it is not ours to make")
	return ""
}

// TestNoProcessesLeft: where nothing can be started, neither process nor thread, checks say so, the core lives on, and all is well as soon as something can be started again.
func TestNoProcessesLeft(t *testing.T) {
	t.Parallel()
	group := pidsCgroup(t)
	s := newSite(t)
	dir := filepath.Join(s.Dir, "plugins")
	s.must(os.MkdirAll(dir, 0o755))
	s.must(os.WriteFile(filepath.Join(dir, "check_x"), []byte("#!/bin/sh\necho fine\n"), 0o755))
	a := s.agent("box", "plugin_dirs = "+dir)
	var doc strings.Builder
	doc.WriteString("defaults: false\nchecks:\n")
	for i := range 8 {
		fmt.Fprintf(&doc, "  - {name: x%d, plugin: check_x, every: 1s}\n", i)
	}
	s.must(s.hub.Apply(s.ctx, doc.String()))
	type result struct{ State, Text string }
	all := func(times int, state, text string) func() bool { // so many of the last results of each check
		return func() bool {
			for i := range 8 {
				list, ok := get[[]result](s, fmt.Sprintf("/api/v1/agents/%s/checks/x%d/results?limit=%d", a.Fingerprint(), i, times))
				if !ok || len(list) < times || slices.ContainsFunc(list, func(r result) bool { return r.State != state || !strings.Contains(r.Text, text) }) {
					return false
				}
			}
			return true
		}
	}
	s.await("all checks are well", all(1, "OK", "fine"))
	core := a.CorePID()
	for _, pid := range []int{a.Stub().Cmd.Process.Pid, core} {
		s.must(os.WriteFile(filepath.Join(group, "cgroup.procs"), strconv.AppendInt(nil, int64(pid), 10), 0))
	}
	limit := func(n string) { s.must(os.WriteFile(filepath.Join(group, "pids.max"), []byte(n), 0)) }
	defer limit("max")
	limit("1")
	s.await("checks say for ten seconds that nothing can be started", all(10, "UNKNOWN", "short of processes"))
	limit("max")
	s.await("all checks are well again", all(1, "OK", "fine"))
	if now := a.CorePID(); now != core {
		t.Errorf("the core was started anew: %d, before %d", now, core)
	}
}
