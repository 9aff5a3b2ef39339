package buffer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// segment is one file of a generation, as its owner knows it.
type segment struct {
	first uint64
	size  int64
	begun time.Time // wall time, zero when its header is damaged
	since time.Time // from when on its age counts (monotonic)
	acked time.Time // when all of it was first seen to be acknowledged (monotonic), zero = not yet
}

// generation is a part of the buffer with one writer. The keeper owns it; only reading is the
// reader's (see Next).
type generation struct {
	boot        string // of the machine, as its segments say
	epoch       uint64
	dir         string
	made        bool // the folder exists
	lock        io.Closer
	closed      bool
	segments    []segment // by first seq; the last is the one written to, if any is
	written     uint64    // the last synced seq, 0 = none
	unsynced    int       // records written behind it
	cursor      cursor
	unsure      bool            // the cursor was written and not synced
	found       bool            // the cursor is as it was found: whether it was synced nobody knows
	rejected    map[uint64]bool // what the bus will never take
	owed        bool            // lost runs are not stated yet
	ours        bool            // begun in this life
	warned      bool            // that its cursor could not be written
	dropping    bool            // a cap's gap record is on its way
	opened      time.Time       // monotonic
	settleTried bool            // in this life
	hubLost     uint64          // up to here a loss by the hub was stated
	durable     uint64          // everything up to it was synced by the core that wrote it, as its segments say
	lost        lostAppends     // what its cursor's file counts, not told when it was written
	lostFrom    uint64          // a cap has dropped all from here to the cursor; 0 = nothing that borders on it
	reading     reading
}

func (g *generation) segmentPath(first uint64) string {
	return filepath.Join(g.dir, segmentName(first))
}

// lastOf is the last seq that segment i can hold.
func (g *generation) lastOf(i int) uint64 {
	if i+1 < len(g.segments) {
		return g.segments[i+1].first - 1
	}
	return g.written
}

// holding is the index of the segment that seq would lie in; -1 when it lies before all.
func (g *generation) holding(seq uint64) int {
	return sort.Search(len(g.segments), func(i int) bool { return g.segments[i].first > seq }) - 1
}

func (g *generation) bytes() (n int64) {
	for _, s := range g.segments {
		n += s.size
	}
	return n
}

func (g *generation) unacked() uint64 {
	if g.cursor.acked >= g.written {
		return 0
	}
	return g.written - g.cursor.acked
}

// backlog is about how many bytes are not acknowledged: records are taken to be of one size within a
// segment.
func (g *generation) backlog() (n int64) {
	for i, s := range g.segments {
		last := g.lastOf(i)
		if last < s.first || last <= g.cursor.acked {
			continue
		}
		left := last - max(g.cursor.acked, s.first-1)
		n += int64(float64(s.size) * float64(left) / float64(last-s.first+1))
	}
	return n
}

// oldest is when the first segment with something unacknowledged was begun, zero when there is none.
func (g *generation) oldest() time.Time {
	if i := g.holding(g.cursor.acked + 1); g.unacked() > 0 && i >= 0 {
		return g.segments[i].begun
	}
	return time.Time{}
}

// list reads the names in a generation's folder and its cursor: what is known without reading
// through it. written is not.
func list(d fsys.FS, dir string, epoch uint64) (*generation, error) {
	names, err := d.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list generation %s: %w", filepath.Base(dir), err)
	}
	g := &generation{epoch: epoch, dir: dir, made: true, closed: true, opened: time.Now()}
	for _, name := range names {
		first, ok := parseSegment(name)
		if !ok {
			continue
		}
		s, o, err := describe(d, filepath.Join(dir, name), epoch, first)
		if err != nil {
			return nil, err
		}
		g.boot, g.durable = or(g.boot, o.boot), max(g.durable, o.synced)
		g.segments = append(g.segments, s)
	}
	c, lost, ok, err := readCursor(d, dir)
	if err != nil {
		return nil, err
	}
	g.lost = lost
	if !ok && len(g.segments) > 0 {
		c.acked = g.segments[0].first - 1
	}
	g.cursor, g.unsure, g.found = c, true, true
	return g, nil
}

