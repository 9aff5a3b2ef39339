//go:build linux

// Command escape confines itself and then tries to do something else: escape READ WRITE NETWORK DEED ARGS…. Each of the first two
// is a list of paths, separated by colons. It prints what came of the deed. DEED "free" comes in place of READ and confines
// nothing, so that a test can tell a refusal from what never works.
package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/platforms/confine"
)

func main() {
	args := os.Args[1:]
	for range 4 { // threads that were there before
		go func() { runtime.LockOSThread(); select {} }()
	}
	if args[0] != "free" {
		err := confine.Enter(confine.Rules{Read: strings.Split(args[0], ":"), Write: strings.Split(args[1], ":"), Network: args[2] == "yes"})
		if err != nil {
			fmt.Println("unconfined:", err)
			os.Exit(1)
		}
		args = args[3:]
	} else {
		args = args[1:]
	}
	// On a thread of its own, which may be an old or a new one.
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- deeds[args[0]](args[1:])
	}()
	err := <-done
	errno := syscall.Errno(0)
	switch {
	case err == nil:
		fmt.Println("done")
	case errors.As(err, &errno):
		fmt.Println(unix.ErrnoName(errno))
	default:
		fmt.Println(err)
	}
}

var deeds = map[string]func([]string) error{
	"nothing": func([]string) error { return nil },
	"read":    func(a []string) error { _, err := os.ReadFile(a[0]); return err },
	"list":    func(a []string) error { _, err := os.ReadDir(a[0]); return err },
	"write":   func(a []string) error { return os.WriteFile(a[0], []byte("x"), 0o644) },
	"append": func(a []string) error {
		f, err := os.OpenFile(a[0], os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		return f.Close()
	},
	"truncate": func(a []string) error { return os.Truncate(a[0], 0) },
	"mkdir":    func(a []string) error { return os.Mkdir(a[0], 0o755) },
	"remove":   func(a []string) error { return os.Remove(a[0]) },
	"rename":   func(a []string) error { return os.Rename(a[0], a[1]) },
	"symlink":  func(a []string) error { return os.Symlink(a[0], a[1]) },
	"link":     func(a []string) error { return os.Link(a[0], a[1]) },
	"fifo":     func(a []string) error { return unix.Mkfifo(a[0], 0o644) },
	"chmod":    func(a []string) error { return os.Chmod(a[0], 0o777) },
	"chown":    func(a []string) error { return os.Lchown(a[0], os.Getuid(), os.Getgid()) },
	"xattr":    func(a []string) error { return unix.Setxattr(a[0], "user.limpet", []byte("x"), 0) },
	"socket": func(a []string) error {
		family, _ := strconv.Atoi(a[0])
		_, err := unix.Socket(family, unix.SOCK_STREAM, 0)
		return err
	},
	"pair": func([]string) error { _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err },
	"dial": func(a []string) error {
		c, err := net.Dial("tcp", a[0])
		if err != nil {
			return err
		}
		return c.Close()
	},
	"listen": func([]string) error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err },
	"exec": func(a []string) error {
		p, err := os.StartProcess(a[0], a, &os.ProcAttr{})
		if err != nil {
			return err
		}
		_, err = p.Wait()
		return err
	},
	"become": func(a []string) error { return unix.Exec(a[0], a, nil) },
	"ptrace": func([]string) error { return unix.PtraceSeize(os.Getppid()) },
	"signal": func([]string) error { return unix.Kill(os.Getppid(), 0) },
	"thread": func([]string) error { return unix.Tgkill(os.Getppid(), os.Getppid(), 0) },
	"mount":  func(a []string) error { return unix.Mount("none", a[0], "tmpfs", 0, "") },
	"module": func([]string) error { return call(unix.SYS_INIT_MODULE, 0, 0, 0) },
	"unshare": func([]string) error {
		return unix.Unshare(unix.CLONE_NEWUTS)
	},
	"clone":   func([]string) error { return child(unix.CLONE_NEWUTS) },
	"fork":    func([]string) error { return child(0) },
	"clone3":  func([]string) error { return call(unix.SYS_CLONE3, 0, 0, 0) },
	"uring":   func([]string) error { return call(unix.SYS_IO_URING_SETUP, 1, 0, 0) },
	"bpf":     func([]string) error { return call(unix.SYS_BPF, 0, 0, 0) },
	"keys":    func([]string) error { return call(unix.SYS_KEYCTL, 0, uintptr(0xfffffffd), 0) },
	"future":  func([]string) error { return call(unix.SYS_RSEQ_SLICE_YIELD+1, 0, 0, 0) },
	"foreign": func([]string) error { return call(0x40000000|unix.SYS_GETPID, 0, 0, 0) },
}

func call(trap, a1, a2, a3 uintptr) error {
	if _, _, errno := unix.Syscall(trap, a1, a2, a3); errno != 0 {
		return errno
	}
	return nil
}

// child makes a process that ends at once.
func child(flags uintptr) error {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		for {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	_, err := unix.Wait4(int(pid), nil, 0, nil)
	return err
}
