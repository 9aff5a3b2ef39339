//go:build unix

package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// stopTime is as long as an init system waits, or less.
const stopTime = time.Minute

// Process is one program under way, in a process group of its own.
type Process struct {
	Cmd  *exec.Cmd
	Log  string // its stdout and stderr
	done chan struct{}
}

// Start starts a program; what it prints is added to the file log.
func (r *Rig) Start(log, program string, args ...string) (*Process, error) {
	f, err := os.OpenFile(r.path(log), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line := append(append(slices.Clone(r.Below), filepath.Join(r.Bin, program)), args...)
	p := &Process{Cmd: exec.Command(line[0], line[1:]...), Log: r.path(log), done: make(chan struct{})}
	p.Cmd.Dir, p.Cmd.Stdout, p.Cmd.Stderr = r.Dir, f, f
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() {
		p.Cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends it with SIGKILL and waits. Its children are not touched.
func (p *Process) Kill() {
	p.Cmd.Process.Kill()
	<-p.done
}

// Stop asks it to end (SIGTERM) and waits; after the time it is killed and an error says so.
func (p *Process) Stop(within time.Duration) error {
	p.Cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(within):
		p.Kill()
		return fmt.Errorf("%s did not stop within %s", p.Cmd.Path, within)
	}
}