// describe is a segment's size, and what its header says; ageByClock says how old it is. A file that vanished is one of no size.
func describe(d fsys.FS, name string, epoch, first uint64) (s segment, o opening, err error) {
	s = segment{first: first, since: time.Now()}
	f, err := d.Open(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return s, opening{}, nil
	}
	if err != nil {
		return s, opening{}, fmt.Errorf("open segment %s: %w", name, err)
	}
	defer f.Close()
	if s.size, err = f.Size(); err != nil {
		return s, opening{}, fmt.Errorf("open segment %s: %w", name, err)
	}
	head := make([]byte, segmentHeader)
	n, _ := f.ReadAt(head, 0)
	if o, ok := parseSegmentHeader(head[:n], epoch, first); ok {
		s.begun = o.begun
		return s, o, nil
	}
	return s, opening{}, nil
}

// mostBetween is what may count by the clock between one segment and the next: a box that was off. What the clock says beyond that is as likely a clock that was wrong.
const mostBetween = 24 * time.Hour

// ageByClock says how old the segments of generations, in their order, are: what the clock says now, from segment to segment, and the time since, so that a clock that is
// set while a core runs ages nothing, and one that is ten years off ages by a day.
func ageByClock(generations []*generation, now time.Time) {
	at, age := now, time.Duration(0)
	for _, g := range slices.Backward(generations) {
		for i := range slices.Backward(g.segments) {
			s := &g.segments[i]
			if !s.begun.IsZero() && s.begun.Before(at) {
				age += min(at.Sub(s.begun), mostBetween)
				at = s.begun
			}
			s.since = time.Now().Add(-age)
		}
	}
}

func readCursor(d fsys.FS, dir string) (cursor, lostAppends, bool, error) {
	data, err := fsys.Read(d, filepath.Join(dir, cursorName), 4096)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fsys.ErrTooLarge) {
		return cursor{}, lostAppends{}, false, nil
	}
	if err != nil {
		return cursor{}, lostAppends{}, false, fmt.Errorf("read cursor of %s: %w", filepath.Base(dir), err)
	}
	c, ok := parseCursor(data)
	return c, parseRefused(data), ok, nil
}

// keepCursor writes the cursor; synced where the caller needs it to stand. It goes into the slot that does not hold the one synced last, so
// that no cut takes both.
func (g *generation) keepCursor(d fsys.FS, sync bool) error {
	if !g.made {
		return nil // nothing written, nothing to acknowledge
	}
	f, err := d.Open(filepath.Join(g.dir, cursorName), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("keep cursor: %w", err)
	}
	defer f.Close()
	if g.found {
		if err := g.syncCursor(d, f); err != nil {
			return err
		}
	}
	if !g.unsure {
		g.cursor.slot = 1 - g.cursor.slot
	}
	g.cursor.count++
	g.unsure = true
	if _, err := f.WriteAt(g.cursor.bytes(), int64(g.cursor.slot)*cursorSpacing); err != nil {
		return fmt.Errorf("keep cursor: %w", err)
	}
	if !sync {
		return nil
	}
	return g.syncCursor(d, f)
}

func (g *generation) syncCursor(d fsys.FS, f fsys.File) error {
	if err := f.Sync(); err != nil {
		return fmt.Errorf("keep cursor: %w", err)
	}
	if err := d.SyncDir(g.dir); err != nil {
		return fmt.Errorf("keep cursor: %w", err)
	}
	g.unsure, g.found = false, false
	return nil
}

// settle makes what a killed core wrote durable: files, their names, the folder's name. What that core had synced itself is left out: a thousand files
// are a thousand flushes of the disk.
func (g *generation) settle(d fsys.FS) error {
	for _, s := range g.segments[max(0, g.holding(g.durable+1)):] {
		f, err := d.Open(g.segmentPath(s.first), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("sync segment: %w", err)
		}
		err = f.Sync()
		f.Close()
		if err != nil {
			return fmt.Errorf("sync segment: %w", err)
		}
	}
	for _, dir := range []string{g.dir, filepath.Dir(g.dir)} {
		if err := d.SyncDir(dir); err != nil {
			return fmt.Errorf("sync generation: %w", err)
		}
	}
	return nil
}
