//go:build unix && !linux

package plugin

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

func attributes(*slot) *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// await waits for the plugin's exit. Here the plugin is reaped at once, but its group's number stays taken as long as somebody is in it.
func (p *process) await() {
	defer close(p.ended)
	p.state, _ = p.os.Wait()
}

func (p *process) collect() {}

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
