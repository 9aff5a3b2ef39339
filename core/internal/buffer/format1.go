package buffer

import (
	"encoding/binary"
	"hash/crc32"
)

// Format 1 (docs/buffer-format.md) is read, never written.
const (
	segmentMagic1  = "LIMPSEG\x01"
	segmentHeader1 = 80
	segmentProven1 = 72 // bytes of it before its CRC
	recordHeader1  = 24
	marker1        = 0xA5 // behind marker, where format 2 has the kind
)

// parseHead1 reads the header of a record of format 1 that stands there; ok is false when it is none.
func parseHead1(b []byte, at spot) (h head, ok bool) {
	if len(b) < recordHeader1 || b[0] != marker || b[1] != marker1 || binary.LittleEndian.Uint32(b[20:]) != at.crc1(b) {
		return head{}, false
	}
	h = head{
		size:   recordHeader1,
		length: int(binary.LittleEndian.Uint32(b[4:])),
		seq:    binary.LittleEndian.Uint64(b[8:]),
		crc:    binary.LittleEndian.Uint32(b[16:]),
	}
	switch b[2] {
	case 1:
		h.kind = kindItem
	case 2:
		h.kind = kindMark
	}
	return h, h.kind != 0 && h.length <= maxPayload
}

// crc1 is what format 1 has for crc: its first seq does not count.
func (s spot) crc1(header []byte) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], s.epoch)
	binary.LittleEndian.PutUint64(place[8:], uint64(s.offset))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, header[:recordHeader1-4])
}
