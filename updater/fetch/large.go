package fetch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// Want is a file as it was signed.
type Want struct {
	Name   string // in the mirror
	Length int64  // bytes
	SHA256 [32]byte
}

const (
	buffer   = 64 << 10 // bytes held in memory at a time
	attempts = 5        // in a row that bring nothing, before a mirror is given up
	silences = 2        // the same of attempts that ended in silence: another mirror goes on meanwhile, or a later look
)

// Large brings a file to the path part and leaves it there once it hashes to what is wanted. What
// part holds of an earlier attempt, of this process or another, is gone on from; should that have
// been something else it is brought anew. Interruptions are waited out: wait is called before attempt
// n (from 1) to come again, and may end it. One process at a time may use part.
func (m *Mirror) Large(ctx context.Context, want Want, part string, wait func(ctx context.Context, n int) error) error {
	err := m.large(ctx, want, part, wait)
	if errors.Is(err, errStale) {
		err = m.large(ctx, want, part, wait)
	}
	if errors.Is(err, errStale) {
		err = ErrWrongHash
	}
	if err != nil {
		return fmt.Errorf("fetch %s from %s: %w", want.Name, m, err)
	}
	return nil
}

// errStale says that a complete file was wrong and that what it began with came from an earlier
// attempt.
var errStale = errors.New("stale part")

func (m *Mirror) large(ctx context.Context, want Want, part string, wait func(ctx context.Context, n int) error) error {
	f, err := m.disk.Open(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	have, err := f.Size()
	if err != nil {
		return err
	}
	inherited := have > 0
	for failed, silent := 0, 0; have < want.Length; {
		before := have
		have, err = m.goOn(ctx, want, f, have)
		if err == nil {
			break
		}
		if have > before {
			failed, silent = 0, 0
		}
		failed++
		if errors.Is(err, ErrStalled) {
			silent++
		}
		if !again(err) || failed >= attempts || silent >= silences || ctx.Err() != nil {
			return err
		}
		if err := wait(ctx, failed); err != nil {
			return err
		}
	}
	switch err := check(f, want); {
	case err == nil:
		return nil
	case !errors.Is(err, ErrWrongHash):
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	if inherited {
		return errStale
	}
	return ErrWrongHash
}

// goOn reads on from what there is, and returns what there is then.
func (m *Mirror) goOn(ctx context.Context, want Want, f fsys.File, have int64) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(stallTime, func() { cancel(ErrStalled) })
	defer silence.Stop()
	body, from, err := m.open(ctx, want.Name, have)
	if err != nil {
		return have, cause(ctx, err)
	}
	defer body.Close()
	if err := f.Truncate(from); err != nil {
		return have, ours(want, err)
	}
	out := &keeper{to: io.NewOffsetWriter(f, from)}
	p := pace{silence: silence, cancel: cancel, since: time.Now()}
	n, err := io.CopyBuffer(out, p.reader(io.LimitReader(body, want.Length-from+1)), make([]byte, buffer))
	have = from + n
	switch {
	case out.err != nil:
		return have, ours(want, out.err)
	case err != nil:
		return have, cause(ctx, err)
	case have > want.Length:
		return 0, errors.Join(ErrTooLarge, f.Truncate(0))
	case have < want.Length:
		return have, io.ErrUnexpectedEOF
	}
	return have, nil
}

// keeper writes a part, and knows the failures that are the disk's. It hides ReadFrom, which would bring a buffer of its own.
type keeper struct {
	to  io.Writer
	err error
}

func (k *keeper) Write(b []byte) (int, error) {
	n, err := k.to.Write(b)
	if err != nil {
		k.err = err
	}
	return n, err
}

// ours is a failure of the disk, which coming again does not help.
func ours(want Want, err error) error {
	return &fs.PathError{Op: "write", Path: want.Name, Err: err}
}

// cause is why a context ended, where that is what ended the transfer.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

// again reports whether coming again may help.
func again(err error) bool {
	status := (*StatusError)(nil)
	if errors.As(err, &status) {
		return status.Code == 408 || status.Code == 429 || status.Code >= 500
	}
	var local *fs.PathError // no space, no right: ours
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrTooLarge) && !errors.As(err, &local)
}

// pace ends a transfer that is silent for too long or crawls.
type pace struct {
	silence *time.Timer
	cancel  context.CancelCauseFunc
	since   time.Time
	got     int64
}

func (p *pace) reader(r io.Reader) io.Reader {
	return readFunc(func(b []byte) (int, error) {
		n, err := r.Read(b)
		if n == 0 {
			return n, err
		}
		p.silence.Reset(stallTime)
		p.got += int64(n)
		if window := time.Since(p.since); window >= rateWindow {
			if p.got < minRate*int64(window/time.Second) {
				p.cancel(ErrStalled)
			}
			p.since, p.got = time.Now(), 0
		}
		return n, err
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

// onlyWriter hides ReadFrom, which would bring a buffer of its own.
type onlyWriter struct{ io.Writer }

func check(f fsys.File, want Want) error {
	hash := sha256.New()
	n, err := io.CopyBuffer(onlyWriter{hash}, readFunc(io.NewSectionReader(f, 0, want.Length+1).Read), make([]byte, buffer))
	if err != nil {
		return err
	}
	if n != want.Length || [32]byte(hash.Sum(nil)) != want.SHA256 {
		return ErrWrongHash
	}
	return nil
}
