package procfs

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"
)

// page is the buffer's first size and what procfs gives at a time of files made of records.
const page = 4096

// pages are buffers that no Reader needs now: a dozen of checks read one after the other.
var pages = sync.Pool{New: func() any { return new([page]byte) }}

// Reader reads files one after the other into one buffer. It is for one goroutine.
type Reader struct {
	buf []byte
}

// Done says that nothing of what was read is needed any more: others may have the buffer, where it did not have to grow.
func (r *Reader) Done() {
	if len(r.buf) == page {
		pages.Put((*[page]byte)(r.buf))
		r.buf = nil
	}
}

// Read gives the file's first max bytes, read to the end. They are valid until the next call. Errors are *fs.PathError.
func (r *Reader) Read(path string, max int) ([]byte, error) {
	return r.read(unix.AT_FDCWD, path, max, false)
}

// Once gives what one read call gives, at most max bytes: the whole of a file that procfs makes in one piece (stat, meminfo,
// loadavg, uptime, PID/stat, and everything in sysfs), and half the system calls.
func (r *Reader) Once(path string, max int) ([]byte, error) {
	return r.read(unix.AT_FDCWD, path, max, true)
}

// OnceAt is Once with a path relative to an open directory.
func (r *Reader) OnceAt(dir int, path string, max int) ([]byte, error) {
	return r.read(dir, path, max, true)
}

// Uint reads a file that holds one number.
func (r *Reader) Uint(path string) (uint64, error) {
	text, err := r.Once(path, page)
	if err != nil {
		return 0, err
	}
	line, _ := Line(text)
	field, _ := Field(line)
	n, ok := Uint(field)
	if !ok {
		return 0, fmt.Errorf("read %s: %q is no number", path, Short(line))
	}
	return n, nil
}

func (r *Reader) read(dir int, path string, max int, once bool) ([]byte, error) {
	fd, err := unix.Openat(dir, path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if r.buf == nil {
		r.buf = pages.Get().(*[page]byte)[:]
	}
	n := 0
	for n < max {
		if once && len(r.buf) < max {
			r.buf = make([]byte, max)
		} else if n == len(r.buf) {
			r.grow(max)
		}
		got, err := unix.Read(fd, r.buf[n:min(len(r.buf), max)])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		n += got
		if got == 0 || once {
			break
		}
	}
	return r.buf[:n], nil
}

// grow doubles the buffer, up to max.
func (r *Reader) grow(max int) {
	bigger := make([]byte, min(2*len(r.buf), max))
	copy(bigger, r.buf)
	r.buf = bigger
}
