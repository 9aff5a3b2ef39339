package buffer

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"syscall"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// Causes of gaps.
const (
	causeCorrupt  = "corrupt"
	causeCap      = "cap"
	causeRejected = "rejected"
	causeRestored = "restored"
	causeHubLost  = "hub-lost"
	causeCopy     = "copy"
)

// Next is the batch behind the cursor of a generation, not compressed, at most max bytes or one record; nil
// when everything is acknowledged, or the generation is no longer kept. It gives the same batch (or a longer one) until Ack, Reject or
// Resume moved the cursor. What cannot be read is passed over with a gap record.
func (b *Buffer) Next(epoch uint64, max int) (*wire.Batch, error) {
	retried := false
	for {
		v, err := b.view(epoch)
		if errors.Is(err, errNotKept) {
			return nil, nil
		}
		if err != nil || v.from > v.upto {
			return nil, err
		}
		if v.rejected[v.from] {
			if err := b.skip(v.g, v.from, v.from, causeRejected); err != nil {
				return nil, err
			}
			continue
		}
		batch, readable, err := v.pack(max)
		if err != nil {
			return nil, fmt.Errorf("read generation %016x: %w", epoch, err)
		}
		if batch != nil {
			return batch, nil
		}
		if !retried {
			retried = true // a cap may have removed the file between the look and the reading
			continue
		}
		if readable <= v.from {
			return nil, fmt.Errorf("read generation %016x: record %d does not read the same twice", epoch, v.from)
		}
		if err := b.skip(v.g, v.from, readable-1, causeCorrupt); err != nil {
			return nil, err
		}
		retried = false
	}
}

// view is what a reader works on: what stood fast when it looked.
type view struct {
	disk       fsys.FS
	g          *generation // epoch, paths and reading alone
	from, upto uint64
	ackedCRC   uint32
	ackedOK    bool      // ackedCRC is known
	segments   []segment // from the one that holds from on
	rejected   map[uint64]bool
	apart      bool // large records are read without their bytes
}

// view is what lies behind the cursor of a generation.
func (b *Buffer) view(epoch uint64) (view, error) { return b.viewFrom(epoch, 0) }

// viewFrom is a view from seq on, 0 = from behind the cursor on.
func (b *Buffer) viewFrom(epoch, seq uint64) (view, error) {
	var v view
	err := ErrClosed
	b.k.do(func() {
		var g *generation
		if g, err = b.k.find(epoch); err != nil {
			return
		}
		v = view{disk: b.k.disk, g: g, from: seq, upto: g.written, rejected: maps.Clone(g.rejected)}
		v.ackedCRC, v.ackedOK = g.cursor.crc, g.cursor.crcOK
		if seq == 0 {
			v.from = g.cursor.acked + 1
		}
		v.segments = slices.Clone(g.segments[max(0, g.holding(v.from)):])
	})
	return v, err
}

// pack fills a batch from v.from on. Where that record cannot be read it gives none, and the first
// seq behind it that can, or the one behind v.upto. An error: nobody can say what can be read.
func (v *view) pack(limit int) (b *wire.Batch, readable uint64, err error) {
	var p wire.Packer
	var at reading
	want := v.from
	add := func(segment uint64, r record) bool {
		if r.seq != want || v.rejected[r.seq] {
			return false
		}
		if !put(&p, r, limit) {
			return false
		}
		if r.seq == v.from {
			at.begin = place{r.seq, segment, r.offset}
		}
		at.behind = place{r.seq + 1, segment, r.end()}
		at.last, at.crc = r.seq, r.crc
		want++
		return true
	}
	v.apart = true
	more := true
	for i, s := range v.segments {
		if more, err = v.read(i, want, func(r record) bool { return add(s.first, r) }); !more {
			break
		}
	}
	if p.Len() == 0 {
		if err != nil {
			return nil, 0, err
		}
		readable, err = v.firstBehind(v.from)
		return nil, readable, err
	}
	v.g.reading = at // as far as it could be read; what lies behind is asked for next
	b = p.Loose(v.g.epoch)
	b.BootId = v.g.boot
	return b, 0, nil
}

// put puts a record into a batch, if there is room.
func put(p *wire.Packer, r record, limit int) bool {
	if r.apart == nil {
		return p.Add(r.seq, r.raw, limit)
	}
	if p.Len() > 0 {
		return false
	}
	runtime.GC() // what it took on its way to the disk is free by now, and is taken again
	return p.AddLarge(r.seq, r.crc, r.length, r.apart)
}

// firstBehind is the first seq from want on that some segment holds, or the one behind all.
func (v *view) firstBehind(want uint64) (found uint64, err error) {
	found = v.upto + 1
	for i := range v.segments {
		more, err := v.read(i, want, func(r record) bool { found = r.seq; return false })
		if err != nil {
			return 0, err
		}
		if !more {
			break
		}
	}
	return found, nil
}

// read gives the items of segment i with seqs from want to v.upto to each, and says whether each
// never said false. A segment that is gone, or that the disk does not give any more, is one without a record; one that cannot be opened now is an error, and no loss.
func (v *view) read(i int, want uint64, each func(record) bool) (more bool, err error) {
	first := v.segments[i].first
	f, err := v.disk.Open(v.g.segmentPath(first), os.O_RDONLY, 0)
	if passes(err) {
		return false, err
	}
	if err != nil {
		return true, nil
	}
	defer f.Close()
	limit := v.upto
	if i+1 < len(v.segments) {
		limit = min(limit, v.segments[i+1].first-1)
	}
	s := newScan(f, v.segments[i].size, v.g.epoch, first)
	s.apart = v.apart
	if at, ok := v.g.reading.placeOf(first, want); ok {
		s.offset, s.last = at, want-1
	}
	for {
		r, ok := s.next()
		if !ok || r.kind == kindItem && r.seq > limit {
			return true, nil
		}
		if r.kind == kindItem && r.seq >= want && !each(r) {
			return false, nil
		}
	}
}

// passes says whether an error of opening a file says nothing of the file: another try may do.
func passes(err error) bool {
	return Closed(err) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

// skip states that records are lost and moves the cursor over them.
func (b *Buffer) skip(g *generation, first, last uint64, cause string) error {
	b.k.log.Warn("results lost", "generation", generationName(g.epoch), "first", first, "last", last, "cause", cause)
	gap := &wire.Gap{Epoch: g.epoch, First: first, Last: last, Cause: cause}
	if err := b.Append(&wire.Item{Kind: &wire.Item_Gap{Gap: gap}}); err != nil {
		return fmt.Errorf("state gap %d to %d: %w", first, last, err)
	}
	b.k.do(func() {
		b.k.pass(g, first, last)
		b.k.scheduleSweep()
	})
	return nil
}

// reading is what is known of where records lie, so that the next batch is found without reading from
// the segment's beginning. It belongs to the caller of Next.
type reading struct {
	begin, behind place // of the batch given last
	last          uint64
	crc           uint32 // of the record last
}

// place is where a record's header stands.
type place struct {
	seq, segment uint64
	offset       int64
}

func (p *reading) placeOf(segment, seq uint64) (offset int64, ok bool) {
	for _, at := range []place{p.begin, p.behind} {
		if at.seq == seq && at.segment == segment && at.offset > 0 {
			return at.offset, true
		}
	}
	return 0, false
}
