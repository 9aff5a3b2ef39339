//go:build unix

package plugin

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
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
	slot   *slot         // nil = none
	ended  chan struct{} // closed at its own exit; on Linux it is not reaped before reap, so its pid stays its own
	state  *os.ProcessState
	killed []int // those of its processes that were killed by their numbers
	unheld error // why a limit does not hold
}

// null is what every plugin has as stdin, opened once.
var null = sync.OnceValues(func() (*os.File, error) { return os.Open(os.DevNull) })

func start(s Spec, mark string, x *slot, stdout, stderr *os.File) (*process, error) {
	stdin, err := null()
	if err != nil {
		return nil, err
	}
	as, err := s.credential()
	if err != nil {
		return nil, err
	}
	dir := s.Dir
	if dir == "" {
		dir = "/"
	}
	path, files := s.program(stdin, stdout, stderr)
	attr := &os.ProcAttr{Dir: dir, Env: s.environment(mark), Files: files, Sys: attributes(x)}
	attr.Sys.Setsid, attr.Sys.Credential = true, as
	p, err := startFile(path, s.Path, s.Args, attr)
	if err != nil {
		return nil, err
	}
	_ = platforms.SetOOMScore(p.Pid, platforms.OOMPlugin) // best effort: it goes before the agent
	started := &process{os: p, pid: p.Pid, mark: mark, slot: x, ended: make(chan struct{})}
	started.unheld = s.restrain(p.Pid)
	go started.await()
	return started, nil
}

// startFile starts a program that is known as path; where the system knows no interpreter for a script, we look for one.
func startFile(program, path string, args []string, attr *os.ProcAttr) (*os.Process, error) {
	p, err := os.StartProcess(program, append([]string{path}, args...), attr)
	if !errors.Is(err, syscall.ENOEXEC) {
		return p, err
	}
	interpreter, argv, found := byEnding(path, args, inSystemPath)
	if found != nil {
		return nil, found
	}
	if interpreter == path {
		return nil, err
	}
	return os.StartProcess(interpreter, append([]string{interpreter}, argv...), attr)
}

// inSystemPath finds an interpreter in the directories of a plugin's own PATH.
func inSystemPath(name string) (string, error) {
	for _, dir := range strings.Split(systemPath, ":") {
		path := dir + "/" + name
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fs.ErrNotExist
}

// terminate asks the plugin's group to end, also one that was stopped. false: there is no use in waiting.
func (p *process) terminate() bool {
	if syscall.Kill(-p.pid, syscall.SIGTERM) != nil {
		return false
	}
	syscall.Kill(-p.pid, syscall.SIGCONT)
	return true
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
