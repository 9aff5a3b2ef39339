package encode

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/limpet-monitoring/limpet/updater/delta"
)

// formats are the bytes that name the codecs in a header.
var formats = map[string]byte{delta.Zstd: 'z', delta.Go1: '1'}

// NewHeader returns the header of a patch between two files.
func NewHeader(codec string, base, result []byte) (delta.Header, error) {
	format, ok := formats[codec]
	if !ok {
		return delta.Header{}, fmt.Errorf("make %q patch: %w", codec, delta.ErrCodec)
	}
	return delta.Header{Format: format, Size: int64(len(result)), Base: sha256.Sum256(base), Result: sha256.Sum256(result)}, nil
}

// AppendHeader writes a header behind b.
func AppendHeader(b []byte, h delta.Header) []byte {
	b = append(b, 'L', 'P', 'D', h.Format)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Size))
	b = append(b, h.Base[:]...)
	return append(b, h.Result[:]...)
}
