package platforms

import (
	"os"
	"syscall"
)

func lockFile(f *os.File, exclusive bool) error {
	flags := uint32(lockAtOnce)
	if exclusive {
		flags |= lockExclusive
	}
	err := lockFirstByte(syscall.Handle(f.Fd()), flags)
	if err == errLockViolation || err == errIOPending {
		return ErrLocked
	}
	return err
}
