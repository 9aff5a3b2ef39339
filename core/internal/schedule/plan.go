package schedule

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/check/cron"
)

const (
	// firstWithin is how soon a new check runs first: soon enough for the person who waits for it, spread so that a start is no storm.
	firstWithin = time.Second
	// cronLook is the longest sleep while there are cron checks: a step of the wall clock shows after it at the latest.
	cronLook = time.Minute
	// stepSeen is what counts as a step of the wall clock, and not as its being slewed.
	stepSeen = 500 * time.Millisecond
	// stepMadeUp is the greatest step after which cron times are made up for; beyond it a clock is being set right.
	stepMadeUp = 3 * time.Hour
)

// entry is one check and when it is next due.
type entry struct {
	check   check.Check
	times   cron.Times    // of a cron check
	slot    time.Time     // wall time of its next cron time; zero: none
	first   time.Time     // of a cron check that runs at the start too, or again soon: that run, monotonic, until it is due
	phase   time.Duration // of an interval check, in the crowd
	placed  bool          // it is counted there
	anchor  time.Time     // of an interval check: one of its slots, monotonic
	next    time.Time     // monotonic; meaningful while in the heap
	index   int           // in the heap, -1 when not
	slow    bool          // its last run took long
	retries bool          // next is a run between its slots, for a problem that is soft
	fine    bool          // its last result here was OK
	last    time.Time     // the slot it ran for last, monotonic; zero: none yet
	skipped uint64
	shed    uint64 // slots passed over for want of processor time
}

func newEntry(c check.Check) (*entry, error) {
	e := &entry{check: c, index: -1}
	if c.Cron == "" {
		if c.Every <= 0 {
			return nil, fmt.Errorf("no interval and no cron expression")
		}
		return e, nil
	}
	var err error
	e.times, err = cron.Parse(c.Cron)
	return e, err
}

// begin plans an entry that is new at now, with the place h. false: it is never due.
func (e *entry) begin(h uint64, now, wall time.Time) bool {
	if e.check.Cron != "" {
		due := e.planCron(now, wall, wall)
		if e.check.AtStart {
			e.first = now.Add(spread(h, firstWithin))
			e.next = e.first
		}
		return due || e.check.AtStart
	}
	e.anchor = now.Add(untilPhase(h, e.check.Every, wall))
	e.next = now.Add(spread(h, min(firstWithin, e.check.Every)))
	return true
}

// splay is the number that places a check within its interval.
func splay(fingerprint, name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(fingerprint))
	h.Write([]byte{0})
	h.Write([]byte(name))
	return mix(h.Sum64()) // FNV's low bits alone are poorly mixed for names that differ in their last letter
}

func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}

// splay is the check's place among all. The default checks of a box share one: together they cost two milliseconds, and one wake-up,
// one sync and one batch instead of ten (docs/decisions/004-default-checks-together.md). Boxes stay apart.
func (e *entry) splay(fingerprint string) uint64 {
	if e.check.Default {
		return splay(fingerprint, "")
	}
	return splay(fingerprint, e.check.Name)
}

// spread is a whole number of milliseconds below d.
func spread(h uint64, d time.Duration) time.Duration {
	return time.Duration(h%uint64(max(d/time.Millisecond, 1))) * time.Millisecond
}

// untilPhase is the time from wall to the next moment whose distance from the epoch, modulo every, is the phase.
func untilPhase(h uint64, every time.Duration, wall time.Time) time.Duration {
	phase := int64(spread(h, every))
	d := (phase - wall.UnixNano()) % int64(every)
	if d < 0 {
		d += int64(every)
	}
	return time.Duration(d)
}

// slotAfter is the first of the entry's slots after t.
func (e *entry) slotAfter(t time.Time) time.Time {
	every := e.check.Every
	d := t.Sub(e.anchor)
	n := d / every
	if d < 0 && d%every != 0 {
		n--
	}
	return e.anchor.Add((n + 1) * every)
}

// pass moves an interval check that is due at now to its next slot: due is the slot to run for, missed the number of slots before it that
// went by while the process could not run (a suspended box). The slot after a first run is at least half an interval away from it, that after a
// run for a soft problem as far as such runs are apart.
func (e *entry) pass(now time.Time) (due time.Time, missed uint64) {
	every := e.check.Every
	n := now.Sub(e.next) / every
	due = e.next.Add(n * every)
	away := every / 2
	if e.retries {
		away, e.retries = e.check.Retry, false
	}
	e.next = e.slotAfter(due.Add(away - 1))
	if !e.next.After(now) {
		e.next = e.slotAfter(now)
	}
	return due, uint64(n)
}

// planCron sets the next time after a given wall time. false: there is none.
func (e *entry) planCron(now, wall, after time.Time) bool {
	e.slot = e.times.Next(after)
	e.next = now.Add(e.slot.Sub(wall))
	return !e.slot.IsZero()
}

// stepped plans a cron check anew after the wall clock was stepped by so much.
func (e *entry) stepped(now, wall time.Time, by time.Duration) bool {
	if !e.first.IsZero() {
		return true // soon; then it is planned anyway
	}
	if by.Abs() > stepMadeUp {
		return e.planCron(now, wall, wall)
	}
	e.next = now.Add(max(0, e.slot.Sub(wall))) // jumped over: due now; moved away: waited for
	return true
}

// dueHeap orders entries by next (container/heap).
type dueHeap []*entry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].next.Before(h[j].next) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *dueHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}
func (h *dueHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.index = -1
	return e
}
