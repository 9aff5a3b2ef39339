package buffer

import (
	"hash/crc32"
	"io"
)

// readAhead is how much a scan reads at once, in bytes; a longer record is read whole.
const readAhead = 32 << 10

// largeRecord is a record that makes a batch of its own without being in memory as a whole.
const largeRecord = 128 << 10

// record is one record of a segment. raw is valid until the next one is read.
type record struct {
	head
	offset int64     // where its header stands
	raw    []byte    // its payload
	apart  io.Reader // the same of a large one where scan.apart is set, instead of raw; nil of others
}

func (r record) end() int64 { return r.offset + int64(r.size+r.length) }

// scan reads the records of one segment in order. Whatever the file holds it goes forward, takes no
// more memory than the file is long, and gives only records that prove their place and content.
type scan struct {
	file    io.ReaderAt
	size    int64
	epoch   uint64
	first   uint64 // seq by which the segment is named
	offset  int64  // of the next record; 0: the first one
	last    uint64 // seq of the one before
	damaged bool   // something did not read since the last record
	apart   bool   // large records are given without their bytes

	window []byte
	at     int64  // offset of window
	before []byte // what was read beside it
	plain  []byte // the payload read last, where a difference stands
}

// newScan scans the segment of epoch that begins with seq first.
func newScan(file io.ReaderAt, size int64, epoch, first uint64) *scan {
	return &scan{file: file, size: size, epoch: epoch, first: first, last: first - 1}
}

// begin is where the first record stands. With a header that does not read it is where format 1 has it, which is before the place of format 2.
func (s *scan) begin() int64 {
	if string(s.bytes(0, len(segmentMagic))) == segmentMagic {
		return segmentHeader
	}
	return segmentHeader1
}

// next is the next record that reads; ok is false at the end. Bytes between that do not read are
// passed over (damaged); so is an item whose seq does not rise.
func (s *scan) next() (r record, ok bool) {
	if s.offset == 0 {
		s.offset = s.begin()
	}
	for s.offset+recordHeader <= s.size {
		r, ok := s.read(s.offset)
		if ok {
			s.offset = r.end()
			if r.kind == kindItem && r.seq <= s.last {
				s.damaged = true
				continue
			}
			if r.kind == kindItem {
				s.last = r.seq
			}
			return r, true
		}
		s.damaged = true
		s.offset = s.seek(s.offset + 1)
	}
	if s.offset < s.size {
		s.damaged = true
	}
	return record{}, false
}

// read is the record at offset, if one stands there.
func (s *scan) read(offset int64) (record, bool) {
	h, ok := s.head(offset)
	if !ok || offset+int64(h.size+h.length) > s.size {
		return record{}, false
	}
	payload := offset + int64(h.size)
	if s.apart && h.base == 0 && h.length >= largeRecord {
		if !s.proves(payload, h) {
			return record{}, false
		}
		return record{head: h, offset: offset, apart: io.NewSectionReader(s.file, payload, int64(h.length))}, true
	}
	b := s.bytes(offset, h.size+h.length)
	if b == nil {
		return record{}, false
	}
	raw := b[h.size:]
	if h.base != 0 {
		raw = s.restore(h, raw)
	}
	if raw == nil || crc32.Checksum(raw, castagnoli) != h.crc {
		return record{}, false
	}
	return record{head: h, offset: offset, raw: raw}, true
}

// head is the header of the record at offset, of either format, if one stands there.
func (s *scan) head(offset int64) (head, bool) {
	b, at := s.bytes(offset, recordHeader), spot{s.epoch, s.first, offset}
	if b != nil && b[1] == marker1 {
		return parseHead1(s.bytes(offset, recordHeader1), at)
	}
	return parseHead(b, at)
}

// proves says whether the payload from offset on is what its header says, piece by piece.
func (s *scan) proves(offset int64, h head) bool {
	sum := uint32(0)
	for left := h.length; left > 0; {
		piece := s.bytes(offset, min(left, readAhead))
		if piece == nil {
			return false
		}
		sum = crc32.Update(sum, castagnoli, piece)
		offset, left = offset+int64(len(piece)), left-len(piece)
	}
	return sum == h.crc
}

// seek is the next offset from which on a record's header stands, or the end.
func (s *scan) seek(offset int64) int64 {
	for ; offset+recordHeader <= s.size; offset++ {
		b := s.bytes(offset, recordHeader)
		if b == nil {
			return s.size // a sector that cannot be read: so is what lies behind it
		}
		if b[0] == marker && (b[1] == kindItem || b[1] == kindMark || b[1] == marker1) {
			if _, ok := s.head(offset); ok {
				return offset
			}
		}
	}
	return s.size
}

// bytes are n bytes at offset, out of the window where it holds them; nil when they cannot be read.
func (s *scan) bytes(offset int64, n int) []byte {
	if offset >= s.at && offset+int64(n) <= s.at+int64(len(s.window)) {
		return s.window[offset-s.at:][:n]
	}
	want := int(min(int64(max(n, readAhead)), s.size-offset))
	if want < n {
		return nil
	}
	if cap(s.window) < want {
		s.window = make([]byte, want)
	}
	s.window, s.at = s.window[:want], offset
	got, _ := s.file.ReadAt(s.window, offset) // an error is told by what is missing
	s.window = s.window[:got]
	if got < n {
		return nil
	}
	return s.window[:n]
}
