//go:build unix

package platforms

import "golang.org/x/sys/unix"

// Wake sends a process the first of its ReloadSignals.
func Wake(pid int) error {
	if pid <= 0 {
		return unix.ESRCH // to the system these are whole groups
	}
	return unix.Kill(pid, unix.SIGHUP)
}
