package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A second is over when it is, not a moment later: a hundred lines at its beginning and a hundred at the next one's are no flood.
func TestLinesAtTheTurnOfASecond(t *testing.T) {
	clock := time.Unix(1000, 0)
	r := newReader(strings.NewReader(strings.Repeat("alive\n", 3*lineRate)), func() time.Time { return clock })
	for i := range 2 * lineRate {
		if i == lineRate {
			clock = clock.Add(time.Second)
		}
		if line, err := r.next(); err != nil || line != "alive" {
			t.Fatalf("line %d: %q, %v", i, line, err)
		}
	}
	clock = clock.Add(time.Second - 1)
	if _, err := r.next(); !errors.Is(err, errFlood) {
		t.Errorf("a moment before the next second: %v", err)
	}
}

// delayed is a pipe to a core, and a stub that did not run for a while each time it had said until when it waits.
type delayed struct {
	*os.File
	times int
}

func (d *delayed) SetWriteDeadline(at time.Time) error {
	if d.times--; d.times >= 0 {
		at = at.Add(-time.Hour)
	}
	return d.File.SetWriteDeadline(at)
}

// A line is not lost because the stub itself did not run, and comes once.
func TestSendByAStubThatDidNotRun(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for times, sent := range map[int]bool{0: true, 1: true, 2: false} {
		if err := send(&delayed{w, times}, "activate"); (err == nil) != sent {
			t.Errorf("held up %d times: %v", times, err)
		}
	}
	w.Close()
	if got, err := io.ReadAll(r); string(got) != "activate\nactivate\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestSendSaysWhatBecameOfALine(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := send(w, "stop service 10"); err != nil {
		t.Error(err)
	}
	w.Close()
	if err := send(w, "alive"); err == nil {
		t.Error("a line to a core that is gone was sent")
	}
	if got, err := io.ReadAll(r); string(got) != "stop service 10\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	r.Close()
	// What knows no deadline is written to all the same, and what it cannot take is said.
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, taken := range map[int]bool{os.O_WRONLY: true, os.O_RDONLY: false} {
		f, err := os.OpenFile(name, flag, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := send(f, "reload"); (err == nil) != taken {
			t.Errorf("taken %v: %v", taken, err)
		}
		f.Close()
	}
	if got, err := os.ReadFile(name); string(got) != "reload\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
