package main

import (
	"os"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// TestNothingBelowTheFloorIsInstalled: what the publisher lets nobody install any more is not what a new box begins with, though the next
// release is not open to new boxes yet, and not even where the box file pins it.
func TestNothingBelowTheFloorIsInstalled(t *testing.T) {
	now := time.Now()
	closed := []tuf.Wave{{From: now.Add(-time.Hour), Percent: 1}, {From: now.Add(time.Hour), Percent: 100}}
	p := newPublisher(t).publish("1.0.0", randomCore(100), now)
	safe := repo.Release{Channel: "stable", Version: "2.0.0", Floor: 2, Soak: 10 * time.Second, Contract: 1, Waves: closed}
	if _, err := p.repo.AddRelease(safe, map[string][]byte{platform: randomCore(200)}); err != nil {
		t.Fatal(err)
	}
	p.publish("3.0.0", randomCore(300), now, closed...)
	h := newHub(t, p)
	newBox(t).bootstrap(h, h.token()).expect(t, 0, "core 3.0.0 (release 3) verified and placed")

	b := newBox(t)
	if err := os.MkdirAll(b.Etc, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.BoxFile(), []byte("hub = "+h.server.URL+"\npin = 1.0.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.bootstrap(h, h.token()).expect(t, exitNoCore, "release 1.0.0, which the box file pins, may not be installed any more")
}
