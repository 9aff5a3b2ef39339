package platforms

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// NameProcess sets the name under which process lists show this process, at most 15 bytes: one started from a descriptor bears
// its number otherwise. It does nothing where the system has no such name.
func NameProcess(name string) {
	text, err := unix.BytePtrFromString(name)
	if err != nil {
		return
	}
	// The name belongs to a thread; that of the process is the first thread's, on which main.init and main.main begin.
	unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(text)), 0, 0, 0)
}
