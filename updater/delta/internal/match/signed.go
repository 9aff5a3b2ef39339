package match

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
)

// signed finds the list of page hashes in the code signature of a Mach-O file: limit bytes from the start of the file
// are hashed, the list is at off. ok is false unless the list is exactly what image.AppendHashes makes, as in a file that only
// Go's linker has signed.
func signed(im *image.Image) (off, limit uint32, ok bool) {
	be := binary.BigEndian
	b := im.Data[im.Sign.Off : im.Sign.Off+im.Sign.Len]
	if len(b) < 12 || be.Uint32(b) != 0xFADE0CC0 {
		return 0, 0, false
	}
	for i := range be.Uint32(b[8:]) {
		at := 12 + 8*uint64(i)
		if at+8 > uint64(len(b)) {
			return 0, 0, false
		}
		start := uint64(be.Uint32(b[at+4:]))
		if start+44 > uint64(len(b)) || be.Uint32(b[start:]) != 0xFADE0C02 {
			continue
		}
		d := b[start:]
		list, n := uint64(be.Uint32(d[16:])), uint64(be.Uint32(d[28:]))
		limit = be.Uint32(d[32:])
		if d[36] != sha256.Size || list+n*sha256.Size > uint64(len(d)) || uint64(limit) > uint64(im.Sign.Off) {
			return 0, 0, false
		}
		if !bytes.Equal(image.AppendHashes(nil, im.Data[:limit]), d[list:list+n*sha256.Size]) {
			return 0, 0, false
		}
		return im.Sign.Off + uint32(start+list), limit, true
	}
	return 0, 0, false
}
