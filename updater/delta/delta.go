// Package delta applies patches between two builds of a program: the core that is the base of a patch makes the next one
// of itself. Package encode makes patches, for the publisher alone.
//
// A codec is a name that is never reused: whatever changes what a decoder would do with the same bytes, its reading of the
// old file included, is a new codec. docs/delta-format.md is the contract of every codec here.
//
// The package opens no files, trusts no byte of a patch, and takes no memory for a size that it has not checked first.
// It does not verify signatures: the caller knows both hashes from signed metadata and compares them with Header.
package delta

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime/debug"
)

// Zstd is the codec of plain zstd frames, each with a window of the base as its raw dictionary.
const Zstd = "zstd"

// MaxFile is the largest base or result, in bytes: four times the largest core there is.
const MaxFile = 256 << 20

// maxPatch is the largest patch that Apply reads, in bytes: a result that shares nothing with its base, and room.
const maxPatch = MaxFile + 1<<20

// ErrCodec is returned for a codec that this build does not know.
var ErrCodec = errors.New("unknown codec")

// ErrBase is returned by Apply when the base is not the file that the patch was made from.
var ErrBase = errors.New("the base is not the one this patch was made from")

// Limits bound what Apply may take. The zero value means the limits of the package.
type Limits struct {
	// Output is the largest result in bytes; at most MaxFile.
	Output int64
}

// codec is one way to say how a new file comes from an old one.
type codec struct {
	format byte
	decode func(ctx context.Context, job job) error
}

// job is one application of a patch: the header is read and checked, the base is verified.
type job struct {
	base   io.ReaderAt
	size   int64 // of the base
	patch  io.Reader
	header Header
	out    io.Writer
}

// Codecs lists the names that Apply knows, the one that usually makes the smallest patches first.
func Codecs() []string {
	return []string{Go1, Zstd}
}

func find(name string) (codec, error) {
	switch name {
	case Zstd:
		return codec{format: 'z', decode: decodeZstd}, nil
	case Go1:
		return codec{format: '1', decode: decodeGo1}, nil
	}
	return codec{}, fmt.Errorf("find codec %q: %w", name, ErrCodec)
}

// Apply writes to out the file that patch makes of base, which is size bytes long. Where it returns an error, what it
// has written is worthless and the caller throws it away; only after nil has the result the hash that the patch names.
// The base is read twice. It stops with the context's error soon after ctx ends.
func Apply(ctx context.Context, name string, base io.ReaderAt, size int64, patch io.Reader, out io.Writer, limits Limits) error {
	c, err := find(name)
	if err != nil {
		return err
	}
	patch = &io.LimitedReader{R: patch, N: maxPatch}
	h, err := ReadHeader(patch)
	if err != nil {
		return err
	}
	if h.Format != c.format {
		return fmt.Errorf("apply patch: it is in format %q, codec %s reads %q", h.Format, name, c.format)
	}
	if err := checkSizes(size, h.Size, limits); err != nil {
		return err
	}
	if err := checkBase(ctx, base, size, h); err != nil {
		return err
	}
	sum := &sumWriter{w: out, sum: sha256.New(), left: h.Size}
	if err := c.decode(ctx, job{base: base, size: size, patch: patch, header: h, out: sum}); err != nil {
		return fmt.Errorf("apply %s patch: %w", name, err)
	}
	if sum.left != 0 || [32]byte(sum.sum.Sum(nil)) != h.Result {
		return fmt.Errorf("apply %s patch: the result is not the file it promised", name)
	}
	return nil
}

func checkSizes(base, result int64, limits Limits) error {
	limit := limits.Output
	if limit <= 0 || limit > MaxFile {
		limit = MaxFile
	}
	// A result much larger than its base is no patch worth having; the full file is fetched instead.
	limit = min(limit, 4*base+64<<20)
	if base < 0 || base > MaxFile {
		return fmt.Errorf("apply patch: a base of %d bytes is over the limit of %d", base, MaxFile)
	}
	if result > limit {
		return fmt.Errorf("apply patch: a result of %d bytes is over the limit of %d", result, limit)
	}
	return nil
}

func checkBase(ctx context.Context, base io.ReaderAt, size int64, h Header) error {
	sum := sha256.New()
	r := io.NewSectionReader(base, 0, size)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(sum, r, 1<<20)
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read base: %w", err)
		}
		size -= n
	}
	if [32]byte(sum.Sum(nil)) != h.Base {
		return ErrBase
	}
	return nil
}

// sumWriter passes on at most left bytes and hashes them.
type sumWriter struct {
	w    io.Writer
	sum  hash.Hash
	left int64
}

func (s *sumWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > s.left {
		return 0, errors.New("the result is longer than the header says")
	}
	s.left -= int64(len(p))
	s.sum.Write(p)
	return s.w.Write(p)
}

// Sparing tunes the Go runtime of a process that does nothing but Apply: the memory that a patch needs is nearly all
// in use until the end, so room to grow would only be waste.
func Sparing() { debug.SetGCPercent(10) }
