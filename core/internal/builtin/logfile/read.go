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
	"path/filepath"
	"strings"
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
	id := identity(info)
	switch {
	case first && !s.options.begin:
		st.Offset = lastLine(f, info.Size())
	case first:
		st.Offset = 0
	case st.File != id:
		if err := s.rotated(ctx, st); err != nil {
			return st, err
		}
		if s.left <= 0 { // what was rotated away is not read to its end: the state stays with it
			return st, nil
		}
		st.Offset = 0
	case info.Size() < st.Offset || !sameHead(f, st):
		s.problems = append(s.problems, "the file was truncated: read from its beginning")
		st.Offset = 0
	}
	st.File = id
	if st.Offset, err = s.read(ctx, f, st.Offset); err != nil {
		return st, err
	}
	st.HeadLen = min(st.Offset, headLength)
	st.Head, err = headOf(f, st.HeadLen)
	return st, err
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
	f, err := os.Open(path)
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

// rotated reads the rest of the file that the state is about, which has another name now.
func (s *scan) rotated(ctx context.Context, st state) error {
	dir, base := filepath.Split(s.options.path)
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(maxSiblings)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	stem := strings.TrimSuffix(base, filepath.Ext(base))
	for _, name := range names {
		if name == base || !strings.HasPrefix(name, stem) {
			continue
		}
		done, err := s.formerly(ctx, filepath.Join(dir, name), st)
		if done || err != nil {
			return err
		}
	}
	s.problems = append(s.problems, "the file was rotated, and the one before is not beside it: lines at its end may be missed")
	return nil
}

// formerly reads on in a file if it is the one that the state is about.
func (s *scan) formerly(ctx context.Context, path string, st state) (bool, error) {
	f, info, err := open(path)
	if err != nil {
		return false, nil // it went meanwhile, or is not for us
	}
	defer f.Close()
	if identity(info) != st.File || info.Size() < st.Offset || !sameHead(f, st) {
		return false, nil
	}
	_, err = s.read(ctx, f, st.Offset)
	return true, err
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
		for {
			i := bytes.IndexByte(buf, '\n')
			if i < 0 {
				break
			}
			if !long {
				s.line(buf[:i])
			}
			long = false
			offset += int64(i) + 1
			buf = append(buf[:0], buf[i+1:]...)
		}
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
