package mirror

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Whatever stands in the file: what is read of it can be held, fits, and is written as it is read.
func FuzzHolds(f *testing.F) {
	f.Add([]byte("1.2.3\n1.2.4-rc.1\n"))
	f.Add([]byte("1.2.3 1.2.3\r\n../x\n\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(t.TempDir(), "hold")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := OpenHolds(name)
		if err != nil {
			return // too long to be ours
		}
		list := h.List()
		if len(list) > maxHolds {
			t.Fatalf("%d are held", len(list))
		}
		for i, what := range list {
			if !holdable.MatchString(what) || slices.Contains(list[:i], what) || !h.Has(what, "") {
				t.Fatalf("%q is held", what)
			}
		}
		if len(list) == maxHolds {
			return
		}
		if err := h.Hold("v"); err != nil {
			t.Fatal(err)
		}
		again, err := OpenHolds(name)
		if err != nil || !slices.Equal(again.List(), h.List()) {
			t.Errorf("written %q, read %q, %v", h.List(), again.List(), err)
		}
	})
}
