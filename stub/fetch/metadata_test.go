package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Power fails at every call of saving metadata: each file is the old one or the new one, whole, and none is
// newer than one that is saved before it.
func TestMetadataIsKeptThroughPowerCuts(t *testing.T) {
	l := platforms.Layout{State: "/state"}
	var old, fresh []tuf.Change
	names := []string{"root.json", "timestamp.json", "snapshot.json", "targets.json"}
	for _, name := range names {
		old = append(old, tuf.Change{Name: name, Data: []byte("old " + name)})
		fresh = append(fresh, tuf.Change{Name: name, Data: []byte("fresh " + name)})
	}
	fresh = append([]tuf.Change{{Name: "gone.json"}}, fresh...)
	cuts := 0
	for at, done := 1, false; !done && !t.Failed(); at++ {
		cuts += crashdisk.Every(0, func(c crashdisk.Chooser) bool {
			d := crashdisk.New()
			if err := d.MkdirAll(l.TrustCore(), 0o755); err != nil {
				t.Fatal(err)
			}
			for dir := l.TrustCore(); dir != "/"; dir = filepath.Dir(dir) {
				if err := d.SyncDir(filepath.Dir(dir)); err != nil {
					t.Fatal(err)
				}
			}
			if err := keepChanges(d, l, append(old, tuf.Change{Name: "gone.json", Data: []byte("x")})); err != nil {
				t.Fatal(err)
			}
			d.CutAt(at)
			done = keepChanges(d, l, fresh) == nil
			after := d.Restart(c)
			before := "fresh"
			for _, name := range names {
				data, err := fsys.Read(after, filepath.Join(l.TrustCore(), name), 100)
				word, rest, _ := strings.Cut(string(data), " ")
				if err != nil || rest != name || word != "old" && word != "fresh" {
					t.Errorf("cut at call %d: %s is %q, %v", at, name, data, err)
				}
				if word == "fresh" && before == "old" {
					t.Errorf("cut at call %d: %s is newer than what is saved before it", at, name)
				}
				before = word
			}
			if _, err := fsys.Read(after, filepath.Join(l.TrustCore(), "gone.json"), 100); err == nil && before != "old" {
				t.Errorf("cut at call %d: gone.json is there when all is saved", at)
			}
			return !t.Failed()
		})
	}
	if cuts < 20 {
		t.Errorf("only %d power cuts", cuts)
	}
}
