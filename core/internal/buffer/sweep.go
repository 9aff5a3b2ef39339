package buffer

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

const (
	// ageGrace keeps a core that has just started from dropping anything for its age: the clock may
	// still be set, the hub may still be reached.
	ageGrace = 10 * time.Minute
	// maxGenerations bounds what a hello lists and an open reads, should cores be started again and
	// again with no hub in reach.
	maxGenerations = 1024
	// maxRetained bounds the closed generations kept with nothing left to send.
	maxRetained = 32
	// restatedShare is the part of a segment that a cap drops which may be taken again by the gap records that lay in it, gapSize what one
	// of them takes on disk, in bytes.
	restatedShare = 2
	gapSize       = 72
	// dropRest is how long a cap waits after its gap record could not be written.
	dropRest = time.Minute
)

// sweep frees what nobody needs and enforces the caps.
func (k *keeper) sweep() {
	now := time.Now()
	k.noteAcked(now)
	for _, g := range slices.Clone(k.generations) {
		k.freeRetained(g, now)
	}
	k.freeOver()
	k.dropOver(now)
	k.scheduleSweep()
}

// scheduleSweep sets the timer to the next moment at which a sweep finds something to do; at rest
// with everything acknowledged and freed there is none.
func (k *keeper) scheduleSweep() {
	now := time.Now()
	k.noteAcked(now)
	due := k.nextSweep(now)
	if due.IsZero() {
		k.sweepAt.Stop()
		return
	}
	k.sweepAt.Reset(max(0, due.Sub(now)))
}

