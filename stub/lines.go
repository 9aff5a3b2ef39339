package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"time"
)

// reader reads control lines: at most lineSize bytes each, at most lineRate in a second. It holds no
// more than one line.
type reader struct {
	in     *bufio.Reader
	now    func() time.Time
	window time.Time
	count  int
}

func newReader(in io.Reader, now func() time.Time) *reader {
	return &reader{in: bufio.NewReaderSize(in, lineSize), now: now}
}

// errFlood is the cause when lines are too long or too many.
var errFlood = errors.New("flood")

// next returns the next line without its newline. What is left over without one at the end is no
// line.
func (r *reader) next() (string, error) {
	b, err := r.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return "", errFlood
	}
	if err != nil {
		return "", err
	}
	if now := r.now(); now.Sub(r.window) >= time.Second {
		r.window, r.count = now, 0
	}
	if r.count++; r.count > lineRate {
		return "", errFlood
	}
	return string(b[:len(b)-1]), nil
}

// writeTime is how long a line to a core may take: the pipe holds hundreds, so a core that does not
// take this one has not read for a long time.
const writeTime = 200 * time.Millisecond

// send writes one control line to a core, best effort: a core that does not read is found by its
// missing `alive`. Where the time is over it is tried once more: it may have passed before we came to write.
func send(to stdin, text string) error {
	err := sendNow(to, text)
	if errors.Is(err, os.ErrDeadlineExceeded) { // nothing of it was written: a line is no longer than what a pipe takes whole or not at all
		err = sendNow(to, text)
	}
	return err
}

func sendNow(to stdin, text string) error {
	if err := to.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return err
	}
	_, err := io.WriteString(to, text+"\n")
	return err
}
