//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package confine

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newest is the last system call that was known when this was written; they count up on all these
// processors alike. What comes later is answered as an older kernel would, which every program knows how
// to take. On amd64 that shuts the x32 calls, too: they have a high bit set.
const newest = unix.SYS_RSEQ_SLICE_YIELD

// refused are calls that nothing confined has a use for, each a way to other rights, to another program, to
// another process, or around Landlock.
var refused = append([]uint32{
	// Another program.
	unix.SYS_EXECVE, unix.SYS_EXECVEAT,
	// Another process: its memory, its files, signals to it.
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_KCMP,
	unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL,
	unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO,
	// Another view of the system.
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_CHROOT, unix.SYS_PIVOT_ROOT,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR, unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT,
	// The kernel itself, and parts of it that had more than their share of holes.
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_FANOTIFY_INIT,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_SYSLOG, unix.SYS_PERSONALITY,
	// The whole machine.
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	// What Landlock does not watch: owner, mode and attributes of files.
	unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_FILE_SETATTR,
	unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_SETXATTRAT,
	unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR, unix.SYS_REMOVEXATTRAT,
	// Sockets but those that SYS_SOCKET makes, and waiting for others to connect.
	unix.SYS_SOCKETPAIR, unix.SYS_LISTEN,
}, refusedHere...)

// namespaces are the flags of clone that make one. The Go runtime makes its threads with clone.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP

func seccomp(network bool) error {
	f := assemble(network)
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	return nil
}

// Offsets in struct seccomp_data; the low half of an argument comes first on these processors.
const (
	atCall    = 0
	atMachine = 4
	atFirst   = 16
)

const (
	load    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	equal   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	greater = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	anyBit  = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	answer  = unix.BPF_RET | unix.BPF_K

	pass    = unix.SECCOMP_RET_ALLOW
	deny    = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

type program []unix.SockFilter

func (p *program) add(code uint16, k uint32, yes, no uint8) {
	*p = append(*p, unix.SockFilter{Code: code, Jt: yes, Jf: no, K: k})
}

// on answers one call.
func (p *program) on(call, with uint32) {
	p.add(equal, call, 0, 1)
	p.add(answer, with, 0, 0)
}

// first looks at the first argument of one call: passing, it must be one of these.
func (p *program) first(call uint32, values ...uint32) {
	n := uint8(len(values))
	p.add(equal, call, 0, n+3)
	p.add(load, atFirst, 0, 0)
	for i, v := range values {
		p.add(equal, v, n-uint8(i), 0)
	}
	p.add(answer, deny, 0, 0)
	p.add(answer, pass, 0, 0)
}

func assemble(network bool) program {
	var p program
	p.add(load, atMachine, 0, 0)
	p.add(equal, machine, 1, 0)
	p.add(answer, unknown, 0, 0) // the calls of another processor, such as those of 32-bit programs
	p.add(load, atCall, 0, 0)
	p.add(greater, newest, 0, 1)
	p.add(answer, unknown, 0, 0)
	for _, call := range refused {
		p.on(call, deny)
	}
	p.on(unix.SYS_CLONE3, unknown) // its flags lie in memory, where no filter sees them; clone does the same
	p.add(equal, unix.SYS_CLONE, 0, 4)
	p.add(load, atFirst, 0, 0)
	p.add(anyBit, namespaces, 0, 1)
	p.add(answer, deny, 0, 0)
	p.add(answer, pass, 0, 0)
	p.first(unix.SYS_TGKILL, uint32(os.Getpid())) // the runtime's way to its own threads
	if network {
		p.first(unix.SYS_SOCKET, unix.AF_INET, unix.AF_INET6)
	} else {
		p.on(unix.SYS_SOCKET, deny)
	}
	p.add(answer, pass, 0, 0)
	return p
}
