package buffer

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// maxScratch is the largest frame whose memory is kept for the next one, in bytes.
const maxScratch = 16 << 10

// writer appends records to the segments of one generation, and knows what of it a sync must cover.
// It does not sync.
type writer struct {
	disk    fsys.FS
	g       *generation
	limit   int64 // length at which a segment is closed
	file    fsys.File
	offset  int64
	next    uint64 // seq of the next item
	scratch []byte
	bases   bases
	unsynced
}

// unsynced is what was written since the last sync.
type unsynced struct {
	files  []fsys.File // closed segments, to be closed once synced
	dirty  bool        // the open segment was written to
	names  bool        // the generation's folder got a name
	folder bool        // the buffer's folder got a name
}

func newWriter(d fsys.FS, g *generation, limit int64) *writer {
	return &writer{disk: d, g: g, limit: limit, next: g.written + 1}
}

// entry is what one record is made of.
type entry struct {
	kind    byte
	seq     uint64 // of an item
	check   string // whose result it is, "" for others
	payload []byte
	large   []byte // of a large one what follows payload, written from where it lies
	end     []byte // and what follows that
}

// frame adds the record to those that will stand from the writer's offset on. It is for entries that are not large.
func (w *writer) frame(frames []byte, e entry) []byte {
	at := w.spot(len(frames))
	h := head{kind: e.kind, seq: e.seq, crc: crc32.Checksum(e.payload, castagnoli)}
	stored := e.payload
	if e.kind == kindItem {
		stored, h.base = w.bases.stored(e.check, e.payload, at.offset)
	}
	h.length = len(stored)
	return append(appendHead(frames, h, at), stored...)
}

func (w *writer) spot(behind int) spot {
	return spot{w.g.epoch, w.g.segments[len(w.g.segments)-1].first, w.offset + int64(behind)}
}

// write appends one record; marks are what a new segment begins with, should one be needed. When it fails nothing was appended.
func (w *writer) write(e entry, marks [][]byte, now time.Time) error {
	if w.file == nil || w.full() {
		if err := w.begin(marks, now); err != nil {
			return placeError{err}
		}
	}
	if e.large != nil {
		return w.writeLarge(e)
	}
	return w.put(w.frame(w.scratch[:0], e))
}

// put writes frames. Where it fails the next ones are written over them.
func (w *writer) put(frames []byte) error {
	if cap(frames) <= maxScratch {
		w.scratch = frames
	}
	if _, err := w.file.WriteAt(frames, w.offset); err != nil {
		w.bases.forget()
		return fmt.Errorf("write segment: %w", err)
	}
	w.advance(int64(len(frames)))
	return nil
}

// writeLarge writes a record in pieces from where they lie: what a kill cuts off proves no content.
func (w *writer) writeLarge(e entry) error {
	h := head{kind: e.kind, seq: e.seq}
	for _, piece := range [][]byte{e.payload, e.large, e.end} {
		h.length += len(piece)
		h.crc = crc32.Update(h.crc, castagnoli, piece)
	}
	offset := w.offset
	for _, piece := range [][]byte{append(appendHead(nil, h, w.spot(0)), e.payload...), e.large, e.end} {
		if _, err := w.file.WriteAt(piece, offset); err != nil {
			w.bases.forget()
			return fmt.Errorf("write segment: %w", err)
		}
		offset += int64(len(piece))
	}
	w.advance(offset - w.offset)
	return nil
}

// full says whether the segment is to be closed: it is long enough, and holds an item (two segments
// cannot begin with the same seq).
func (w *writer) full() bool {
	return w.offset >= w.limit && w.g.segments[len(w.g.segments)-1].first < w.next
}

func (w *writer) advance(n int64) {
	w.offset += n
	w.dirty = true
	w.g.segments[len(w.g.segments)-1].size = w.offset
}

// begin closes the segment and begins the next one, with the marks of the runs under way in the same
// write as its header: a kill finds all of them or none.
func (w *writer) begin(marks [][]byte, now time.Time) error {
	if err := w.makeFolder(); err != nil {
		return err
	}
	name := w.g.segmentPath(w.next)
	f, err := w.disk.Open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("begin segment: %w", err)
	}
	head := appendSegmentHeader(nil, w.g.epoch, w.next, opening{now, w.g.boot, w.g.written})
	for _, m := range marks {
		head = appendMark(head, spot{w.g.epoch, w.next, int64(len(head))}, m)
	}
	if _, err := f.WriteAt(head, 0); err != nil {
		f.Close()
		w.disk.Remove(name) // best effort: the next attempt truncates it
		return fmt.Errorf("begin segment: %w", err)
	}
	w.retire()
	w.file, w.offset, w.names = f, 0, true
	w.bases.forget()
	w.g.segments = append(w.g.segments, segment{first: w.next, begun: now, since: time.Now()})
	w.advance(int64(len(head)))
	return nil
}

// makeFolder makes the generation's folder, and its cursor in it: on a disk that is full later it can
// still be written over, so that what is acknowledged can be freed, and what is refused can be counted.
func (w *writer) makeFolder() error {
	if w.g.made {
		return nil
	}
	if err := w.disk.MkdirAll(w.g.dir, 0o700); err != nil {
		return fmt.Errorf("begin generation: %w", err)
	}
	w.g.made, w.folder = true, true
	if err := w.g.keepCursor(w.disk, false); err != nil {
		w.g.made = false
		return fmt.Errorf("begin generation: %w", err)
	}
	_ = w.g.keepLost(w.disk, lostAppends{}) // room for a count; without it one stays in memory
	return nil
}

// retire puts the open segment aside; it is closed once it was synced. It may be in a sync under way,
// so it is not closed here.
func (w *writer) retire() {
	if w.file != nil {
		w.files = append(w.files, w.file)
	}
	w.file, w.dirty = nil, false
}

// pending takes what the next sync must cover. The files among it stay with the caller.
func (w *writer) pending() syncing {
	s := syncing{disk: w.disk, dir: w.g.dir, done: w.files, names: w.names, folder: w.folder}
	if w.dirty {
		s.open = w.file
	}
	w.unsynced = unsynced{}
	return s
}

// abandon closes what is open after a failed sync: nobody can say what of it is on the disk, so this
// generation is not written to again.
func (w *writer) abandon() {
	w.retire()
	for _, f := range w.files {
		f.Close()
	}
	w.unsynced = unsynced{}
}

// syncing is one sync under way.
type syncing struct {
	disk   fsys.FS
	dir    string
	done   []fsys.File // closed afterwards
	open   fsys.File
	names  bool
	folder bool
}

// run returns when all of it is on the disk: content first, then the names that lead to it.
func (s syncing) run() error {
	err := s.sync()
	for _, f := range s.done {
		f.Close()
	}
	return err
}

func (s syncing) sync() error {
	for _, f := range append(s.done[:len(s.done):len(s.done)], s.open) {
		if f == nil {
			continue
		}
		if err := f.Sync(); err != nil {
			return fmt.Errorf("sync segment: %w", err)
		}
	}
	if s.names {
		if err := s.disk.SyncDir(s.dir); err != nil {
			return fmt.Errorf("sync generation: %w", err)
		}
	}
	if s.folder {
		for _, dir := range []string{filepath.Dir(s.dir), filepath.Dir(filepath.Dir(s.dir))} {
			if err := s.disk.SyncDir(dir); err != nil {
				return fmt.Errorf("sync buffer: %w", err)
			}
		}
	}
	return nil
}
