package buffer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// The format of docs/buffer-format.md.
const (
	segmentMagic  = "LIMPSEG\x02"
	segmentHeader = 84
	bootSize      = 40 // of a boot id; a longer one is cut
	recordHeader  = 20
	maxPayload    = wire.MaxRecord
	maxOffset     = 1<<24 - 1 // of what a header can name as a base

	marker   = 0x5A
	kindItem = 0xA1
	kindMark = 0xA2

	cursorMagic   = "CUR1"
	cursorSlot    = 40
	cursorSpacing = 512 // the slots lie in different sectors
	cursorSize    = cursorSpacing + cursorSlot

	flagCRC     = 1
	flagSettled = 2

	segmentSuffix = ".seg"
	cursorName    = "cursor"
	lockName      = "lock"

	randomBits = 20
	maxMillis  = 1<<44 - 1<<20 // year 2527; the rest is room to count up from a clock gone mad
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newEpoch is an epoch that lies behind none of the times given and above newest.
func newEpoch(newest uint64, times ...time.Time) uint64 {
	millis := uint64(0)
	for _, t := range times {
		if ms := t.UnixMilli(); ms > 0 {
			millis = max(millis, min(uint64(ms), maxMillis))
		}
	}
	if newest > 0 {
		millis = max(millis, newest>>randomBits+1)
	}
	return millis<<randomBits | uint64(rand.N(1<<randomBits))
}

func generationName(epoch uint64) string { return fmt.Sprintf("%016x", epoch) }

// parseGeneration reads a folder's name; ok is false when it is not one of ours.
func parseGeneration(name string) (epoch uint64, ok bool) {
	epoch, ok = parseHex(name)
	return epoch, ok && epoch>>randomBits > 0 && epoch>>randomBits < 1<<44-1
}

func segmentName(first uint64) string { return fmt.Sprintf("%016x%s", first, segmentSuffix) }

// parseSegment reads a segment's name; ok is false when it is not one of ours.
func parseSegment(name string) (first uint64, ok bool) {
	base, found := strings.CutSuffix(name, segmentSuffix)
	if !found {
		return 0, false
	}
	first, ok = parseHex(base)
	return first, ok && first > 0 && first < 1<<63
}

func parseHex(s string) (uint64, bool) {
	if len(s) != 16 || strings.ToLower(s) != s {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 16, 64)
	return n, err == nil
}

// opening is what a segment's header says besides its epoch and its first seq.
type opening struct {
	begun  time.Time
	boot   string // id of the machine's boot
	synced uint64 // everything up to it was synced when the segment was begun
}

func appendSegmentHeader(b []byte, epoch, first uint64, o opening) []byte {
	at := len(b)
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint64(b, epoch)
	b = binary.LittleEndian.AppendUint64(b, first)
	b = binary.LittleEndian.AppendUint64(b, uint64(o.begun.UnixMilli()))
	b = append(b, o.boot[:min(len(o.boot), bootSize)]...)
	b = append(b, make([]byte, at+32+bootSize-len(b))...)
	b = binary.LittleEndian.AppendUint64(b, o.synced)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
}

// parseSegmentHeader is what the header of a segment says; ok is false when it is not that of this one. Its records prove themselves and
// are read all the same.
func parseSegmentHeader(b []byte, epoch, first uint64) (o opening, ok bool) {
	proven := segmentHeader - 4 // bytes before the CRC
	if bytes.HasPrefix(b, []byte(segmentMagic1)) {
		proven = segmentProven1
	} else if !bytes.HasPrefix(b, []byte(segmentMagic)) {
		return opening{}, false
	}
	if len(b) < proven+4 || binary.LittleEndian.Uint32(b[proven:]) != crc32.Checksum(b[:proven], castagnoli) ||
		binary.LittleEndian.Uint64(b[8:]) != epoch || binary.LittleEndian.Uint64(b[16:]) != first {
		return opening{}, false
	}
	o = opening{
		begun: time.UnixMilli(int64(binary.LittleEndian.Uint64(b[24:]))),
		boot:  strings.TrimRight(string(b[32:72]), "\x00"),
	}
	if proven > segmentProven1 {
		o.synced = binary.LittleEndian.Uint64(b[72:])
	}
	return o, true
}

// spot is where a record stands.
type spot struct {
	epoch, first uint64 // the segment's
	offset       int64  // of the record's header in it
}

// head is a record's header.
type head struct {
	kind   byte
	size   int    // its own
	length int    // of what stands behind the header
	base   int64  // offset of the record from which that is the difference; 0: it is the payload itself
	seq    uint64 // 0 for a mark
	crc    uint32 // of the payload
}

func appendHead(b []byte, h head, at spot) []byte {
	from := len(b)
	relative := uint32(0)
	if h.kind == kindItem {
		relative = uint32(h.seq - at.first)
	}
	b = append(b, marker, h.kind, byte(h.length), byte(h.length>>8), byte(h.length>>16), byte(h.base), byte(h.base>>8), byte(h.base>>16))
	b = binary.LittleEndian.AppendUint32(b, relative)
	b = binary.LittleEndian.AppendUint32(b, h.crc)
	return binary.LittleEndian.AppendUint32(b, at.crc(b[from:]))
}

// appendMark is a start mark that will stand there.
func appendMark(b []byte, at spot, payload []byte) []byte {
	h := head{kind: kindMark, length: len(payload), crc: crc32.Checksum(payload, castagnoli)}
	return append(appendHead(b, h, at), payload...)
}

// crc ties a record's header to the place where it stands.
func (s spot) crc(header []byte) uint32 {
	var place [24]byte
	binary.LittleEndian.PutUint64(place[:], s.epoch)
	binary.LittleEndian.PutUint64(place[8:], s.first)
	binary.LittleEndian.PutUint64(place[16:], uint64(s.offset))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, header[:recordHeader-4])
}

