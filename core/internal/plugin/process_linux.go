package plugin

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a plugin that was started, leader of a session and process group of its own. It is not reaped before collect, so that neither its
// number nor its group's can be anybody else's.
type process struct {
	pid    int
	began  time.Time // before its start
	pidfd  int       // -1 on kernels before Linux 5.3
	mark   string
	slot   *slot         // nil = none
	ended  chan struct{} // closed at its own exit
	killed []int         // those of its processes that were killed by their numbers
	unheld error         // why a limit does not hold
}

// timers are for waits that are mostly over before their time.
var timers = sync.Pool{New: func() any { return time.NewTimer(time.Hour) }}

// endsSoon waits at most d, and says whether the plugin has ended.
func (p *process) endsSoon(d time.Duration) bool {
	timer := timers.Get().(*time.Timer)
	defer timers.Put(timer)
	timer.Reset(d)
	defer timer.Stop()
	select {
	case <-p.ended:
		return true
	case <-timer.C:
		p.preferToAgent()
		return false
	}
}

// await waits for the plugin's exit without reaping it, where the kernel knows no pidfd.
func (p *process) await() {
	defer close(p.ended)
	for {
		if err := unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != unix.EINTR {
			return
		}
	}
}

// collect reaps a plugin that has ended.
func (p *process) collect() (ending, bool) {
	if p.pidfd >= 0 {
		unix.Close(p.pidfd)
	}
	for {
		var w unix.WaitStatus
		var used unix.Rusage
		pid, err := unix.Wait4(p.pid, &w, 0, &used)
		if err != unix.EINTR {
			strays.claim(p.pid, -1)
			end := endingOf(syscall.WaitStatus(w))
			end.spent = time.Duration(used.Utime.Nano() + used.Stime.Nano())
			return end, err == nil && pid == p.pid
		}
	}
}

// kill ends the plugin, its group and what left it.
func (p *process) kill() {
	if p.slot != nil {
		pids := p.slot.all()
		p.killed = append(p.killed, pids...)
		p.slot.kill()
		if slices.Contains(pids, p.pid) {
			return
		}
		// It has left its slot, which takes the rights of this process: what it took along is known by group and mark.
	}
	syscall.Kill(-p.pid, syscall.SIGKILL)
	p.sweep()
}

// killRest ends what the plugin left behind, and names it: what ended, and what did not. After a run that started nothing that outlives it,
// this costs two system calls with a slot, and two or three without.
func (p *process) killRest() (left, survivors []string) {
	if p.slot == nil {
		return p.killMarkedRest()
	}
	pids := p.slot.inside()
	if populated, _ := p.slot.state(); populated {
		pids = p.slot.all()
	} else if len(pids) == 0 {
		if orphanSince(p.began) { // of a run that left its slot, perhaps
			return p.killMarkedRest()
		}
		return nil, nil
	}
	all := named(pids, p.pid)
	p.killed = append(p.killed, pids...)
	left, survivors = namesOf(all), namesOf(named(p.slot.kill(), p.pid))
	if orphanSince(p.began) { // it may have left some elsewhere, too
		more, alive := p.killMarkedRest()
		left, survivors = append(left, more...), append(survivors, alive...)
	}
	return left, survivors
}

func named(pids []int, without int) []found {
	var all []found
	for _, pid := range pids {
		if pid != without {
			all = append(all, found{pid, commandName(pid)})
		}
	}
	return all
}

func (p *process) killMarkedRest() (left, survivors []string) {
	select {
	case <-p.ended:
	default:
		return nil, nil // watch has done what can be done
	}
	if noneSince(p.began) {
		return nil, nil
	}
	all := p.marked()
	if len(all) == 0 {
		return nil, nil
	}
	syscall.Kill(-p.pid, syscall.SIGKILL)
	return namesOf(all), namesOf(p.sweep())
}

// A sweep comes again and again, for what is killed may have forked in between; not for ever.
const (
	sweepRounds = 20
	sweepPause  = 5 * time.Millisecond
)

// sweep kills every process with the run's mark until none is left, and returns what remains. All of them are stopped before the first is killed:
// what forks faster than we look cannot fork any more then.
func (p *process) sweep() []found {
	for round := range sweepRounds {
		all := p.marked()
		if len(all) == 0 {
			return nil
		}
		if round > 0 {
			for _, f := range all {
				p.signalMarked(f.pid, syscall.SIGSTOP)
			}
			all = p.marked()
		}
		for _, f := range all {
			p.signalMarked(f.pid, syscall.SIGKILL)
		}
		pause()
	}
	return p.marked()
}

func pause() { time.Sleep(sweepPause) }

// signalMarked sends through a descriptor of the process, so that it hits the very one whose mark was seen.
func (p *process) signalMarked(pid int, sig syscall.Signal) {
	x, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	defer x.Release()
	if hasMark(pid, p.mark) {
		x.Signal(sig)
		if sig == syscall.SIGKILL {
			p.killed = append(p.killed, pid)
		}
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
