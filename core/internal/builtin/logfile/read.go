package logfile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// Limits of one run.
const (
	headLength  = 256       // bytes by which a file is known again, beside its identity
	maxRead     = 128 << 20 // bytes looked at; the rest is the next run's
	maxLine     = 64 << 10  // bytes of a line that are looked at; what follows up to its end is not
	maxSiblings = 1000      // files looked through for the one that was rotated away
)

// scan is what one run found.
type scan struct {
	options  options
	left     int64 // bytes that may still be looked at
	lines    int   // looked at
	hits     int
	samples  []string // the last ones found
	problems []string
}

// maxSamples is how many lines found are told.
const maxSamples = 5

// follow reads on from where a state says, over a rotation or a truncation, and gives where it left off. first: there is no state yet.
func (s *scan) follow(ctx context.Context, st state, first bool) (state, error) {
	f, info, err := open(s.options.path)
	if err != nil {
		return st, err
	}
	defer f.Close()
	id := identity(f, info)
	switch {
	case first && !s.options.begin:
		st.Offset = lastLine(f, info.Size())
	case first:
		st.Offset = 0
	case st.File != id:
		if st, err = s.catchUp(ctx, st, id); err != nil || s.over(ctx) {
			return st, err
		}
		st.Offset = 0
	case info.Size() < st.Offset || !sameHead(f, st):
		s.problems = append(s.problems, "the file was truncated: read from its beginning")
		st.Offset = 0
	}
	return s.readFrom(ctx, f, id, st)
}

// over says whether this run is to look at no more.
func (s *scan) over(ctx context.Context) bool { return s.left <= 0 || ctx.Err() != nil }

// readFrom reads one file on and gives the state behind that.
func (s *scan) readFrom(ctx context.Context, f *os.File, id string, st state) (state, error) {
	offset, err := s.read(ctx, f, st.Offset)
	if err != nil {
		return st, err
	}
	head, err := headOf(f, min(offset, headLength))
	if err != nil {
		return st, err
	}
	st.File, st.Offset, st.HeadLen, st.Head = id, offset, min(offset, headLength), head
	return st, nil
}

// open opens a regular file.
func open(path string) (*os.File, os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait
		return nil, nil, fmt.Errorf("%s is no regular file", path)
	}
	f, err := openShared(path)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// lastLine is the offset behind the last whole line: one that is being written is found when it is whole.
func lastLine(f *os.File, size int64) int64 {
	from := max(0, size-maxLine)
	b := make([]byte, size-from)
	n, _ := f.ReadAt(b, from)
	if i := bytes.LastIndexByte(b[:n], '\n'); i >= 0 {
		return from + int64(i) + 1
	}
	return from
}

// headOf is a hash of a file's first bytes.
func headOf(f *os.File, n int64) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, n), b); err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]), nil
}

// sameHead says whether a file still begins as it did: one that was truncated and has grown again does not.
func sameHead(f *os.File, st state) bool {
	head, err := headOf(f, st.HeadLen)
	return err == nil && head == st.Head
}

// read looks at whole lines from an offset on and gives where it left off.
func (s *scan) read(ctx context.Context, f *os.File, offset int64) (int64, error) {
	in := io.NewSectionReader(f, offset, max(0, s.left))
	buf := make([]byte, 0, maxLine)
	long := false // in a line that is longer than the buffer
	for {
		if ctx.Err() != nil {
			return offset, nil // the next run goes on here
		}
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		s.left -= int64(n)
		begin := 0
		for {
			i := bytes.IndexByte(buf[begin:], '\n')
			if i < 0 {
				break
			}
			if !long {
				s.line(buf[begin : begin+i])
			}
			long = false
			begin += i + 1
		}
		offset += int64(begin)
		buf = buf[:copy(buf, buf[begin:])]
		if len(buf) == cap(buf) {
			if !long {
				s.line(buf)
			}
			long = true
			offset += int64(len(buf))
			buf = buf[:0]
		}
		if errors.Is(err, io.EOF) {
			if s.left <= 0 {
				s.problems = append(s.problems, fmt.Sprintf("more than %d MiB at once: the rest is for the next run", maxRead>>20))
			}
			return offset, nil
		}
		if err != nil {
			return offset, err
		}
	}
}

func (s *scan) line(b []byte) {
	s.lines++
	b = bytes.TrimSuffix(b, []byte("\r"))
	if !s.options.wants(b) {
		return
	}
	s.hits++
	if len(s.samples) == maxSamples {
		s.samples = s.samples[1:]
	}
	s.samples = append(s.samples, string(b[:min(len(b), 500)]))
}
