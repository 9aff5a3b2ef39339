package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// A problem that was seen twice before a reboot is hard the third time. A reboot here is a start without what means something in one boot alone. What is damaged begins anew.
func TestStandingsOutliveAReboot(t *testing.T) {
	b := newBox(t, "1")
	if err := os.WriteFile(filepath.Join(b.layout.Root, "plugins", "check_bad"), []byte("#!/bin/sh\necho bad\nexit 2\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := &wire.Desired{Revision: 1, NoDefaults: true, Checks: []*wire.Check{{Name: "bad", Plugin: "check_bad", EveryMs: 3_600_000, TimeoutMs: 100_000, Attempts: 3}}}
	b.hub.push(d)
	seen := func(n int) *wire.Standing {
		b.t.Helper()
		var last *wire.Standing
		b.eventually("another result", func() bool {
			results, _, _, _ := b.hub.items()
			if len(results["bad"]) < n {
				return false
			}
			last = results["bad"][n-1].GetStanding()
			return true
		})
		return last
	}
	life := func(n int) *wire.Standing {
		b.t.Helper()
		os.Remove(b.layout.Checks())
		c := b.start()
		c.heard("ready")
		s := seen(n) // each life begins with a run
		b.stop(c)
		return s
	}
	first, second, third := life(1), life(2), life(3)
	if first.GetAttempt() != 1 || second.GetAttempt() != 2 || second.GetHard() || third.GetAttempt() != 3 || !third.GetHard() || third.GetSinceNs() != first.GetSinceNs() {
		t.Errorf("over three lives: %v; %v; %v", first, second, third)
	}
	text, err := os.ReadFile(b.layout.Standings())
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(b.layout.Standings(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := life(4); s.GetAttempt() != 1 || s.GetHard() {
		t.Errorf("after damage: %v", s)
	}

	// Killed, not stopped: what had been written a moment after the change is there.
	os.Remove(b.layout.Checks())
	before, _ := os.ReadFile(b.layout.Standings())
	c := b.start()
	c.heard("ready")
	seen(5)
	b.eventually("the file is written", func() bool {
		now, _ := os.ReadFile(b.layout.Standings())
		return string(now) != string(before)
	})
	c.kill()
	if s := life(6); s.GetAttempt() != 3 || !s.GetHard() {
		t.Errorf("after a kill: %v", s)
	}
}
