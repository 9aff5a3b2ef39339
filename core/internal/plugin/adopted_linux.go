package plugin

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// WatchOrphans lets runs without a slot find at a glance that nothing is left of them, instead of asking many processes for their marks. It is for
// a process to which orphans come (PR_SET_CHILD_SUBREAPER), and whose first thread starts nothing, now or later: so it is locked to a
// goroutine that does something else. What hangs from the first thread then is what plugins have left.
func WatchOrphans() {
	adopted.mu.Lock()
	defer adopted.mu.Unlock()
	var reaper int32
	if _, _, errno := syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&reaper)), 0); errno != 0 || reaper == 0 {
		return
	}
	pid := strconv.Itoa(os.Getpid())
	fd, err := unix.Open("/proc/self/task/"+pid+"/children", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return // a kernel without that file
	}
	adopted.list, adopted.since = fd, map[int]time.Time{}
}

// adopted are the children that came to this process. It is one table, as a process has one set of children.
//
// A plugin that has ended has made what it left a child of ours, or that of which it descends: so where no child has come since a run
// began, nothing is left of it, whatever it did to its group, session or environment.
var adopted struct {
	mu    sync.Mutex        // guards what follows
	list  int               // descriptor of the first thread's children; 0 = nobody has said that this answers
	since map[int]time.Time // when each was first seen
}

// noneSince says that no orphan has come since a moment, and that this is known for sure.
func noneSince(start time.Time) bool {
	adopted.mu.Lock()
	defer adopted.mu.Unlock()
	if adopted.list == 0 {
		return false
	}
	var text [1 << 10]byte
	n, err := unix.Pread(adopted.list, text[:], 0)
	if err != nil || n > len(text)/2 { // more of them than are worth to be looked at one by one
		return false
	}
	if n == 0 {
		clear(adopted.since)
		return true
	}
	now := time.Now()
	there := make(map[int]time.Time)
	none := true
	for word := range bytes.FieldsSeq(text[:n]) {
		pid, _ := strconv.Atoi(string(word))
		seen, known := adopted.since[pid]
		if !known {
			seen = now
		}
		there[pid] = seen
		none = none && seen.Before(start)
	}
	adopted.since = there
	return none
}

// orphanSince says that one has come.
func orphanSince(start time.Time) bool {
	adopted.mu.Lock()
	known := adopted.list != 0
	adopted.mu.Unlock()
	return known && !noneSince(start)
}

// reaped forgets one: its number may be somebody else's from now on.
func reaped(pid int) {
	adopted.mu.Lock()
	defer adopted.mu.Unlock()
	delete(adopted.since, pid)
}
