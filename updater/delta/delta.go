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
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/walk"
)

// Zstd is the codec of plain zstd frames, each with a window of the base as its raw dictionary.
const Zstd = "zstd"

// Go1 is the codec that knows how Go programs refer to addresses.
const Go1 = "go1"

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

// HeaderSize is the length of every patch's header in bytes.
const HeaderSize = 4 + 8 + 32 + 32

// Header is what every patch says first: "LPD", a byte for the codec, the length of the result (big-endian, 8 bytes),
// the SHA-256 of the base and of the result.
type Header struct {
	Format byte
	Size   int64 // of the result, in bytes
	Base   [32]byte
	Result [32]byte
}

// ReadHeader reads the header at the start of a patch. Size is never negative and at most MaxFile.
func ReadHeader(r io.Reader) (Header, error) {
	var b [HeaderSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return Header{}, fmt.Errorf("read patch header: %w", err)
	}
	size := binary.BigEndian.Uint64(b[4:])
	if string(b[:3]) != "LPD" || size > MaxFile {
		return Header{}, fmt.Errorf("read patch header: this is no patch, or of %d bytes, over the limit of %d", size, MaxFile)
	}
	return Header{b[3], int64(size), [32]byte(b[12:]), [32]byte(b[44:])}, nil
}

// codecs are the ways to say how a new file comes from an old one: the byte that names each in a header, and what makes
// exactly as many bytes as that says.
var codecs = map[string]struct {
	format byte
	decode func(ctx context.Context, job job) error
}{
	Zstd: {'z', decodeZstd},
	Go1:  {'1', decodeGo1},
}

// job is one application of a patch, whose header and base are verified.
type job struct {
	base     io.ReaderAt
	baseSize int64
	patch    io.Reader
	out      io.Writer
	size     int64 // of the result
}

// Codecs lists the names that Apply knows, the one that usually makes the smallest patches first.
func Codecs() []string { return []string{Go1, Zstd} }

// Apply writes to out the file that patch makes of base, which is size bytes long. Where it returns an error, what it
// has written is worthless and the caller throws it away; only after nil has the result the hash that the patch names.
// The base is read twice. It stops with the context's error soon after ctx ends.
func Apply(ctx context.Context, name string, base io.ReaderAt, size int64, patch io.Reader, out io.Writer, limits Limits) error {
	c, ok := codecs[name]
	if !ok {
		return fmt.Errorf("apply %q patch: %w", name, ErrCodec)
	}
	patch = &io.LimitedReader{R: patch, N: maxPatch}
	h, err := ReadHeader(patch)
	if err != nil {
		return err
	}
	if h.Format != c.format {
		return fmt.Errorf("apply patch: it is in format %q, codec %s reads %q", h.Format, name, c.format)
	}
	// A result much larger than its base is no patch worth having; the full file is fetched instead.
	limit := min(MaxFile, 4*size+64<<20)
	if limits.Output > 0 {
		limit = min(limit, limits.Output)
	}
	if size > MaxFile || h.Size > limit {
		return fmt.Errorf("apply patch: a result of %d bytes from %d is over the limit of %d", h.Size, size, limit)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(base, 0, size)); err != nil {
		return fmt.Errorf("read base: %w", err)
	}
	if [32]byte(sum.Sum(nil)) != h.Base {
		return ErrBase
	}
	sum.Reset()
	if err := c.decode(ctx, job{base, size, patch, io.MultiWriter(out, sum), h.Size}); err != nil {
		return fmt.Errorf("apply %s patch: %w", name, err)
	}
	if [32]byte(sum.Sum(nil)) != h.Result {
		return fmt.Errorf("apply %s patch: the result is not the file it promised", name)
	}
	return nil
}

func decodeGo1(ctx context.Context, j job) error {
	in := bufio.NewReader(j.patch)
	spent, err := binary.ReadUvarint(in)
	if err != nil {
		return fmt.Errorf("read number of decisions: %w", err)
	}
	old := make([]byte, j.baseSize, j.baseSize+j.size) // with room for the result
	if _, err := io.ReadFull(io.NewSectionReader(j.base, 0, j.baseSize), old); err != nil {
		return fmt.Errorf("read base: %w", err)
	}
	result, err := walk.Decode(ctx, refs.Analyse(old), int(j.size), in, spent)
	if err == nil {
		_, err = j.out.Write(result)
	}
	return err
}

// Sparing tunes the Go runtime of a process that does nothing but Apply: the memory that a patch needs is nearly all
// in use until the end, so room to grow would only be waste.
func Sparing() { debug.SetGCPercent(10) }
