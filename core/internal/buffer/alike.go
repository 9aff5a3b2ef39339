package buffer

import (
	"hash/crc32"

	"github.com/limpet-monitoring/limpet/core/wire/alike"
)

const (
	// maxAlike bounds a payload that is kept as a difference, or to which others are, in bytes: what is longer is rare, and is not worth the memory.
	maxAlike = 4 << 10
	// maxBases bounds what a writer remembers of the open segment, in bytes: some two hundred checks. Those beyond are written whole.
	maxBases = 48 << 10
	// baseCost is what one takes beside its bytes, about.
	baseCost = 128
	// basedOn is how many records are differences to one: a byte that flips in that one costs no more than these.
	basedOn = 15
)

// bases are the records of the open segment to which later ones of the same check are written as differences. Those of a write that failed do not count,
// nor does anything that was remembered before it: what stands at their place is another record.
type bases struct {
	of    map[string]*base
	bytes int
	diff  []byte // for the next one
}

// base is one whole record.
type base struct {
	payload []byte
	offset  int64 // of its header
	left    int   // how many may still follow
}

// forget is for a new segment.
func (b *bases) forget() {
	clear(b.of)
	b.bytes = 0
}

// stored is what of a payload is written at offset, and the record that it is the difference to, 0 = none: then the payload itself, to which the next
// ones of that check are differences.
func (b *bases) stored(check string, payload []byte, offset int64) (stored []byte, to int64) {
	if check == "" || len(payload) > maxAlike || offset > maxOffset {
		return payload, 0
	}
	known := b.of[check]
	if known != nil && known.left > 0 {
		b.diff = alike.Encode(b.diff[:0], known.payload, payload)
		if len(b.diff) <= len(payload)*3/4 { // else it has changed its shape
			known.left--
			return b.diff, known.offset
		}
	}
	b.remember(known, check, payload, offset)
	return payload, 0
}

func (b *bases) remember(known *base, check string, payload []byte, offset int64) {
	if known == nil {
		if b.bytes+len(payload)+len(check)+baseCost > maxBases {
			return
		}
		if b.of == nil {
			b.of = map[string]*base{}
		}
		known = new(base)
		b.of[check] = known
		b.bytes += len(check) + baseCost
	}
	b.bytes -= cap(known.payload)
	known.payload = append(known.payload[:0], payload...)
	b.bytes += cap(known.payload)
	known.offset, known.left = offset, basedOn
}

// restore is the payload of a record that is the difference to another one: nil when that one does not read.
func (s *scan) restore(h head, diff []byte) []byte {
	to := spot{s.epoch, s.first, h.base}
	raw := s.aside(h.base, recordHeader)
	known, ok := parseHead(raw, to)
	if !ok || known.kind != kindItem || known.base != 0 || known.length > maxAlike {
		return nil
	}
	raw = s.aside(h.base, recordHeader+known.length)
	if raw == nil || crc32.Checksum(raw[recordHeader:], castagnoli) != known.crc {
		return nil
	}
	whole, err := alike.Decode(s.plain[:0], raw[recordHeader:], diff, maxAlike)
	if err != nil {
		return nil
	}
	s.plain = whole
	return whole
}

// aside are n bytes before the window, or in it, which stays where it is.
func (s *scan) aside(offset int64, n int) []byte {
	if offset >= s.at && offset+int64(n) <= s.at+int64(len(s.window)) {
		return s.window[offset-s.at:][:n]
	}
	if offset+int64(n) > s.size {
		return nil
	}
	if cap(s.before) < n {
		s.before = make([]byte, max(n, 512))
	}
	got, _ := s.file.ReadAt(s.before[:n], offset) // an error is told by what is missing
	if got < n {
		return nil
	}
	return s.before[:n]
}
