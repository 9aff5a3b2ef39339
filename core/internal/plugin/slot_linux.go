package plugin

import (
	"bytes"
	"fmt"
	"io/fs"
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

// inside lists the processes in the slot, zombies left out.
func (x *slot) inside() []int {
	var first [512]byte
	n, err := unix.Pread(x.procs, first[:], 0)
	if err != nil || n <= 0 {
		return nil
	}
	text := first[:n]
	if n == len(first) {
		more := make([]byte, maxProcsRead)
		n, _ = unix.Pread(x.procs, more, 0)
		text = more[:max(n, 0)]
	}
	var pids []int
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			break
		}
		if pid, err := strconv.Atoi(string(line)); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
		text = rest
	}
	return pids
}

func (x *slot) empty() bool {
	var one [1]byte
	n, err := unix.Pread(x.procs, one[:], 0)
	if err == unix.EOPNOTSUPP { // a run of root's made it a threaded cgroup, which lists no processes and takes none: of no further use
		x.killed = true
		populated, _ := x.state()
		return !populated
	}
	return err == nil && n == 0
}

// state says whether something is in the slot, or in a cgroup that a run of root's made below it, and whether the slot is frozen.
func (x *slot) state() (populated, frozen bool) {
	var buf [128]byte
	n, err := unix.Pread(x.events, buf[:], 0)
	if err != nil || n <= 0 {
		return false, false
	}
	return bytes.Contains(buf[:n], []byte("populated 1\n")), bytes.Contains(buf[:n], []byte("frozen 1\n"))
}

// all lists the processes in the slot and in what a run of root's made below it.
func (x *slot) all() []int {
	pids := x.inside()
	_ = filepath.WalkDir(x.path, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() || path == x.path {
			return nil // what cannot be read is killed unnamed
		}
		text, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for word := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// kill ends all that is in the slot, in one step, and waits a moment until it is gone. It returns what is still there then.
func (x *slot) kill() []int {
	x.killed = true
	_ = os.WriteFile(filepath.Join(x.path, "cgroup.kill"), []byte("1"), 0)
	for wait := time.Millisecond / 2; wait < killWait/2; wait *= 2 {
		if populated, _ := x.state(); !populated && x.empty() {
			return nil
		}
		time.Sleep(wait)
	}
	return x.all()
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

// remove takes a slot away.
func (x *slot) remove() {
	x.close()
	removeCgroup(x.path)
}

// removeCgroup removes a cgroup with those that a run of root's made in it, as far as nothing is in them.
func removeCgroup(path string) {
	if os.Remove(path) == nil {
		return
	}
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() {
			removeCgroup(filepath.Join(path, e.Name()))
		}
	}
	os.Remove(path)
}
