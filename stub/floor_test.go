package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Whoever holds the key of one channel lifts the floor of those that follow it, and of nobody else.
func TestAnotherChannelsFloorIsNotThisOnes(t *testing.T) {
	now := time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
	key, err := signing.Generate(true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repo.Create(fsys.Disk{}, t.TempDir(), func(string) (signing.Key, error) { return key, nil }, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, rel := range []repo.Release{
		{Channel: "stable", Version: "1.0.0", Counter: 1, Floor: 1, Soak: 10 * time.Second, Contract: 1},
		{Channel: "beta", Version: "9.0.0", Counter: 9, Floor: 9, Soak: 10 * time.Second, Contract: 1},
	} {
		if _, err := r.AddRelease(rel, map[string][]byte{"linux-amd64": []byte(rel.Version)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Commit(now); err != nil {
		t.Fatal(err)
	}
	for channel, floor := range map[string]uint64{"stable": 1, "beta": 9} {
		dir := t.TempDir()
		_, stored, err := tuf.Refresh(tuf.Stored{"root.json": r.Root()}, r.Read, now, tuf.CoreDir(channel, "linux-amd64"))
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range stored {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		if err := verify([]string{"--dir", dir, "--time", fmt.Sprint(now.Unix()), "--platform", "linux-amd64"}, &out); err != nil {
			t.Fatal(err)
		}
		if v := parseVerdict(out.String()); v.floor != floor || len(v.cores) != 1 || !strings.Contains(out.String(), " "+channel+" ") {
			t.Errorf("%s has floor %d and %d cores", channel, v.floor, len(v.cores))
		}
	}
}
