package collector

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroup holds a collector's process and all that it starts, whatever session, parent or environment that gives itself. Each start has a
// new one, NAME.N: what is started right into one that was killed would be killed, too (docs/decisions/075-slots.md). A nil one holds nothing.
type cgroup struct {
	dir   string
	limit int64 // bytes that the kernel lets it have, 0 = the kernel does not count
}

// cgroupsTried bounds the search for a free name: each that is taken holds something that cannot be killed.
const cgroupsTried = 64

// newCgroup makes one below a folder, "" = there is none, and has the kernel hold it to a limit where it can. What a former start left
// empty goes. nil: the collector does without.
func newCgroup(below, name string, limit int64) *cgroup {
	if below == "" {
		return nil
	}
	dropCgroups(below, name)
	for n := range cgroupsTried {
		c := &cgroup{dir: filepath.Join(below, name+"."+strconv.Itoa(n))}
		err := os.Mkdir(c.dir, 0o755)
		if os.IsExist(err) {
			continue
		}
		if err != nil {
			return nil
		}
		if limit > 0 && c.set("memory.max", limit) == nil {
			c.limit = limit
			_ = c.set("memory.oom.group", 1) // half a collector is none
			_ = c.set("memory.swap.max", 0)  // absent where there is no swap
		}
		return c
	}
	return nil
}

func (c *cgroup) set(file string, value int64) error {
	return os.WriteFile(filepath.Join(c.dir, file), strconv.AppendInt(nil, value, 10), 0)
}

// cgroupsOf are the folders of one collector.
func cgroupsOf(below, name string) []string {
	if below == "" {
		return nil
	}
	var dirs []string
	entries, _ := os.ReadDir(below)
	for _, e := range entries {
		if n, ok := strings.CutPrefix(e.Name(), name+"."); ok && n != "" && strings.Trim(n, "0123456789") == "" {
			dirs = append(dirs, filepath.Join(below, e.Name()))
		}
	}
	return dirs
}

// dropCgroups takes away those of a collector in which nothing lives.
func dropCgroups(below, name string) {
	for _, dir := range cgroupsOf(below, name) {
		os.Remove(dir) // fails for one that holds something
	}
}

// clearCgroups takes them away when what was killed in them has ended, which takes a moment.
func clearCgroups(below, name string) {
	for wait := time.Millisecond; wait < 500*time.Millisecond; wait *= 2 {
		dropCgroups(below, name)
		if len(cgroupsOf(below, name)) == 0 {
			return
		}
		time.Sleep(wait)
	}
}

// cgroupOf finds the one that a process taken over lives in, nil for none of ours.
func cgroupOf(below, name string, pid int) *cgroup {
	for _, dir := range cgroupsOf(below, name) {
		c := &cgroup{dir: dir}
		for _, p := range c.inside() {
			if p == pid {
				c.limit, _ = strconv.ParseInt(strings.TrimSpace(c.read("memory.max")), 10, 64) // "max", or no file: 0
				return c
			}
		}
	}
	return nil
}

// endOtherCgroups ends what lives in the cgroups of a collector, named by its folder, but in one. Two roots of one path (in a chroot, in mounts of its own)
// come to the same cgroups: what is there of the other's stays.
func endOtherCgroups(below, folder string, but *cgroup) {
	for _, dir := range cgroupsOf(below, filepath.Base(folder)) {
		if but != nil && dir == but.dir {
			continue
		}
		c := &cgroup{dir: dir}
		if slices.ContainsFunc(c.inside(), func(pid int) bool { return elsewhere(pid, folder) }) {
			continue
		}
		c.kill()
		os.Remove(dir)
	}
}

// enter has a process that is about to be started begin in the cgroup. What is returned is closed after the start.
func (c *cgroup) enter(attr *syscall.SysProcAttr) (*os.File, error) {
	f, err := os.Open(c.dir)
	if err != nil {
		return nil, err
	}
	attr.UseCgroupFD, attr.CgroupFD = true, int(f.Fd())
	return f, nil
}

func (c *cgroup) read(file string) string {
	data, _ := os.ReadFile(filepath.Join(c.dir, file))
	return string(data)
}

// inside lists the processes in it.
func (c *cgroup) inside() []int {
	if c == nil {
		return nil
	}
	var pids []int
	for word := range strings.FieldsSeq(c.read("cgroup.procs")) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// kill ends all that is in it, in one step.
func (c *cgroup) kill() {
	if c != nil {
		_ = c.set("cgroup.kill", 1)
	}
}

// held says whether the kernel keeps it to its limit.
func (c *cgroup) held() bool { return c != nil && c.limit > 0 }

// overrun says that the kernel ended what was in it for want of memory, "" if it did not.
func (c *cgroup) overrun() string {
	if c == nil {
		return ""
	}
	var full, killed uint64
	for line := range strings.Lines(c.read("memory.events")) {
		word, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.ParseUint(value, 10, 64)
		switch word {
		case "oom":
			full = n
		case "oom_kill":
			killed = n
		}
	}
	switch {
	case killed == 0:
		return ""
	case full > 0 && c.limit > 0:
		return fmt.Sprintf("wanted more memory than the limit is, which is %d MiB for all that it starts: the kernel ended it", c.limit>>20)
	}
	return "the box ran out of memory: the kernel ended it"
}
