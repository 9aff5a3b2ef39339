//go:build unix && !linux

package plugin

import "syscall"

// await waits for the plugin's exit. Here the plugin is reaped at once, but its group's number stays taken as long as somebody is in it.
func (p *process) await() {
	defer close(p.ended)
	p.state, _ = p.os.Wait()
}

func (p *process) collect() {}

// killRest ends what is left of the plugin's group. What left the group is not found on this system.
func (p *process) killRest() []string {
	if syscall.Kill(-p.pid, 0) != nil {
		return nil
	}
	syscall.Kill(-p.pid, syscall.SIGKILL)
	select {
	case <-p.ended:
		return []string{"processes of its group"}
	default:
		return nil // the plugin itself, which watch has killed
	}
}

func (p *process) sweep() {}
