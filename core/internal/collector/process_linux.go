package collector

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/platforms"
)

// adopts says whether a process can be taken over from another core here.
const adopts = true

const (
	mark       = "LIMPET_COLLECTOR" // in the environment of all that a collector starts: its folder
	lookEvery  = 500 * time.Millisecond
	maxTree    = 4096 // processes of one collector that are counted
	sweepTimes = 5
)

// start starts a program in a session of its own, and in a cgroup where there is one.
func start(path string, args, env []string, dir string, log *os.File, group *cgroup) (*process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	attr := &os.ProcAttr{
		Dir: "/", Env: append(env, mark+"="+dir), Files: []*os.File{null, log, log}, Sys: &syscall.SysProcAttr{Setsid: true},
	}
	child, err := startIn(group, path, append([]string{path}, args...), attr)
	if err != nil && group != nil { // it may be for the cgroup: a kernel or a filter of calls without clone3
		os.Remove(group.dir)
		group, attr.Sys = nil, &syscall.SysProcAttr{Setsid: true}
		child, err = startIn(nil, path, append([]string{path}, args...), attr)
	}
	if err != nil {
		return nil, err
	}
	p := &process{pid: child.Pid, dir: dir, group: group, done: make(chan struct{})}
	p.born, _, _ = birth(p.pid)
	_ = platforms.SetOOMScore(p.pid, platforms.OOMCollector) // best effort
	go p.reap(child)
	return p, nil
}

func startIn(group *cgroup, path string, argv []string, attr *os.ProcAttr) (*os.Process, error) {
	if group != nil {
		f, err := group.enter(attr.Sys)
		if err != nil {
			return nil, err
		}
		defer f.Close()
	}
	return os.StartProcess(path, argv, attr)
}

// adopt takes over a process that another core started for this folder. false: it is gone, or not ours.
func adopt(n note, dir, cgroups string) (*process, bool) {
	handle, err := unix.PidfdOpen(n.pid, unix.PIDFD_NONBLOCK)
	if born, zombie, ok := birth(n.pid); !ok || zombie || born != n.born || !ours(n, dir) {
		if err == nil {
			unix.Close(handle)
		}
		return nil, false
	}
	p := &process{pid: n.pid, born: n.born, dir: dir, group: cgroupOf(cgroups, filepath.Base(dir), n.pid), done: make(chan struct{})}
	if err != nil {
		go p.look() // a kernel before 5.10
		return p, true
	}
	go p.await(os.NewFile(uintptr(handle), "pidfd"))
	return p, true
}

// await waits for the end of a process in the runtime's poller, without a thread.
func (p *process) await(handle *os.File) {
	defer handle.Close()
	raw, err := handle.SyscallConn()
	if err != nil {
		p.look()
		return
	}
	ended := func(fd uintptr) bool {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, 0)
		return err == nil && n > 0
	}
	if err := raw.Read(ended); err != nil {
		p.look()
		return
	}
	close(p.done)
}

// look waits for the end of a process by looking for it.
func (p *process) look() {
	for {
		if born, zombie, ok := birth(p.pid); !ok || zombie || born != p.born {
			close(p.done)
			return
		}
		time.Sleep(lookEvery)
	}
}

// birth is when a process started, in ticks since boot.
func birth(pid int) (born string, zombie, ok bool) {
	f, ok := stat(strconv.Itoa(pid))
	if !ok {
		return "", false, false
	}
	return string(f[19]), f[0][0] == 'Z' || f[0][0] == 'X', true
}

// stat is /proc/PID/stat behind the name: state, parent, group, session, ...
func stat(pid string) ([][]byte, bool) {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return nil, false
	}
	f := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	return f, len(f) >= 20
}

// terminate asks the process to end, with its group unless it leads that itself.
func (p *process) terminate(leads bool) {
	if !leads {
		p.signal(unix.SIGTERM)
	} else if born, _, ok := birth(p.pid); ok && born == p.born {
		_ = unix.Kill(p.pid, unix.SIGTERM)
	}
}

func (p *process) signal(s unix.Signal) {
	if born, _, ok := birth(p.pid); ok && born == p.born {
		_ = unix.Kill(-p.pid, s)
	}
}

