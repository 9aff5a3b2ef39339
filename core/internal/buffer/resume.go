package buffer

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// Verdict is what a hub's watermark means, see docs/results.md.
type Verdict string

// The verdicts.
const (
	Equal    Verdict = "equal"    // nothing happened
	Ahead    Verdict = "ahead"    // an ack was lost: the cursor moved
	Behind   Verdict = "behind"   // the hub lost something: it is sent again
	Restored Verdict = "restored" // this agent was restored: the rest goes to a new epoch
)

// watermark is what the bus holds of a generation: its last seq, 0 = nothing, and that record's
// checksum.
type watermark struct {
	seq uint64
	crc uint32
}

// standing is what a generation knows of itself when a watermark comes.
type standing struct {
	acked, written uint64
	// same says whether the record at the watermark is the one kept here; true also when nobody can
	// tell any more.
	same bool
}

// judge compares; it is the table of docs/results.md.
func judge(s standing, w watermark) Verdict {
	switch {
	case w.seq > s.written, !s.same:
		return Restored
	case w.seq == s.acked:
		return Equal
	case w.seq > s.acked:
		return Ahead
	default:
		return Behind
	}
}

// Resume compares what the bus holds of a generation with the cursor, at the start of a session,
// before its first Next. After Restored the generation is gone: what it held unacknowledged is in
// another one (see Generations).
func (b *Buffer) Resume(epoch, seq uint64, crc uint32) (Verdict, error) {
	w := watermark{seq, crc}
	s, err := b.standing(epoch, w)
	if err != nil {
		return "", err
	}
	v := judge(s, w)
	switch v {
	case Restored:
		return v, b.restore(epoch)
	case Behind:
		return v, b.rewind(epoch, w)
	default:
		return v, b.moveTo(epoch, w)
	}
}

func (b *Buffer) standing(epoch uint64, w watermark) (standing, error) {
	v, err := b.view(epoch)
	if err != nil {
		return standing{}, err
	}
	s := standing{acked: v.from - 1, written: v.upto, same: true}
	if w.seq == 0 || w.seq > s.written {
		return s, nil
	}
	if w.seq == s.acked && v.ackedOK {
		s.same = v.ackedCRC == w.crc
		return s, nil
	}
	if crc, ok := b.crcOf(epoch, w.seq); ok {
		s.same = crc == w.crc
	}
	return s, nil
}

// crcOf is the checksum of a record, if it can still be read.
func (b *Buffer) crcOf(epoch, seq uint64) (crc uint32, ok bool) {
	v, err := b.viewFrom(epoch, seq)
	if err != nil {
		return 0, false
	}
	for i := range v.segments[:min(1, len(v.segments))] {
		v.read(i, seq, func(r record) bool {
			crc, ok = r.crc, r.seq == seq
			return false
		})
	}
	return crc, ok
}

// moveTo sets the cursor to the watermark, at it or ahead of it.
func (b *Buffer) moveTo(epoch uint64, w watermark) error {
	err := ErrClosed
	b.k.do(func() {
		var g *generation
		if g, err = b.k.find(epoch); err == nil && w.seq > 0 {
			b.k.acknowledge(g, w.seq, w.crc, true)
		}
	})
	return err
}

// rewind sets the cursor back: what the hub lost is sent again, as far as it is still kept; the rest is
// stated once.
func (b *Buffer) rewind(epoch uint64, w watermark) error {
	var g *generation
	var first, last uint64
	err := ErrClosed
	b.k.do(func() {
		if g, err = b.k.find(epoch); err != nil {
			return
		}
		to := w.seq
		if len(g.segments) > 0 {
			to = max(to, g.segments[0].first-1)
		} else {
			to = max(to, g.written)
		}
		first, last = max(w.seq, g.hubLost)+1, to
		g.hubLost = max(g.hubLost, to)
		g.lostFrom = 0
		g.cursor.acked, g.cursor.crc, g.cursor.crcOK = to, w.crc, to == w.seq && to > 0
		for i := range g.segments {
			if g.lastOf(i) > to {
				g.segments[i].acked = time.Time{}
			}
		}
		err = g.keepCursor(b.k.disk, false)
	})
	if err != nil || first > last {
		return err
	}
	return b.skip(g, first, last, causeHubLost)
}

