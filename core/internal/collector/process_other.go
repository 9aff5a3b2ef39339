//go:build !linux

package collector

import (
	"os"
	"time"
)

// adopts says whether a process can be taken over from another core here: it cannot, so a core that hands over ends its collectors.
const adopts = false

// start starts a program.
func start(path string, args, env []string, dir string, log *os.File, _ *cgroup) (*process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	child, err := os.StartProcess(path, append([]string{path}, args...), &os.ProcAttr{
		Dir: string(os.PathSeparator), Env: append(env, "LIMPET_COLLECTOR="+dir), Files: []*os.File{null, log, log}, Sys: ownSession(),
	})
	if err != nil {
		return nil, err
	}
	p := &process{pid: child.Pid, born: "-", dir: dir, done: make(chan struct{})}
	go p.reap(child)
	return p, nil
}

func adopt(note, string, string) (*process, bool) { return nil, false }

func endStrays(string, string, *process) {}

// cgroup is for Linux: elsewhere a collector has none.
type cgroup struct{}

func newCgroup(string, string, int64) *cgroup { return nil }

func clearCgroups(string, string) {}

func (c *cgroup) held() bool { return false }

func (c *cgroup) overrun() string { return "" }

// left is not known here.
func (p *process) left() int { return 0 }

// terminateLeft ends at once what is left.
func (p *process) terminateLeft() int { p.killAll(); return 0 }

// growth is for Linux: elsewhere a log is looked at every lookLog.
type growth struct{}

func newGrowth() *growth { return nil }

func (g *growth) arm(string) {}

func (g *growth) woken() <-chan struct{} { return nil }

func (g *growth) close() {}

// memory is not measured here.
func (p *process) memory() int64 { return 0 }

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	case <-time.After(0):
		return true
	}
}
