package platforms

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/plain"

	"golang.org/x/sys/unix"
)

// ByImage reports whether a program can be started by its open descriptor: what was hashed is then
// what runs, whatever happens to its path meanwhile. It needs /proc.
func ByImage() bool {
	_, err := os.Stat("/proc/self/fd")
	return err == nil
}

func imagePath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// startProcess starts a confined process from a thread of its own that has given up new privileges;
// the child inherits that, and the thread ends with its goroutine.
func startProcess(path string, args []string, attr *os.ProcAttr, confined bool) (*os.Process, error) {
	if !confined {
		return os.StartProcess(path, args, attr)
	}
	type result struct {
		process *os.Process
		err     error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			done <- result{nil, plain.Wrap("give up new privileges", err)}
			return
		}
		p, err := os.StartProcess(path, args, attr)
		done <- result{p, err}
	}()
	r := <-done
	return r.process, r.err
}

// AdoptOrphans makes what our children leave behind ours, so that Sweep finds it.
func AdoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return plain.Wrap("adopt orphans", err)
	}
	return nil
}

// Sweep looks at the processes that dead children left to us (see AdoptOrphans). Those that ended are
// reaped, by their id. With kill those that live are killed, each with its process group, but for those
// of a session that spare names (nil: none). It returns how many still live that are not spared; the
// next Sweep reaps what this one killed, and finds what those had started.
func (f *Family) Sweep(kill bool, spare func(session int) bool) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	live := 0
	for _, pid := range children() {
		if f.known[pid] {
			continue
		}
		if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != nil || got == pid {
			continue
		}
		if session, err := unix.Getsid(pid); err == nil && spare != nil && spare(session) {
			continue
		}
		live++
		if kill {
			if group, err := unix.Getpgid(pid); err == nil && group == pid {
				_ = unix.Kill(-pid, unix.SIGKILL)
			}
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	return live
}

// children lists the ids of our children, whichever thread they hang from.
func children() []int {
	dir, err := os.Open("/proc/self/task")
	if err != nil {
		return nil
	}
	tasks, err := dir.Readdirnames(-1)
	dir.Close()
	if err != nil {
		return nil
	}
	var pids []int
	for _, t := range tasks {
		data, err := os.ReadFile("/proc/self/task/" + t + "/children")
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