// parseHead reads the header of a record that stands there; ok is false when it is none.
func parseHead(b []byte, at spot) (h head, ok bool) {
	if len(b) < recordHeader || b[0] != marker || binary.LittleEndian.Uint32(b[16:]) != at.crc(b) {
		return head{}, false
	}
	h = head{
		kind:   b[1],
		size:   recordHeader,
		length: int(b[2]) | int(b[3])<<8 | int(b[4])<<16,
		base:   int64(b[5]) | int64(b[6])<<8 | int64(b[7])<<16,
		crc:    binary.LittleEndian.Uint32(b[12:]),
	}
	switch h.kind {
	case kindItem:
		h.seq = at.first + uint64(binary.LittleEndian.Uint32(b[8:]))
		ok = h.base == 0 || h.base >= segmentHeader && h.base < at.offset && h.length <= maxAlike
	case kindMark:
		ok = h.base == 0
	}
	return h, ok && h.length <= maxPayload
}

// cursor is what a generation's cursor file says.
type cursor struct {
	count   uint64
	acked   uint64
	crc     uint32
	crcOK   bool   // crc is known
	settled bool   // lost runs have been stated and everything was synced
	owner   uint64 // whose results these are, 0 = not said
	slot    int    // in which of the two it stands
}

func (c cursor) bytes() []byte {
	flags := uint32(0)
	if c.crcOK {
		flags |= flagCRC
	}
	if c.settled {
		flags |= flagSettled
	}
	b := append(make([]byte, 0, cursorSlot), cursorMagic...)
	b = binary.LittleEndian.AppendUint32(b, flags)
	b = binary.LittleEndian.AppendUint64(b, c.count)
	b = binary.LittleEndian.AppendUint64(b, c.acked)
	b = binary.LittleEndian.AppendUint32(b, c.crc)
	b = binary.LittleEndian.AppendUint64(b, c.owner)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parseCursor reads a cursor file; ok is false when no slot holds.
func parseCursor(b []byte) (best cursor, ok bool) {
	for slot, at := range []int{0, cursorSpacing} {
		if len(b) < at+cursorSlot {
			continue
		}
		s := b[at : at+cursorSlot]
		if string(s[:4]) != cursorMagic || binary.LittleEndian.Uint32(s[36:]) != crc32.Checksum(s[:36], castagnoli) {
			continue
		}
		flags := binary.LittleEndian.Uint32(s[4:])
		c := cursor{
			count:   binary.LittleEndian.Uint64(s[8:]),
			acked:   binary.LittleEndian.Uint64(s[16:]),
			crc:     binary.LittleEndian.Uint32(s[24:]),
			crcOK:   flags&flagCRC != 0,
			settled: flags&flagSettled != 0,
			owner:   binary.LittleEndian.Uint64(s[28:]),
			slot:    slot,
		}
		if !ok || c.count > best.count {
			best, ok = c, true
		}
	}
	return best, ok
}
