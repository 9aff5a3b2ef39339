package match

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
)

// signature returns where the code signature of a Mach-O file is (LC_CODE_SIGNATURE), or nothing.
func signature(b []byte) image.Span {
	le := binary.LittleEndian
	if len(b) < 32 || le.Uint32(b) != 0xFEEDFACF {
		return image.Span{}
	}
	for at, n := uint64(32), le.Uint32(b[16:]); n > 0 && at+16 <= uint64(len(b)); n-- {
		c := b[at:]
		if off, size := le.Uint32(c[8:]), le.Uint32(c[12:]); le.Uint32(c) == 0x1D && uint64(off)+uint64(size) <= uint64(len(b)) {
			return image.Span{Off: off, Len: size}
		}
		at += uint64(le.Uint32(c[4:]))
	}
	return image.Span{}
}

// signed finds the list of page hashes in the code signature, which is at sign, of a Mach-O file: limit bytes from the start of the file
// are hashed, the list is at off. ok is false unless the list is exactly what image.AppendHashes makes, as in a file that only
// Go's linker has signed.
func signed(im *image.Image, sign image.Span) (off, limit uint32, ok bool) {
	be := binary.BigEndian
	b := im.Data[sign.Off : sign.Off+sign.Len]
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
		if d[36] != sha256.Size || list+n*sha256.Size > uint64(len(d)) || uint64(limit) > uint64(sign.Off) {
			return 0, 0, false
		}
		if !bytes.Equal(image.AppendHashes(nil, im.Data[:limit]), d[list:list+n*sha256.Size]) {
			return 0, 0, false
		}
		return sign.Off + uint32(start+list), limit, true
	}
	return 0, 0, false
}
