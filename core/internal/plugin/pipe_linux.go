package plugin

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// readEnd and writeEnd are those of one pipe: bare descriptors, for most runs are over before anybody had to wait for their output.
type (
	readEnd  int
	writeEnd int
)

func newPipe() (readEnd, writeEnd, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, os.NewSyscallError("pipe2", err)
	}
	if _, err := unix.FcntlInt(uintptr(p[0]), unix.F_SETFL, unix.O_NONBLOCK); err != nil { // ours alone: plugins expect to wait
		unix.Close(p[0])
		unix.Close(p[1])
		return -1, -1, os.NewSyscallError("fcntl", err)
	}
	return readEnd(p[0]), writeEnd(p[1]), nil
}

// readNow reads what is there: io.EOF at the end, another error where nothing is there yet.
func (r readEnd) readNow(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(r), b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// file is the same end for who wants to wait; it is closed there.
func (r readEnd) file() *os.File { return os.NewFile(uintptr(r), "pipe") }

func (r readEnd) close() { unix.Close(int(r)) }

func (w writeEnd) close() { unix.Close(int(w)) }
