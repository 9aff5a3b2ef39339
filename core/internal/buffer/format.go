package buffer

import (
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
	segmentMagic  = "LIMPSEG\x01"
	segmentHeader = 80
	bootSize      = 40 // of a boot id; a longer one is cut
	recordHeader  = 24
	maxPayload    = wire.MaxRecord

	markerLow, markerHigh = 0x5A, 0xA5

	kindItem = 1
	kindMark = 2

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

func appendSegmentHeader(b []byte, epoch, first uint64, begun time.Time, boot string) []byte {
	at := len(b)
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint64(b, epoch)
	b = binary.LittleEndian.AppendUint64(b, first)
	b = binary.LittleEndian.AppendUint64(b, uint64(begun.UnixMilli()))
	b = append(b, boot[:min(len(boot), bootSize)]...)
	b = append(b, make([]byte, at+32+bootSize-len(b))...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
	return append(b, 0, 0, 0, 0)
}

// parseSegmentHeader says when a segment was begun, and in which boot of the machine; ok is false when
// the header is not that of this segment. Its records prove themselves and are read all the same.
func parseSegmentHeader(b []byte, epoch, first uint64) (begun time.Time, boot string, ok bool) {
	if len(b) < segmentHeader || string(b[:8]) != segmentMagic ||
		binary.LittleEndian.Uint32(b[72:]) != crc32.Checksum(b[:72], castagnoli) ||
		binary.LittleEndian.Uint64(b[8:]) != epoch || binary.LittleEndian.Uint64(b[16:]) != first {
		return time.Time{}, "", false
	}
	boot = strings.TrimRight(string(b[32:72]), "\x00")
	return time.UnixMilli(int64(binary.LittleEndian.Uint64(b[24:]))), boot, true
}

// appendRecord frames a payload that will stand at offset in a segment of epoch.
func appendRecord(b []byte, kind byte, epoch uint64, offset int64, seq uint64, payload []byte) []byte {
	return append(appendHead(b, kind, epoch, offset, seq, payload), payload...)
}

// appendHead is the header of a record whose payload comes in pieces.
func appendHead(b []byte, kind byte, epoch uint64, offset int64, seq uint64, payload ...[]byte) []byte {
	at := len(b)
	length, crc := 0, uint32(0)
	for _, piece := range payload {
		length += len(piece)
		crc = crc32.Update(crc, castagnoli, piece)
	}
	b = append(b, markerLow, markerHigh, kind, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	b = binary.LittleEndian.AppendUint64(b, seq)
	b = binary.LittleEndian.AppendUint32(b, crc)
	return binary.LittleEndian.AppendUint32(b, placeCRC(epoch, offset, b[at:]))
}

// placeCRC ties a record's header to the place where it stands.
func placeCRC(epoch uint64, offset int64, header []byte) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], epoch)
	binary.LittleEndian.PutUint64(place[8:], uint64(offset))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, header[:recordHeader-4])
}

// head is a record's header.
type head struct {
	kind   byte
	length int
	seq    uint64
	crc    uint32 // of the payload
}

// parseHead reads a record's header that stands at offset; ok is false when it is none.
func parseHead(b []byte, epoch uint64, offset int64) (h head, ok bool) {
	if len(b) < recordHeader || b[0] != markerLow || b[1] != markerHigh {
		return head{}, false
	}
	if binary.LittleEndian.Uint32(b[20:]) != placeCRC(epoch, offset, b) {
		return head{}, false
	}
	h = head{
		kind:   b[2],
		length: int(binary.LittleEndian.Uint32(b[4:])),
		seq:    binary.LittleEndian.Uint64(b[8:]),
		crc:    binary.LittleEndian.Uint32(b[16:]),
	}
	return h, h.length <= maxPayload
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
