//go:build unix

package store

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

// A core that is refused again and again costs no descriptor.
func TestOpenClosesWhatItRefuses(t *testing.T) {
	count := func() int {
		list, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	name := filepath.Join(t.TempDir(), "core")
	if err := os.WriteFile(name, []byte("other"), 0o755); err != nil {
		t.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which closes what nobody holds any more
	before := count()
	for range 20 {
		if _, err := Open(name, [32]byte{}, 5); !errors.Is(err, ErrUnsound) {
			t.Fatal(err)
		}
	}
	if after := count(); after > before+10 {
		t.Errorf("%d files are open, before it were %d", after, before)
	}
}
