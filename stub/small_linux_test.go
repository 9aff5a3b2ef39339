package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Limits of the stub; docs/performance.md has what was measured.
const (
	maxSize     = 3_000_000 // bytes of the program for linux/amd64
	maxResident = 4096      // kB
)

func TestTheStubIsSmall(t *testing.T) {
	info, err := os.Stat(programs.stub())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("limpet: %d bytes", info.Size())
	if info.Size() > maxSize {
		t.Errorf("%d bytes, limit %d", info.Size(), maxSize)
	}
}

// TestTheStubStaysSmall looks at a stub that verified metadata and whose core died and came again: the
// most it does in this life. After that it only waits, so what it holds now is what it will hold.
func TestTheStubStaysSmall(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	cmd := b.start()
	first := b.untilRunning()
	b.until("verdict", func() bool { return len(b.view().warnings) > 0 })
	if p, err := os.FindProcess(first.core.pid); err != nil || p.Kill() != nil {
		t.Fatal(err)
	}
	b.until("another core", func() bool { v := b.view(); return v.state == running && v.core.pid != first.core.pid })
	began := time.Now()
	b.until("two looks at the watch", func() bool { return time.Since(began) > 2*tick })
	b.until("it is small", func() bool { return resident(t, cmd.Process.Pid) <= maxResident }) // its looks may be late
	t.Logf("VmRSS %d kB", resident(t, cmd.Process.Pid))
}

// resident is VmRSS in kB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	return residentOf(t, strconv.Itoa(pid), "VmRSS")
}

// residentOf is one line of a process's memory in kB.
func residentOf(t *testing.T, pid, key string) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%s/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), key+":")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb
}
