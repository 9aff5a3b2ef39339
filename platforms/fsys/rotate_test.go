package fsys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRotateKeepsTheEnd(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if err := Rotate(log, 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no log: %v", err)
	}
	write := func(text string) {
		if err := os.WriteFile(log, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Repeat("a", 100))
	if err := Rotate(log, 100); err != nil {
		t.Error(err)
	}
	if data, _ := os.ReadFile(log); len(data) != 100 {
		t.Errorf("a log of its size is cut to %d", len(data))
	}
	write(strings.Repeat("a", 100) + strings.Repeat("b", 100))
	if err := Rotate(log, 100); err != nil {
		t.Error(err)
	}
	cut, _ := os.ReadFile(log)
	kept, _ := os.ReadFile(log + ".1")
	if len(cut) != 0 || string(kept) != strings.Repeat("b", 100) {
		t.Errorf("%d bytes left, %q kept", len(cut), kept)
	}
}
