//go:build !linux

package plugin

import (
	"os"
	"syscall"
)

// readEnd and writeEnd are those of one pipe.
type (
	readEnd  struct{ *os.File }
	writeEnd struct{ *os.File }
)

func newPipe() (readEnd, writeEnd, error) {
	r, w, err := os.Pipe()
	return readEnd{r}, writeEnd{w}, err
}

// readNow is for systems on which that is known.
func (r readEnd) readNow([]byte) (int, error) { return 0, syscall.EAGAIN }

func (r readEnd) file() *os.File { return r.File }

func (r readEnd) close() { r.File.Close() }

func (w writeEnd) close() { w.File.Close() }
