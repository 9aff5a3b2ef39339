package plugin

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// await waits for the plugin's exit without reaping it: as long as it is a zombie neither its pid nor its group's can be anybody else's.
func (p *process) await() {
	defer close(p.ended)
	for {
		err := unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

func (p *process) collect() {
	if p.state == nil {
		p.state, _ = p.os.Wait()
	}
}

// killRest ends what the plugin left behind and names it. After a run that started nothing that outlives it, this costs two or three
// system calls.
func (p *process) killRest() []string {
	select {
	case <-p.ended:
	default:
		return nil // watch has done what can be done
	}
	left := p.marked()
	if len(left) > 0 {
		syscall.Kill(-p.pid, syscall.SIGKILL)
		p.sweep()
	}
	p.reapAdopted()
	return namesOf(left)
}

// Rounds of a sweep: what is killed may have forked in between.
const (
	sweepRounds = 20
	sweepPause  = 5 * time.Millisecond
)

// sweep kills every process with the run's mark until none is left.
func (p *process) sweep() {
	for range sweepRounds {
		found := p.marked()
		if len(found) == 0 {
			return
		}
		for _, f := range found {
			p.killMarked(f.pid)
		}
		pause()
	}
}

func pause() { time.Sleep(sweepPause) }

// killMarked kills through a descriptor of the process, so that it hits the very one whose mark was seen.
func (p *process) killMarked(pid int) {
	x, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	defer x.Release()
	if hasMark(pid, p.mark) {
		x.Kill()
		p.killed = append(p.killed, pid)
	}
}

// found is a process of the run other than the plugin.
type found struct {
	pid  int
	name string
}

func namesOf(all []found) []string {
	const shown = 8
	var names []string
	for i, f := range all {
		if i == shown {
			return append(names, fmt.Sprintf("and %d more", len(all)-shown))
		}
		names = append(names, fmt.Sprintf("%s (pid %d)", f.name, f.pid))
	}
	return names
}

// marked lists the processes that carry the run's mark, the plugin itself left out.
func (p *process) marked() []found {
	var all []found
	for _, pid := range candidates(p.pid) {
		if pid != p.pid && hasMark(pid, p.mark) {
			all = append(all, found{pid, commandName(pid)})
		}
	}
	return all
}

// nearby is how many numbers are tried one by one before all of /proc is listed.
const nearby = 256

// candidates are the processes that may have been started after pid. Numbers rise, so there are few, or none.
func candidates(pid int) []int {
	last := lastPid()
	if last == pid {
		return nil
	}
	if last > pid && last-pid <= nearby {
		var pids []int
		for n := pid + 1; n <= last; n++ {
			if err := syscall.Kill(n, 0); err != syscall.ESRCH {
				pids = append(pids, n)
			}
		}
		return pids
	}
	return listProcesses(func(n int) bool { return last < pid || n > pid })
}

// lastPid is the number given out last; 0 when it cannot be known.
func lastPid() int {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(string(bytes.TrimSpace(b[bytes.LastIndexByte(bytes.TrimSpace(b), ' ')+1:])))
	return n
}

func listProcesses(want func(pid int) bool) []int {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var pids []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && want(n) {
			pids = append(pids, n)
		}
	}
	return pids
}

// maxEnviron bounds what is read of a process's environment: what the agent gives is a few KiB, what a plugin adds rarely more.
const maxEnviron = 256 << 10

func hasMark(pid int, mark string) bool { return bytes.Contains(environ(pid), []byte(mark)) }

// environ is a process's environment, entries ended by NUL; empty for a zombie, and for what we may not look at.
func environ(pid int) []byte {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return nil
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, maxEnviron))
	return b
}

func commandName(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(b))
}
