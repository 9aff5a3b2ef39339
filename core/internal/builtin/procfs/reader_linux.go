package procfs

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// chunk is the buffer's first size: one page, what procfs gives at a time.
const chunk = 4096

// Reader reads files one after the other into one buffer. It is for one goroutine.
type Reader struct {
	buf []byte
}

// Read gives the file's first max bytes. They are valid until the next call. Errors are *fs.PathError.
func (r *Reader) Read(path string, max int) ([]byte, error) {
	return r.ReadAt(unix.AT_FDCWD, path, max)
}

// ReadAt is Read with a path relative to an open directory.
func (r *Reader) ReadAt(dir int, path string, max int) ([]byte, error) {
	fd, err := unix.Openat(dir, path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	n := 0
	for n < max {
		if n == len(r.buf) {
			r.grow()
		}
		got, err := unix.Read(fd, r.buf[n:min(len(r.buf), max)])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if got == 0 {
			break
		}
		n += got
		if n < chunk && n < len(r.buf) {
			// procfs gives a small file in one piece: a second read would only say so.
			break
		}
	}
	return r.buf[:n], nil
}

// ReadUint reads a file that holds one number.
func (r *Reader) ReadUint(path string) (uint64, error) {
	text, err := r.Read(path, chunk)
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

func (r *Reader) grow() {
	bigger := make([]byte, max(chunk, 2*len(r.buf)))
	copy(bigger, r.buf)
	r.buf = bigger
}
