package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A log of ten bytes, and one before it: what does not fit begins a new one.
func TestALogAtItsSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	content := func() string {
		now, _ := os.ReadFile(path)
		before, _ := os.ReadFile(path + ".1")
		return string(before) + "|" + string(now)
	}
	if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	f := &logFile{path: path, size: 10}
	for _, tt := range []struct{ text, want string }{
		{"1234567", "|old1234567"}, // what was there counts
		{"8", "old1234567|8"},
		{"123456789", "old1234567|8123456789"},
		{"much more than its size", "8123456789|much more than its size"},
		{"", "much more than its size|"},
		{"x", "much more than its size|x"},
	} {
		if n, err := f.Write([]byte(tt.text)); n != len(tt.text) || err != nil || content() != tt.want {
			t.Errorf("%q: %d, %v; the logs are %q, want %q", tt.text, n, err, content(), tt.want)
		}
	}
	f.Close()
	f.Close()
	if _, err := f.Write([]byte("y")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a log that is closed: %v", err)
	}
}

func TestALogThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	f := &logFile{path: filepath.Join(dir, "missing", "log"), size: 10}
	f.Close() // nothing to close
	if n, err := f.Write([]byte("a")); n != 0 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%d, %v", n, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "missing"), 0o755); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Write([]byte("a")); n != 1 || err != nil {
		t.Errorf("once it can be: %d, %v", n, err)
	}
	info, err := os.Stat(f.path)
	if err != nil || info.Mode().Perm()&0o037 != 0 {
		t.Errorf("who may read it: %v, %v", info.Mode(), err)
	}
	f.Close()
	if size := sizeOf(f.file); size != 0 {
		t.Errorf("what is closed has %d bytes", size)
	}
}

func TestWhatIsQuoted(t *testing.T) {
	for text, want := range map[string]string{"plain~!": "plain~!", "": `""`, "two words": `"two words"`, "a=b": `"a=b"`, `"`: `"\""`, "\x7f": `"\x7f"`, "ü": `"ü"`, "\n": `"\n"`} {
		if got := quoted(text); got != want {
			t.Errorf("%q becomes %s, not %s", text, got, want)
		}
	}
}

// What one log does not take reaches the other, and nobody waits for it.
func TestTwoLogs(t *testing.T) {
	var b bytes.Buffer
	text := []byte(strings.Repeat("x", 99))
	if n, err := (tee{closed{}, &b}).Write(text); n != 99 || err != nil || b.Len() != 99 {
		t.Errorf("%d of 99 bytes, %v; the other has %d", n, err, b.Len())
	}
}
