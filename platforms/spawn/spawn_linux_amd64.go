package spawn

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// order is what the child finds in the memory it shares with us. It lies on the heap, which does not move, and the assembler knows its fields
// by go_asm.h.
type order struct {
	block uint64 // signals held back meanwhile: all
	mask  uint64 // and those held back before
	clone [sizeOfCloneArgs / 8]uint64
	dir   *byte
	path  *byte
	argv  *unsafe.Pointer
	envp  *unsafe.Pointer
	files *unix.Rlimit // nil = as it is
	fd0   int64
	fd1   int64
	fd2   int64
	fd3   int64  // -1 = none
	step  int64  // that failed, one of those below
	errno int64  // why, negative; 0 = the program runs
	pidfd uint64 // the kernel writes 32 bits of it

	text     []byte           // all strings, each ended by NUL
	pointers []unsafe.Pointer // into text: argv, nil, envp, nil
}

// struct clone_args is 88 bytes since Linux 5.7; before, what is behind its end must be 0. Its fields here, in words:
const (
	sizeOfCloneArgs = 88

	argFlags      = 0
	argPidFD      = 1
	argExitSignal = 4
	argCgroup     = 10
)

// Steps of the child that can fail.
const (
	stepSession = 1 + iota
	stepFiles
	stepLimit
	stepDir
	stepExec
)

var stepNames = [...]string{stepSession: "setsid", stepFiles: "dup3", stepLimit: "prlimit", stepDir: "chdir", stepExec: "fork/exec"}

// vfork makes the child and returns once it executes its program, or has failed and ended: then o.errno says why. A negative number: there is no
// child, for that reason.
//
//go:noescape
func vfork(o *order) (pid int64)

var orders = sync.Pool{New: func() any { return new(order) }}

// fileLimit is what RLIMIT_NOFILE was before Go's library raised it for this process; programs get it back. nil = not learned yet.
var fileLimit atomic.Pointer[unix.Rlimit]

// none is set once the kernel has said that it cannot.
var none atomic.Bool

// Learn takes the limit of open files of a child that os.StartProcess has started, and that has not been waited for, as that of all. Go's library
// tells nobody else what it was before. Start works from then on.
func Learn(pid int) {
	var l unix.Rlimit
	if fileLimit.Load() == nil && unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &l) == nil {
		fileLimit.Store(&l)
	}
}

// Start starts a program as the leader of a new session. An error that is errors.ErrUnsupported: not in this way, or not before Learn. Others are
// *os.PathError as os.StartProcess has them.
func Start(p *Program) (Child, error) {
	files := fileLimit.Load()
	if files == nil || none.Load() || len(p.Files) < 3 || len(p.Files) > maxFiles {
		return Child{-1, -1}, errors.ErrUnsupported
	}
	o := orders.Get().(*order)
	defer orders.Put(o)
	if err := o.fill(p, files); err != nil {
		return Child{-1, -1}, err
	}
	pid := vfork(o)
	runtime.KeepAlive(p)
	switch {
	case pid < 0:
		return Child{-1, -1}, refused(p.Path, syscall.Errno(-pid))
	case o.errno != 0:
		unix.Close(int(o.pidfd))
		reap(int(pid))
		name := p.Path
		if o.step == stepDir {
			name = p.Dir
		}
		return Child{-1, -1}, &os.PathError{Op: stepNames[o.step], Path: name, Err: syscall.Errno(-o.errno)}
	}
	return Child{PID: int(pid), PidFD: int(o.pidfd)}, nil
}

// refused tells what will never work from what failed this time.
func refused(path string, errno syscall.Errno) error {
	switch errno {
	case syscall.ENOSYS, syscall.EINVAL, syscall.EPERM:
		none.Store(true)
		return errors.ErrUnsupported
	}
	return &os.PathError{Op: "fork/exec", Path: path, Err: errno}
}

func reap(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}

// fill writes the order. Its pointers lead to memory of its own alone.
func (o *order) fill(p *Program, files *unix.Rlimit) error {
	need := len(p.Dir) + len(p.Path) + 2
	for _, list := range [2][]string{p.Args, p.Env} {
		for _, s := range list {
			need += len(s) + 1
		}
	}
	if cap(o.text) < need {
		o.text = make([]byte, 0, need+need/2) // never grown while pointers lead into it
	}
	o.text, o.pointers = o.text[:0], o.pointers[:0]
	for _, list := range [2][]string{p.Args, p.Env} {
		for _, s := range list {
			at, err := o.put(s)
			if err != nil {
				return err
			}
			o.pointers = append(o.pointers, unsafe.Pointer(at))
		}
		o.pointers = append(o.pointers, nil)
	}
	var err error
	if o.dir, err = o.put(p.Dir); err != nil {
		return err
	}
	if o.path, err = o.put(p.Path); err != nil {
		return err
	}
	o.argv, o.envp, o.files = &o.pointers[0], &o.pointers[len(p.Args)+1], files
	fds := [maxFiles]int64{-1, -1, -1, -1}
	for i, fd := range p.Files {
		if fd < maxFiles {
			return errors.ErrUnsupported // dup3 would put another one there first, or refuse
		}
		fds[i] = int64(fd)
	}
	o.fd0, o.fd1, o.fd2, o.fd3 = fds[0], fds[1], fds[2], fds[3]
	o.block, o.mask, o.step, o.errno, o.pidfd = ^uint64(0), 0, 0, 0, 0
	clear(o.clone[:])
	o.clone[argFlags] = unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND
	o.clone[argPidFD] = uint64(uintptr(unsafe.Pointer(&o.pidfd)))
	o.clone[argExitSignal] = uint64(unix.SIGCHLD)
	if p.Cgroup >= 0 {
		o.clone[argFlags] |= unix.CLONE_INTO_CGROUP
		o.clone[argCgroup] = uint64(p.Cgroup)
	}
	return nil
}

// put adds a string, as C has them.
func (o *order) put(s string) (*byte, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return nil, syscall.EINVAL
	}
	at := len(o.text)
	o.text = append(append(o.text, s...), 0)
	return &o.text[at], nil
}
