//go:build darwin || freebsd

package collector

import "syscall"

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// terminate asks the process's group to end.
func (p *process) terminate() {
	if p.running() {
		_ = syscall.Kill(-p.pid, syscall.SIGTERM)
	}
}

// killAll kills the process's group.
func (p *process) killAll() { _ = syscall.Kill(-p.pid, syscall.SIGKILL) }
