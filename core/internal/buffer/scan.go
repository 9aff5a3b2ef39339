package buffer

import (
	"hash/crc32"
	"io"
	"runtime"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// readAhead is how much a scan reads at once, in bytes; a longer record is read whole.
const readAhead = 32 << 10

// largeRead is a record for which the garbage collector runs first: the memory that it took on its way to the disk is free by now, and is taken again.
const largeRead = 256 << 10

// record is one record of a segment. raw is valid until the next one is read.
type record struct {
	head
	offset int64  // where its header stands
	raw    []byte // its payload
	whole  []byte // of a large one: header and raw, the reader's to keep; nil of others
}

func (r record) end() int64 { return r.offset + recordHeader + int64(r.length) }

// scan reads the records of one segment in order. Whatever the file holds it goes forward, takes no
// more memory than the file is long, and gives only records that prove their place and content.
type scan struct {
	file    io.ReaderAt
	size    int64
	epoch   uint64
	first   uint64 // seq by which the segment is named
	offset  int64  // of the next record
	last    uint64 // seq of the one before
	damaged bool   // something did not read since the last record

	window []byte
	at     int64  // offset of window
	before []byte // what was read beside it
	plain  []byte // the payload read last, where a difference stands
}

// newScan scans the segment of epoch that begins with seq first.
func newScan(file io.ReaderAt, size int64, epoch, first uint64) *scan {
	return &scan{file: file, size: size, epoch: epoch, first: first, offset: segmentHeader, last: first - 1}
}

// next is the next record that reads; ok is false at the end. Bytes between that do not read are
// passed over (damaged); so is an item whose seq does not rise.
func (s *scan) next() (r record, ok bool) {
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
	b := s.bytes(offset, recordHeader)
	h, ok := parseHead(b, spot{s.epoch, s.first, offset})
	if !ok || offset+recordHeader+int64(h.length) > s.size {
		return record{}, false
	}
	b = s.bytes(offset, recordHeader+h.length)
	if b == nil {
		return record{}, false
	}
	raw := b[recordHeader:]
	if h.base != 0 {
		raw = s.restore(h, raw)
	}
	if raw == nil || crc32.Checksum(raw, castagnoli) != h.crc {
		return record{}, false
	}
	r := record{head: h, offset: offset, raw: raw}
	if h.length >= wire.MaxBatch { // a batch of its own
		r.whole, s.window = b, nil
	}
	return r, true
}

// seek is the next offset from which on a record's header stands, or the end.
func (s *scan) seek(offset int64) int64 {
	for ; offset+recordHeader <= s.size; offset++ {
		b := s.bytes(offset, recordHeader)
		if b == nil {
			return s.size // a sector that cannot be read: so is what lies behind it
		}
		if b[0] == marker && (b[1] == kindItem || b[1] == kindMark) {
			if _, ok := parseHead(b, spot{s.epoch, s.first, offset}); ok {
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
		if want >= largeRead {
			runtime.GC()
		}
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
