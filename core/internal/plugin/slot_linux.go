package plugin

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// slot is one cgroup. Its descriptors are raw: they are read at an offset, several times a run.
type slot struct {
	path                   string
	limits                 Limits // held by the kernel
	count                  int    // processes, counted here
	dir, procs, events     int    // descriptors
	memory, pids           int    // likewise; -1 = none
	oomBefore, forksBefore uint64 // the kernel's counters at the end of the run before
	killed                 bool
}

func (x *slot) open() (err error) {
	open := func(name string, flags int) int {
		fd, e := unix.Open(filepath.Join(x.path, name), flags|unix.O_CLOEXEC, 0)
		if e != nil && err == nil {
			err = fmt.Errorf("open %s: %w", name, e)
		}
		return fd
	}
	set := func(name string, value int64) {
		if e := os.WriteFile(filepath.Join(x.path, name), strconv.AppendInt(nil, value, 10), 0); e != nil && err == nil {
			err = e
		}
	}
	x.dir, x.procs, x.events = open(".", unix.O_RDONLY|unix.O_DIRECTORY), open("cgroup.procs", unix.O_RDONLY), open("cgroup.events", unix.O_RDONLY)
	if x.limits.Memory > 0 {
		set("memory.max", x.limits.Memory)
		set("memory.oom.group", 1)                                                 // half a run says nothing
		_ = os.WriteFile(filepath.Join(x.path, "memory.swap.max"), []byte("0"), 0) // absent where there is no swap
		x.memory = open("memory.events", unix.O_RDONLY)
	}
	if x.limits.Processes > 0 {
		set("pids.max", int64(x.limits.Processes))
		x.pids = open("pids.events", unix.O_RDONLY)
	}
	return err
}

func (x *slot) close() {
	for _, fd := range []int{x.dir, x.procs, x.events, x.memory, x.pids} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// maxProcsRead bounds what is looked at of a slot's processes at a time: enough for two thousand numbers.
const maxProcsRead = 16 << 10

// inside lists the processes in the slot, zombies left out; also those for which something made a cgroup of its own below it.
func (x *slot) inside() []int {
	pids := x.direct()
	entries, err := os.ReadDir(x.path)
	if err != nil {
		return pids
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		_ = filepath.WalkDir(filepath.Join(x.path, e.Name()), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Name() == "cgroup.procs" {
				text, _ := os.ReadFile(path)
				pids = append(pids, numbers(text)...)
			}
			return nil
		})
	}
	return pids
}

// direct lists those in the slot itself.
func (x *slot) direct() []int {
	text := make([]byte, maxProcsRead)
	n, err := unix.Pread(x.procs, text, 0)
	if err != nil {
		return nil
	}
	return numbers(text[:max(n, 0)])
}

// numbers reads a list of processes, whole lines of it.
func numbers(text []byte) (pids []int) {
	for {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return pids
		}
		if pid, err := strconv.Atoi(string(line)); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
		text = rest
	}
}

// look says whether there is a process in the slot, or below it. A slot that was frozen from inside, by a run that had left it, is of no further use.
func (x *slot) look() (populated bool) {
	var text [64]byte
	n, err := unix.Pread(x.events, text[:], 0)
	if err != nil || n <= 0 {
		return true
	}
	if bytes.Contains(text[:n], []byte("frozen 1")) {
		x.killed = true
	}
	return !bytes.Contains(text[:n], []byte("populated 0"))
}

func (x *slot) empty() bool { return !x.look() }

// kill ends all that is in the slot, in one step, and waits a moment until it is gone. It returns what is still there then.
func (x *slot) kill() []int {
	x.killed = true
	_ = os.WriteFile(filepath.Join(x.path, "cgroup.kill"), []byte("1"), 0)
	for wait := time.Millisecond / 2; wait < killWait/2; wait *= 2 {
		if x.empty() {
			return nil
		}
		time.Sleep(wait)
	}
	return x.inside()
}

// counted says whether the agent has to count the slot's processes, because the kernel does not.
func (x *slot) counted() bool { return x != nil && x.count > 0 }

// crowded says whether there are more processes in the slot than may be.
func (x *slot) crowded() bool { return len(x.inside()) > x.count }

// strike says what the kernel had to do since the last run in this slot.
func (x *slot) strike() strike {
	var s strike
	if x.memory >= 0 {
		n := x.event(x.memory, "oom_kill ")
		s.oom, x.oomBefore = n > x.oomBefore, n
	}
	if x.pids >= 0 {
		n := x.event(x.pids, "max ")
		s.forks, x.forksBefore = n-x.forksBefore, n
	}
	return s
}

// event reads one counter of an events file.
func (x *slot) event(fd int, name string) uint64 {
	var buf [512]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil || n <= 0 {
		return 0
	}
	for line := range strings.Lines(string(buf[:n])) {
		if value, ok := strings.CutPrefix(line, name); ok {
			v, _ := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return v
		}
	}
	return 0
}

// charged says whether Used counts what is in the slot.
func (x *slot) charged() bool { return x != nil }

// remove takes a slot away, with the cgroups that something made below it.
func (x *slot) remove() {
	x.close()
	removeGroups(x.path)
}

// removeGroups removes an empty cgroup and those below it.
func removeGroups(dir string) {
	if os.Remove(dir) == nil {
		return
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeGroups(filepath.Join(dir, e.Name()))
		}
	}
	os.Remove(dir)
}
