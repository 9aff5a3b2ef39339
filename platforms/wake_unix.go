//go:build unix

package platforms

import "golang.org/x/sys/unix"

// Wake sends a process the first of its ReloadSignals.
func Wake(pid int) error { return unix.Kill(pid, unix.SIGHUP) }
