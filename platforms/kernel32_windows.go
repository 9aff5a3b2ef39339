package platforms

import (
	"syscall"
	"unsafe"
)

// golang.org/x/sys/windows imports net, which the stub must not link, so the few calls that package
// syscall lacks are made here by hand.
var (
	kernel32                 = syscall.NewLazyDLL("kernel32.dll") // a known DLL: always the system's own
	lockFileEx               = kernel32.NewProc("LockFileEx")
	createJobObject          = kernel32.NewProc("CreateJobObjectW")
	assignProcessToJobObject = kernel32.NewProc("AssignProcessToJobObject")
	terminateJobObject       = kernel32.NewProc("TerminateJobObject")
	getTickCount64           = kernel32.NewProc("GetTickCount64")
)

const (
	lockExclusive = 2 // LOCKFILE_EXCLUSIVE_LOCK
	lockAtOnce    = 1 // LOCKFILE_FAIL_IMMEDIATELY

	errLockViolation = syscall.Errno(33)
	errIOPending     = syscall.Errno(997)

	processSetQuota  = 0x100
	processTerminate = 1
)

// lockFirstByte locks the first byte of a file.
func lockFirstByte(h syscall.Handle, flags uint32) error {
	var where syscall.Overlapped
	ok, _, err := lockFileEx.Call(uintptr(h), uintptr(flags), 0, 1, 0, uintptr(unsafe.Pointer(&where)))
	if ok == 0 {
		return err
	}
	return nil
}

func newJob() (syscall.Handle, error) {
	h, _, err := createJobObject.Call(0, 0)
	if h == 0 {
		return 0, err
	}
	return syscall.Handle(h), nil
}

func assign(job, process syscall.Handle) error {
	if ok, _, err := assignProcessToJobObject.Call(uintptr(job), uintptr(process)); ok == 0 {
		return err
	}
	return nil
}
