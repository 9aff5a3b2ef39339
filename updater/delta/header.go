package delta

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

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

// NewHeader returns the header of a patch between two files.
func NewHeader(codec string, base, result []byte) (Header, error) {
	c, err := find(codec)
	return Header{c.format, int64(len(result)), sha256.Sum256(base), sha256.Sum256(result)}, err
}

// Append writes the header behind b.
func (h Header) Append(b []byte) []byte {
	b = append(b, 'L', 'P', 'D', h.Format)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Size))
	b = append(b, h.Base[:]...)
	return append(b, h.Result[:]...)
}

// ReadHeader reads the header at the start of a patch. Size is never negative and at most MaxFile.
func ReadHeader(r io.Reader) (Header, error) {
	var b [HeaderSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return Header{}, fmt.Errorf("read patch header: %w", err)
	}
	if string(b[:3]) != "LPD" {
		return Header{}, fmt.Errorf("read patch header: this is no patch")
	}
	size := binary.BigEndian.Uint64(b[4:])
	if size > MaxFile {
		return Header{}, fmt.Errorf("read patch header: a result of %d bytes is over the limit of %d", size, MaxFile)
	}
	h := Header{Format: b[3], Size: int64(size)}
	copy(h.Base[:], b[12:])
	copy(h.Result[:], b[44:])
	return h, nil
}
