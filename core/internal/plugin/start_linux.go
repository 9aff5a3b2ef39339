package plugin

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/platforms/spawn"
)

// openNull opens it above the numbers that a plugin's own descriptors have.
func openNull() (*os.File, error) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 4)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), os.DevNull), nil
}

func (s Spec) startAs(as *syscall.Credential, mark string, x *slot, stdin *os.File, stdout, stderr writeEnd) (*process, error) {
	path, files := s.program(int(stdin.Fd()), stdout, stderr)
	b := beginning{
		Program: spawn.Program{Env: s.environment(mark), Dir: s.folder(), Files: files, Cgroup: -1},
		as:      as,
	}
	if x != nil {
		b.Cgroup = x.dir // right in its slot, so that nothing it starts is ever outside
	}
	began := time.Now()
	c, err := startFile(path, s.Path, s.Args, b.begin)
	if err != nil {
		return nil, err
	}
	p := &process{pid: c.PID, pidfd: c.PidFD, began: began, mark: mark, slot: x, ended: make(chan struct{})}
	strays.claim(p.pid, 1)
	p.unheld = s.restrain(p.pid)
	if c.PidFD < 0 || !exits.add(c.PidFD, p.ended) {
		go p.await()
	}
	return p, nil
}

// beginning is a start but for the file and its arguments.
type beginning struct {
	spawn.Program
	as *syscall.Credential // nil = as this process
}

// begin starts a program the short way where there is one, and else as Go's library does.
func (b *beginning) begin(program string, argv []string) (spawn.Child, error) {
	b.Path, b.Args = program, argv
	c, err := spawn.Child{}, errors.ErrUnsupported
	if b.as == nil {
		c, err = spawn.Start(&b.Program)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		c, err = b.beginLong()
	}
	return c, err
}

func (b *beginning) beginLong() (spawn.Child, error) {
	c := spawn.Child{PidFD: -1}
	attr := &syscall.ProcAttr{Dir: b.Dir, Env: b.Env, Sys: &syscall.SysProcAttr{Setsid: true, Credential: b.as, PidFD: &c.PidFD}}
	if b.Cgroup >= 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, b.Cgroup
	}
	for _, fd := range b.Files {
		attr.Files = append(attr.Files, uintptr(fd))
	}
	var err error
	if c.PID, _, err = syscall.StartProcess(b.Path, b.Args, attr); err != nil {
		return c, &os.PathError{Op: "fork/exec", Path: b.Path, Err: err}
	}
	spawn.Learn(c.PID)
	return c, nil
}
