package platforms

import (
	"syscall"
	"unsafe"
)

// MuteChildren keeps the ends of children from interrupting this process: the Go runtime takes SIGCHLD, wakes a thread for each, and throws it away.
// By the system's own measure the kernel does not send it at all. Children are waited for as before. Not for who asks os/signal for it.
func MuteChildren() {
	var byDefault [4]uint64 // struct sigaction, all of it 0
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGCHLD), uintptr(unsafe.Pointer(&byDefault)), 0, unsafe.Sizeof(byDefault[0]), 0, 0)
}
