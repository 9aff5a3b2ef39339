//go:build darwin || freebsd

package collector

import "syscall"

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// terminate asks the process to end, with its group unless it leads that itself.
func (p *process) terminate(leads bool) {
	if !p.running() {
		return
	}
	if leads {
		_ = syscall.Kill(p.pid, syscall.SIGTERM)
		return
	}
	_ = syscall.Kill(-p.pid, syscall.SIGTERM)
}

// killAll kills the process's group.
func (p *process) killAll() { _ = syscall.Kill(-p.pid, syscall.SIGKILL) }
