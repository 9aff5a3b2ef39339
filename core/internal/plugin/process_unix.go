//go:build unix

package plugin

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// null is what every plugin has as stdin.
var null = lasting{open: openNull}

// lasting is a file that is opened once. An open that fails, for want of descriptors at that moment, says nothing of the next.
type lasting struct {
	open func() (*os.File, error)

	mu   sync.Mutex // guards file
	file *os.File
}

func (l *lasting) get() (*os.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		return l.file, nil
	}
	f, err := l.open()
	if err != nil {
		return nil, fmt.Errorf("open what plugins have as stdin: %w", err)
	}
	l.file = f
	return f, nil
}

func start(s Spec, mark string, x *slot, stdout, stderr writeEnd) (*process, error) {
	stdin, err := null.get()
	if err != nil {
		return nil, err
	}
	as, err := s.credential()
	if err != nil {
		return nil, err
	}
	return s.startAs(as, mark, x, stdin, stdout, stderr)
}

// folder is the working directory.
func (s Spec) folder() string { return cmp.Or(s.Dir, "/") }

// startFile starts a program that is known as path; where the system knows no interpreter for a script, we look for one.
func startFile[P any](program, path string, args []string, begin func(program string, argv []string) (P, error)) (P, error) {
	p, err := begin(program, append([]string{path}, args...))
	if !errors.Is(err, syscall.ENOEXEC) {
		return p, err
	}
	interpreter, argv, found := byEnding(path, args, inSystemPath)
	if found != nil {
		return p, found
	}
	if interpreter == path {
		return p, err
	}
	return begin(interpreter, append([]string{interpreter}, argv...))
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
func (p *process) reap(d time.Duration) (ending, bool) {
	select {
	case <-p.ended:
	default:
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-p.ended:
		case <-timer.C:
			go func() { <-p.ended; p.collect() }()
			return ending{}, false
		}
	}
	return p.collect()
}

// endingOf reads exit code and signal's name from how a process ended.
func endingOf(w syscall.WaitStatus) ending {
	if !w.Signaled() {
		return ending{exit: w.ExitStatus()}
	}
	if name := unix.SignalName(w.Signal()); name != "" {
		return ending{exit: -1, signal: name}
	}
	return ending{exit: -1, signal: w.Signal().String()}
}

func isBusy(err error) bool { return errors.Is(err, syscall.ETXTBSY) }
