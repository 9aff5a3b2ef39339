package fsys

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A disk that takes nothing more, here that of the former log: the log is cut, or it would be what keeps the disk full.
func TestRotateOnAFullDisk(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, make([]byte, 200), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", log+".1"); err != nil {
		t.Fatal(err)
	}
	if err := Rotate(log, 100); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("it says %v", err)
	}
	if info, err := os.Stat(log); err != nil || info.Size() != 0 {
		t.Errorf("%v, %v", info, err)
	}
}