func (k *keeper) nextSweep(now time.Time) (due time.Time) {
	sooner := func(t time.Time) {
		if due.IsZero() || t.Before(due) {
			due = t
		}
	}
	over := k.over()
	for _, g := range k.generations {
		switch {
		case k.spent(g):
			sooner(now)
		case !k.droppable(g):
		case over:
			sooner(later(now, k.dropAfter))
		case !g.segments[0].acked.IsZero():
			sooner(g.segments[0].acked.Add(k.o.Retain))
		default:
			sooner(later(k.tooOldAt(g.segments[0]), k.dropAfter))
		}
	}
	return due
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// noteAcked notes when a segment was first seen to be acknowledged as a whole.
func (k *keeper) noteAcked(now time.Time) {
	for _, g := range k.generations {
		for i := range g.segments {
			if s := &g.segments[i]; s.acked.IsZero() && k.free(g, i) && g.lastOf(i) <= g.cursor.acked {
				s.acked = now
			}
		}
	}
}

// free says whether segment i may be removed as far as writing goes: it is not written to, and all of
// it is synced.
func (k *keeper) free(g *generation, i int) bool {
	if i+1 < len(g.segments) {
		return g.segments[i+1].first <= g.written+1
	}
	return g != k.live.g && g.unsynced == 0
}

// droppable says whether the first segment of g is one that a cap may take.
func (k *keeper) droppable(g *generation) bool {
	return len(g.segments) > 0 && !g.dropping && k.free(g, 0)
}

// spent says whether a generation has nothing left.
func (k *keeper) spent(g *generation) bool {
	return g.closed && g.unsynced == 0 && len(g.segments) == 0 && (g.lost.count == 0 || k.strange(g))
}

func (k *keeper) freeRetained(g *generation, now time.Time) {
	for len(g.segments) > 0 && !g.segments[0].acked.IsZero() && now.Sub(g.segments[0].acked) >= k.o.Retain {
		if !k.removeFirst(g) {
			return
		}
	}
	if k.spent(g) {
		k.removeGeneration(g)
	}
}

// freeOver frees acknowledged segments before their time where a cap needs the room.
func (k *keeper) freeOver() {
	if time.Now().Before(k.dropAfter) {
		return
	}
	for k.bytes() > k.o.MaxBytes {
		i := slices.IndexFunc(k.generations, func(g *generation) bool {
			return len(g.segments) > 0 && !g.segments[0].acked.IsZero()
		})
		if i < 0 || !k.removeFirst(k.generations[i]) {
			break
		}
	}
	retained := 0
	for _, g := range slices.Backward(slices.Clone(k.generations)) {
		if g == k.live.g || g.unacked() > 0 || g.unsynced > 0 {
			continue
		}
		if retained++; retained <= maxRetained {
			continue
		}
		for len(g.segments) > 0 && k.removeFirst(g) {
		}
		if k.spent(g) {
			k.removeGeneration(g)
		}
	}
}

// dropOver drops what is not acknowledged, oldest first, where a cap leaves nothing else.
func (k *keeper) dropOver(now time.Time) {
	if now.Before(k.dropAfter) {
		return
	}
	over := k.over()
	for _, g := range slices.Clone(k.generations) {
		if k.droppable(g) && (over || !now.Before(k.tooOldAt(g.segments[0]))) {
			k.drop(g)
			over = false // one at a time: its end sweeps again
		}
	}
}

func (k *keeper) over() bool {
	return k.bytes() > k.o.MaxBytes || len(k.generations) > maxGenerations
}

// tooOldAt is when a segment passes the cap on age.
func (k *keeper) tooOldAt(s segment) time.Time {
	at, grace := s.since.Add(k.o.MaxAge), k.started.Add(ageGrace)
	if at.Before(grace) {
		return grace
	}
	return at
}

// drop removes the first segment of a generation after gap records that say so: one for what is lost with it, and those again that
// lay in it.
func (k *keeper) drop(g *generation) {
	first, last := g.cursor.acked+1, g.lastOf(0)
	if first > last {
		k.removeFirst(g)
		return
	}
	gap := &wire.Gap{Epoch: g.epoch, First: first, Last: last, Cause: causeCap}
	if g.lostFrom > 0 {
		gap.First = g.lostFrom // all since then is lost: one record says it
	}
	g.dropping = true
	k.stateGaps(append(g.gapsIn(k.disk, 0, first, gap), gap), func(err error) {
		g.dropping = false
		if err != nil {
			k.log.Error("cap not enforced", "generation", generationName(g.epoch), "err", err)
			k.dropAfter = time.Now().Add(dropRest)
			return
		}
		k.log.Warn("results dropped, the buffer is full or they are too old",
			"generation", generationName(g.epoch), "first", first, "last", last)
		k.pass(g, first, last)
		if g.cursor.acked == last { // else the hub has it after all
			g.lostFrom = gap.First
		}
		if len(g.segments) > 0 && g.lastOf(0) <= g.cursor.acked {
			k.removeFirst(g)
		}
		k.scheduleSweep()
	})
}

// gapsIn are the gaps that records of segment i state, from seq on, but those that another one covers.
func (g *generation) gapsIn(d fsys.FS, i int, from uint64, covered *wire.Gap) (gaps []*wire.Gap) {
	g.scanSegment(d, i, func(r record) bool {
		item := new(wire.Item)
		if r.kind == kindItem && r.seq >= from && wire.Unmarshal(r.raw, item) == nil && item.GetGap() != nil && !covers(covered, item.GetGap()) {
			gaps = addGap(gaps, item.GetGap())
		}
		return true
	})
	// A cap must gain room: where there is no other way the oldest go unsaid.
	for room := g.segments[i].size / restatedShare; len(gaps) > 0 && int64(len(gaps))*gapSize > room; gaps = gaps[1:] {
	}
	return gaps
}

// addGap adds a gap to others; what another one says, or both can say in one record, is not said twice.
func addGap(gaps []*wire.Gap, gap *wire.Gap) []*wire.Gap {
	if slices.ContainsFunc(gaps, func(g *wire.Gap) bool { return covers(g, gap) }) {
		return gaps
	}
	gaps = slices.DeleteFunc(gaps, func(g *wire.Gap) bool { return covers(gap, g) })
	for _, g := range gaps {
		if g.GetEpoch() == gap.GetEpoch() && g.GetCause() == gap.GetCause() && g.GetLast()+1 == gap.GetFirst() {
			g.Last = gap.GetLast()
			return gaps
		}
	}
	return append(gaps, gap)
}

// covers says whether all that one gap states another states, too.
func covers(wide, narrow *wire.Gap) bool {
	return wide.GetEpoch() == narrow.GetEpoch() && wide.GetFirst() <= narrow.GetFirst() && narrow.GetLast() <= wide.GetLast()
}

// stateGaps appends gap records; then is called when all are synced, or one has failed and the others have ended.
func (k *keeper) stateGaps(gaps []*wire.Gap, then func(error)) {
	left, failed := len(gaps), error(nil)
	for _, gap := range gaps {
		k.state(&wire.Item{Kind: &wire.Item_Gap{Gap: gap}}, func(err error) {
			failed = errors.Join(failed, err)
			if left--; left == 0 {
				then(failed)
			}
		})
	}
}

// pass moves the cursor over records that are lost and stated, durably.
func (k *keeper) pass(g *generation, first, last uint64) {
	if last <= g.cursor.acked {
		return
	}
	k.stats.Dropped += last - max(first-1, g.cursor.acked)
	g.cursor.acked, g.cursor.crc, g.cursor.crcOK = last, 0, false
	for seq := range g.rejected {
		if seq <= last {
			delete(g.rejected, seq)
		}
	}
	if err := g.keepCursor(k.disk, true); err != nil {
		k.log.Warn("cursor not kept", "generation", generationName(g.epoch), "err", err)
	}
	k.wake()
}

// removeFirst removes the first segment and says whether it did. The cursor that allows it is synced
// first: an older one would make of what is removed a loss.
func (k *keeper) removeFirst(g *generation) bool {
	var err error
	if g.unsure {
		err = g.keepCursor(k.disk, true)
	}
	if err == nil {
		err = k.disk.Remove(g.segmentPath(g.segments[0].first))
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		g.segments = slices.Delete(g.segments, 0, 1)
		return true
	}
	k.log.Warn("segment not removed", "generation", generationName(g.epoch), "first", g.segments[0].first, "err", err)
	g.segments[0].since = time.Now() // again when it would have been kept as long
	if !g.segments[0].acked.IsZero() {
		g.segments[0].acked = g.segments[0].since
	}
	k.dropAfter = time.Now().Add(dropRest)
	return false
}

// removeGeneration removes what is left of a closed one. What foreign thing lies in its folder stays,
// and the folder with it.
func (k *keeper) removeGeneration(g *generation) {
	k.generations = slices.DeleteFunc(k.generations, func(x *generation) bool { return x == g })
	k.release(g)
	if g.made {
		k.removeFolder(g)
	}
	k.wake()
}

// removeFolder takes the cursor away only once no segment can come back: one left without it would look as if the hub knew more than
// was ever written.
func (k *keeper) removeFolder(g *generation) {
	if err := k.disk.SyncDir(g.dir); err != nil {
		k.log.Info("old generation stays", "path", g.dir, "err", err)
		return
	}
	for _, name := range []string{filepath.Join(g.dir, cursorName), filepath.Join(g.dir, lockName), g.dir} {
		if err := k.disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			k.log.Info("old generation stays", "path", name, "err", err)
		}
	}
}

func (k *keeper) bytes() (n int64) {
	for _, g := range k.generations {
		n += g.bytes()
	}
	return n
}
