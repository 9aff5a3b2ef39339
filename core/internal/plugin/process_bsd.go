//go:build unix && !linux

package plugin

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a plugin that was started, leader of a session and process group of its own.
type process struct {
	os     *os.Process
	pid    int
	slot   *slot         // nil = none
	ended  chan struct{} // closed at its own exit
	state  *os.ProcessState
	unheld error // why a limit does not hold
}

func openNull() (*os.File, error) { return os.Open(os.DevNull) }

func (s Spec) startAs(as *syscall.Credential, mark string, x *slot, stdin *os.File, stdout, stderr writeEnd) (*process, error) {
	attr := &os.ProcAttr{Dir: s.folder(), Env: s.environment(mark), Files: []*os.File{stdin, stdout.File, stderr.File}, Sys: &syscall.SysProcAttr{Setsid: true, Credential: as}}
	p, err := startFile(s.Path, s.Path, s.Args, func(program string, argv []string) (*os.Process, error) { return os.StartProcess(program, argv, attr) })
	if err != nil {
		return nil, err
	}
	started := &process{os: p, pid: p.Pid, slot: x, ended: make(chan struct{})}
	started.unheld = s.restrain(p.Pid)
	go started.await()
	return started, nil
}

// await waits for the plugin's exit. Here the plugin is reaped at once, but its group's number stays taken as long as somebody is in it.
func (p *process) await() {
	defer close(p.ended)
	p.state, _ = p.os.Wait()
}

// endsSoon is for systems on which that can be waited for at little cost.
func (p *process) endsSoon(time.Duration) bool { return false }

func (p *process) collect() (ending, bool) {
	if p.state == nil {
		return ending{}, false
	}
	w, ok := p.state.Sys().(syscall.WaitStatus)
	if !ok {
		return ending{exit: p.state.ExitCode(), spent: p.state.UserTime() + p.state.SystemTime()}, true
	}
	end := endingOf(w)
	end.spent = p.state.UserTime() + p.state.SystemTime()
	return end, true
}

func (p *process) kill() { syscall.Kill(-p.pid, syscall.SIGKILL) }

// killRest ends what is left of the plugin's group. What left the group is not found on this system.
func (p *process) killRest() (left, survivors []string) {
	if syscall.Kill(-p.pid, 0) != nil {
		return nil, nil
	}
	syscall.Kill(-p.pid, syscall.SIGKILL)
	select {
	case <-p.ended:
		return []string{"processes of its group"}, nil
	default:
		return nil, nil // the plugin itself, which watch has killed
	}
}

func (p *process) reapAdopted() {}

// restrain holds a process that has just begun to the limits of its spec.
func (s Spec) restrain(pid int) error {
	if s.Nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PGRP, pid, s.Nice); err != nil {
			return err
		}
	}
	if len(s.Rlimits) > 0 {
		return errors.New("limits of a process are set on Linux only")
	}
	return nil
}
