package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

// process is a child in a group of its own, so that a Ctrl-C at the terminal reaches it only through stop, in order.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

func start(log, name string, args ...string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer f.Close()
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	p.cmd.SysProcAttr = ownGroup()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop asks, waits at most that long, then kills.
func (p *process) stop(wait time.Duration) {
	terminate(p.cmd.Process)
	select {
	case <-p.done:
	case <-time.After(wait):
		p.cmd.Process.Kill()
		<-p.done
	}
}
