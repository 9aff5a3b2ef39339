package procfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReaderReadsWhole(t *testing.T) {
	dir := t.TempDir()
	var r Reader
	for _, size := range []int{0, 1, page - 1, page, page + 1, 5*page + 3} {
		path, text := filepath.Join(dir, "f"), strings.Repeat("x", size)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Read(path, 1<<20); err != nil || string(got) != text {
			t.Errorf("%d bytes: read %d, %v", size, len(got), err)
		}
		if got, err := r.Read(path, 100); err != nil || len(got) != min(100, size) {
			t.Errorf("%d bytes, at most 100: read %d, %v", size, len(got), err)
		}
		if got, err := r.Once(path, 100); err != nil || len(got) != min(100, size) {
			t.Errorf("%d bytes once, at most 100: read %d, %v", size, len(got), err)
		}
	}
}

func TestReaderReadsRecordsOfProcfs(t *testing.T) {
	want, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var r Reader
	if got, err := r.Read("/proc/self/mountinfo", 4<<20); err != nil || string(got) != string(want) {
		t.Errorf("read %d of %d bytes, %v", len(got), len(want), err)
	}
}

func TestReaderErrors(t *testing.T) {
	var r Reader
	if _, err := r.Read("/nonexistent/file", 10); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/nonexistent/file") {
		t.Error(err)
	}
	if _, err := r.Once(t.TempDir(), 10); err == nil {
		t.Error("a folder was read as a file")
	}
	path := filepath.Join(t.TempDir(), "max")
	if err := os.WriteFile(path, []byte("max\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Uint(path); err == nil {
		t.Errorf("max was read as %d", n)
	}
}