// killAll kills the process and everything it started: its cgroup, its session, and what left that with the mark. It may be called when the process
// has ended: what it left behind goes too.
func (p *process) killAll() {
	p.group.kill()
	p.signal(unix.SIGKILL)
	sweep(p.owner())
}

// left counts what a process that has ended left behind.
func (p *process) left() int { return each(p.owner(), func(int) {}) }

// terminateLeft asks each of what a process that has ended left behind to end, and says how many those are.
func (p *process) terminateLeft() int {
	return each(p.owner(), func(pid int) { _ = unix.Kill(pid, unix.SIGTERM) })
}

// owner says whether another process is this one's: in its cgroup, in its session, or with its mark. In its session also when it has ended itself: its number
// is not given to another while anything is in there. (fluentd's workers can overwrite their environment, and with it the mark.)
func (p *process) owner() func(pid, session int) bool {
	inside := p.group.inside()
	born, _, lives := birth(p.pid)
	holds := !lives || born == p.born
	return func(pid, session int) bool {
		return holds && session == p.pid || slices.Contains(inside, pid) || marked(pid, p.dir)
	}
}

// sweep kills the processes of which kill says so, until none is found.
func sweep(kill func(pid, session int) bool) {
	for range sweepTimes {
		found := false
		each(kill, func(pid int) { found = unix.Kill(pid, unix.SIGKILL) == nil || found })
		if !found {
			return
		}
	}
}

// each does something with every process of which is says so, at once, and counts them; not with this one, and those that only wait to be reaped.
func each(is func(pid, session int) bool, do func(pid int)) (n int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		f, ok := stat(e.Name())
		if !ok || f[0][0] == 'Z' {
			continue
		}
		if session, _ := strconv.Atoi(string(f[3])); is(pid, session) {
			do(pid)
			n++
		}
	}
	return n
}

// marked says whether a process bears the mark of the collector of a folder.
func marked(pid int, dir string) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && markOf(env) == dir && !elsewhere(pid, dir)
}

// markOf is the folder that an environment is marked with, "" for none.
func markOf(env []byte) string {
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if dir, ok := bytes.CutPrefix(entry, []byte(mark+"=")); ok {
			return string(dir)
		}
	}
	return ""
}

// endStrays ends what bears a collector's mark, or lives in a cgroup of it, and belongs to no noted process: a core that was killed between a
// start and its note leaves such a one. p is the noted one, nil for none.
func endStrays(dir, cgroups string, p *process) {
	pid, group := 0, (*cgroup)(nil)
	if p != nil {
		pid, group = p.pid, p.group
	}
	endOtherCgroups(cgroups, dir, group)
	sweep(func(other, session int) bool { return (pid == 0 || session != pid) && marked(other, dir) })
}

// memory is what a process and all that it started have of their own (resident less shared), in bytes: all in its cgroup, else all below it.
func (p *process) memory() int64 {
	var sum int64
	todo, below := p.group.inside(), false
	if len(todo) == 0 {
		todo, below = []int{p.pid}, true
	}
	for n := 0; n < len(todo) && n < maxTree; n++ {
		pid := strconv.Itoa(todo[n])
		if data, err := os.ReadFile("/proc/" + pid + "/statm"); err == nil {
			if f := strings.Fields(string(data)); len(f) > 2 {
				resident, _ := strconv.ParseInt(f[1], 10, 64)
				shared, _ := strconv.ParseInt(f[2], 10, 64)
				sum += (resident - shared) * int64(os.Getpagesize())
			}
		}
		if below {
			todo = append(todo, childrenOf(pid)...)
		}
	}
	return sum
}

func childrenOf(pid string) []int {
	tasks, err := os.ReadDir("/proc/" + pid + "/task")
	if err != nil {
		return nil
	}
	var out []int
	for _, t := range tasks {
		data, err := os.ReadFile("/proc/" + pid + "/task/" + t.Name() + "/children")
		if err != nil {
			continue
		}
		for _, word := range strings.Fields(string(data)) {
			if n, err := strconv.Atoi(word); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}
