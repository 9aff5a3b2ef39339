package confine

import (
	"errors"
	"runtime"
	"syscall"

	"github.com/limpet-monitoring/limpet/platforms/plain"

	"golang.org/x/sys/unix"
)

func enter(r Rules) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Neither of the two takes a process that a set-uid program could lead out again.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return plain.Wrap("give up new privileges", err)
	}
	var missing []error
	if err := landlock(r); err != nil {
		missing = append(missing, plain.Wrap("landlock", err))
	}
	if err := seccomp(r.Network); err != nil {
		missing = append(missing, plain.Wrap("seccomp", err))
	}
	return errors.Join(missing...)
}

// everyThread makes a system call on all threads of the process: some state is a thread's own.
func everyThread(trap, a1, a2, a3, a4, a5 uintptr) error {
	// In a program that links C this is ENOTSUP: there are threads that Go does not know.
	if _, _, errno := syscall.AllThreadsSyscall6(trap, a1, a2, a3, a4, a5, 0); errno != 0 {
		return errno
	}
	return nil
}
