//go:build unix

package plugin

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/platforms"
)

// process is a plugin that was started, leader of a session and process group of its own.
type process struct {
	os     *os.Process
	pid    int
	mark   string
	ended  chan struct{} // closed at its own exit; on Linux it is not reaped before reap, so its pid stays its own
	state  *os.ProcessState
	killed []int // those of its processes that were killed one by one
}

func start(s Spec, mark string, stdout, stderr *os.File) (*process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	as, err := s.credential()
	if err != nil {
		return nil, err
	}
	dir := s.Dir
	if dir == "" {
		dir = "/"
	}
	path, files := s.program(null, stdout, stderr)
	p, err := os.StartProcess(path, append([]string{s.Path}, s.Args...), &os.ProcAttr{
		Dir:   dir,
		Env:   s.environment(mark),
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true, Credential: as},
	})
	if err != nil {
		return nil, err
	}
	_ = platforms.SetOOMScore(p.Pid, platforms.OOMPlugin) // best effort: it goes before the agent
	x := &process{os: p, pid: p.Pid, mark: mark, ended: make(chan struct{})}
	go x.await()
	return x, nil
}

// terminate asks the plugin's group to end. false: there is no use in waiting.
func (p *process) terminate() bool {
	return syscall.Kill(-p.pid, syscall.SIGTERM) == nil
}

// kill ends the plugin's group and what left it.
func (p *process) kill() {
	syscall.Kill(-p.pid, syscall.SIGKILL)
	p.sweep()
}

// reap waits at most d for a plugin that has been killed or has ended. false: it hangs; it is reaped when it ends.
func (p *process) reap(d time.Duration) (*os.ProcessState, bool) {
	select {
	case <-p.ended:
	default:
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-p.ended:
		case <-timer.C:
			go func() { <-p.ended; p.collect() }()
			return nil, false
		}
	}
	p.collect()
	return p.state, p.state != nil
}

// ending reads exit code and signal's name from how a process ended.
func ending(s *os.ProcessState) (exit int, signal string) {
	w, ok := s.Sys().(syscall.WaitStatus)
	if !ok || !w.Signaled() {
		return s.ExitCode(), ""
	}
	if name := unix.SignalName(w.Signal()); name != "" {
		return -1, name
	}
	return -1, w.Signal().String()
}

func isBusy(err error) bool { return errors.Is(err, syscall.ETXTBSY) }
