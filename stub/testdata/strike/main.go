// Command strike runs a program and strikes at one of its durable calls: it kills it before or after the
// N-th, or lets that one fail. The program is the one that is shipped; nothing in it knows.
//
//	strike -below DIR [-at N -how before|after|EIO|ENOSPC] [-log FILE] -- PROGRAM ARG...
//
// Durable calls are those that make, write, cut, sync, rename or remove something in one of the folders
// named (-below may be repeated), by any thread of the program, in the order in which they begin. Its children are not
// looked at. FILE gets a line for each. Linux on amd64: it is ptrace.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

type folders []string

func (f *folders) String() string     { return strings.Join(*f, " ") }
func (f *folders) Set(s string) error { *f = append(*f, s+"/"); return nil }

var (
	below folders
	at    = flag.Int("at", 0, "the call to strike at, from 1; 0 = none")
	how   = flag.String("how", "before", "before, after, EIO or ENOSPC")
	log   = flag.String("log", "", "file for a line per call")
)

func main() {
	flag.Var(&below, "below", "folder")
	flag.Parse()
	runtime.LockOSThread()
	if err := run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "strike:", err)
		os.Exit(1)
	}
}

// tracer follows the threads of one process.
type tracer struct {
	pid     int
	count   int
	out     *os.File
	inside  map[int]bool // threads between the beginning and the end of a call
	pending map[int]int  // what a thread's call returns, when it ends: an errno; 0: the program is killed then
}

func run(args []string) error {
	p, err := os.StartProcess(args[0], args, &os.ProcAttr{
		Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: &unix.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return err
	}
	t := &tracer{pid: p.Pid, inside: map[int]bool{}, pending: map[int]int{}}
	if *log != "" {
		if t.out, err = os.Create(*log); err != nil {
			return err
		}
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(t.pid, &status, unix.WALL, nil); err != nil {
		return err
	}
	if err := unix.PtraceSetOptions(t.pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return err
	}
	asked := make(chan os.Signal, 4)
	signal.Notify(asked, unix.SIGTERM)
	go func() {
		for range asked {
			_ = unix.Kill(t.pid, unix.SIGTERM)
		}
	}()
	t.on(t.pid, 0)
	return t.loop()
}

func (t *tracer) on(tid, signal int) { _ = unix.PtraceSyscall(tid, signal) } // a thread may be gone

func (t *tracer) loop() error {
	for {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case status.Exited() || status.Signaled():
			if tid == t.pid {
				os.Exit(max(status.ExitStatus(), 0))
			}
			continue
		case !status.Stopped():
			continue
		}
		switch s := status.StopSignal(); {
		case s == unix.SIGTRAP|0x80:
			t.stopped(tid)
			t.on(tid, 0)
		case s == unix.SIGTRAP || s == unix.SIGSTOP: // a new thread, an event
			t.on(tid, 0)
		default:
			t.on(tid, int(s))
		}
	}
}

// stopped is the beginning or the end of a call.
func (t *tracer) stopped(tid int) {
	t.inside[tid] = !t.inside[tid]
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &r); err != nil {
		return
	}
	if !t.inside[tid] {
		errno, struck := t.pending[tid]
		delete(t.pending, tid)
		switch {
		case !struck:
		case errno == 0:
			t.kill()
		default:
			r.Rax = uint64(-int64(errno))
			_ = unix.PtraceSetRegs(tid, &r)
		}
		return
	}
	name, path := t.durable(tid, &r)
	if !t.ours(path) {
		return
	}
	t.count++
	if t.out != nil {
		fmt.Fprintf(t.out, "%d %s %s\n", t.count, name, path)
	}
	if t.count != *at {
		return
	}
	switch *how {
	case "before":
		r.Orig_rax = ^uint64(0) // should it come to it all the same
		_ = unix.PtraceSetRegs(tid, &r)
		t.kill()
	case "after":
		t.pending[tid] = 0
	default:
		t.pending[tid] = int(map[string]unix.Errno{"EIO": unix.EIO, "ENOSPC": unix.ENOSPC}[*how])
		r.Orig_rax = ^uint64(0) // no such call: it does nothing
		_ = unix.PtraceSetRegs(tid, &r)
	}
}

func (t *tracer) kill() { _ = unix.Kill(t.pid, unix.SIGKILL) }

func (t *tracer) ours(path string) bool {
	for _, dir := range below {
		if strings.HasPrefix(path+"/", dir) {
			return true
		}
	}
	return false
}

// durable names the call and what it is about, "" for one that changes nothing.
func (t *tracer) durable(tid int, r *unix.PtraceRegs) (name, path string) {
	switch r.Orig_rax {
	case unix.SYS_OPENAT:
		if r.Rdx&(unix.O_CREAT|unix.O_TRUNC) == 0 {
			return "", ""
		}
		return "open", t.text(tid, r.Rsi)
	case unix.SYS_WRITE, unix.SYS_PWRITE64:
		return "write", t.file(r.Rdi)
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		return "sync", t.file(r.Rdi)
	case unix.SYS_FTRUNCATE:
		return "truncate", t.file(r.Rdi)
	case unix.SYS_MKDIRAT:
		return "mkdir", t.text(tid, r.Rsi)
	case unix.SYS_UNLINKAT:
		return "remove", t.text(tid, r.Rsi)
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		return "rename", t.text(tid, r.R10)
	case unix.SYS_RENAME, unix.SYS_LINK, unix.SYS_SYMLINK:
		return "rename", t.text(tid, r.Rsi)
	case unix.SYS_MKDIR, unix.SYS_UNLINK, unix.SYS_RMDIR, unix.SYS_TRUNCATE:
		return "change", t.text(tid, r.Rdi)
	}
	return "", ""
}

func (t *tracer) file(fd uint64) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, int32(fd)))
	return path
}

func (t *tracer) text(tid int, at uint64) string {
	var b []byte
	for len(b) < 4096 {
		word := make([]byte, 8)
		if n, err := unix.PtracePeekData(tid, uintptr(at), word); err != nil || n < 8 {
			return ""
		}
		if i := bytes.IndexByte(word, 0); i >= 0 {
			return string(append(b, word[:i]...))
		}
		b, at = append(b, word...), at+8
	}
	return ""
}
