package collector

import (
	"os"
	"syscall"
)

func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// terminate ends the process: there is no way to ask a program without a console.
func (p *process) terminate(bool) { p.killAll() }

func (p *process) killAll() {
	if !p.running() {
		return
	}
	if child, err := os.FindProcess(p.pid); err == nil {
		_ = child.Kill()
		_ = child.Release()
	}
}