// restore moves what a generation holds unacknowledged to a new one, marked by the gap record it begins
// with, and forgets the old one: the bus holds other records under its numbers.
func (b *Buffer) restore(epoch uint64) error {
	var old *generation
	var fresh uint64
	err := ErrClosed
	b.k.do(func() {
		if old, err = b.k.find(epoch); err != nil {
			return
		}
		if old == b.k.live.g {
			err = b.k.split()
		}
		fresh = b.k.newEpoch()
	})
	if err != nil {
		return fmt.Errorf("restore generation %016x: %w", epoch, err)
	}
	// When this event is synced, so is everything written before it: old stands fast.
	if err := b.Append(restoredEvent(epoch, b.k.o.Now())); err != nil {
		return fmt.Errorf("restore generation %016x: %w", epoch, err)
	}
	v, err := b.view(epoch)
	if err != nil {
		return err
	}
	var made *generation
	if v.from <= v.upto {
		gap := &wire.Gap{Epoch: epoch, First: v.from, Last: v.upto, Cause: causeRestored}
		if made, err = b.copy(v, fresh, &wire.Item{Kind: &wire.Item_Gap{Gap: gap}}); err != nil {
			return fmt.Errorf("restore generation %016x: %w", epoch, err)
		}
	}
	b.k.do(func() {
		if made != nil {
			b.k.adopt(made)
		}
		// Durably before the first segment goes: what a cut leaves of the others must not be sent again.
		old.cursor.acked, old.cursor.crc, old.cursor.crcOK = old.written, 0, false
		old.unsure = true
		for len(old.segments) > 0 && b.k.removeFirst(old) {
		}
		if b.k.spent(old) {
			b.k.removeGeneration(old)
		}
		b.k.scheduleSweep()
	})
	return nil
}

func restoredEvent(epoch uint64, now time.Time) *wire.Item {
	return &wire.Item{Kind: &wire.Item_Event{Event: &wire.Event{
		Kind: "restored",
		Text: fmt.Sprintf("the hub knows other results under this agent's numbers (%016x): it was restored from a copy; results not acknowledged may come twice", epoch),
		AtNs: now.UnixNano(),
	}}}
}

// copy writes the records of v anew as a generation of its own that begins with the items given, synced when it returns. It touches
// nothing of the keeper's.
func (b *Buffer) copy(v view, epoch uint64, before ...*wire.Item) (*generation, error) {
	g := &generation{
		epoch: epoch, dir: filepath.Join(b.k.o.Dir, generationName(epoch)), closed: true, boot: v.g.boot, opened: time.Now(),
		ours: true, cursor: cursor{owner: b.k.o.Owner},
	}
	w := newWriter(b.k.disk, g, b.k.o.SegmentBytes)
	defer w.abandon()
	if err := w.makeFolder(); err != nil {
		return nil, err
	}
	if b.k.o.Lock != nil {
		var err error
		if g.lock, err = b.k.o.Lock(filepath.Join(g.dir, lockName)); err != nil {
			return nil, err
		}
	}
	err := b.fill(w, v, before)
	if err == nil {
		g.written, g.cursor.settled = w.next-1, true
		err = g.keepCursor(b.k.disk, true)
	}
	if err != nil && g.lock != nil {
		g.lock.Close()
	}
	return g, err
}

// maxUnsyncedFiles bounds the files that a copy holds open.
const maxUnsyncedFiles = 4

func (b *Buffer) fill(w *writer, v view, before []*wire.Item) error {
	put := func(i *wire.Item) error {
		i.Seq = w.next
		payload, err := wire.Marshal(i)
		if err != nil {
			return err
		}
		x, _ := runOf(i)
		if err := w.write(entry{kind: kindItem, seq: w.next, check: x.check, payload: payload}, nil, b.k.o.Now()); err != nil {
			return err
		}
		w.next++
		if len(w.files) >= maxUnsyncedFiles {
			return w.pending().run()
		}
		return nil
	}
	var err error
	for _, i := range before {
		err = errors.Join(err, put(i))
	}
	for i := range v.segments {
		if err != nil {
			break
		}
		_, unread := v.read(i, v.from, func(r record) bool {
			item := new(wire.Item)
			if wire.Unmarshal(r.raw, item) == nil {
				err = put(item)
			}
			return err == nil
		})
		err = errors.Join(err, unread)
	}
	if err != nil {
		return err
	}
	return w.pending().run()
}
