//go:build unix

package control

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// privateFrom is the lowest number of the private descriptors: above what shells and plugins take for granted.
const privateFrom = 10

// ErrNoStub says that stdin is not a pipe: nobody supervises this core.
var ErrNoStub = errors.New("not started by limpet: stdin is no pipe")

// Take moves stdin and stdout to private descriptors and speaks over them: from then on stdin is the null device and stdout is
// stderr, so that no stray print and no plugin can speak for the core. Call it once, before anything else runs.
func Take() (*Stub, error) {
	var st unix.Stat_t
	if err := unix.Fstat(0, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, ErrNoStub
	}
	in, err := private(0, "control-in")
	if err != nil {
		return nil, err
	}
	out, err := private(1, "control-out")
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	if err := dup(int(null.Fd()), 0); err != nil {
		return nil, fmt.Errorf("replace stdin: %w", err)
	}
	if err := dup(2, 1); err != nil {
		return nil, fmt.Errorf("replace stdout: %w", err)
	}
	return New(in, out), nil
}

func private(fd int, name string) (*os.File, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, privateFrom)
	if err != nil {
		return nil, fmt.Errorf("move descriptor %d: %w", fd, err)
	}
	return os.NewFile(uintptr(n), name), nil
}
