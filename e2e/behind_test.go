//go:build unix

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMoreThanRunsIsTold: a box with more due than it runs tells its owner and the hub; one whose plugin takes longer than its interval is not behind.
func TestMoreThanRunsIsTold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := filepath.Join(s.Dir, "plugins")
	s.must(os.MkdirAll(dir, 0o755))
	s.must(os.WriteFile(filepath.Join(dir, "check_takes"), []byte("#!/bin/sh\nsleep 0.8\necho done\n"), 0o755))
	s.must(os.WriteFile(filepath.Join(dir, "check_slow"), []byte("#!/bin/sh\nsleep 20\necho done\n"), 0o755))
	// The interval is longer than this machine stands still: what nothing runs at is behind by right.
	s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks:\n  - {name: slow, plugin: check_slow, every: 6s, timeout: 60s}\n"))
	a := s.agent("box", "plugin_dirs = "+dir, "limit.runs = 1")
	s.await("a session", func() bool { return presence(s, a) == "online" })
	path := "/api/v1/agents/" + a.Fingerprint()
	type detail struct {
		Facts struct{ More map[string]string }
	}
	tell := func() (now scheduled, fact string) {
		s.status(a, &now)
		d, _ := get[detail](s, path)
		return now, d.Facts.More["behind"]
	}

	s.await("slots that its own run takes", func() bool {
		now, _ := tell()
		return now.Core.Schedule.Skipped >= 4 // of two looks at the least
	})
	if now, fact := tell(); fact != "" || len(now.Core.Problems) > 0 {
		t.Errorf("a check that takes long is said to wait: %q, %q", fact, now.Core.Problems)
	}

	s.must(s.hub.Apply(s.ctx, `defaults: false
checks:
  - {name: one, plugin: check_takes, every: 1s}
  - {name: two, plugin: check_takes, every: 1s}
  - {name: three, plugin: check_takes, every: 1s}
`))
	s.await("the hub is told", func() bool {
		now, fact := tell()
		return fact != "" && strings.Contains(strings.Join(now.Core.Problems, "\n"), "slots passed while their checks waited")
	})
	s.await("an event", func() bool {
		out, err := s.Run(s.ctx, "limpet-hub", "events", "--json", "--limit", "1000", "--data", filepath.Join(s.Dir, "hub"))
		return err == nil && strings.Contains(out, `"cause":"behind"`)
	})
}
