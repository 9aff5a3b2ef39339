package schedule

import (
	"container/heap"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// mode is where the schedule is in its life.
type mode int

const (
	standby  mode = iota // knows its checks, starts nothing
	active               // starts what is due
	draining             // starts nothing any more
)

// state is everything the schedule knows. Loop's goroutine alone touches it.
type state struct {
	options Options
	launch  func(*flight, check.Check)
	mode    mode
	entries map[string]*entry
	due     dueHeap
	crons   int                // entries with a cron expression
	flights map[string]*flight // by name: one check is never run twice at once
	crowd   crowd
	running int // under way, or being delivered
	kept    int // of those, out of their lanes
	lanes   lanes
	shares  map[string]*share
	idle    []chan struct{} // closed when nothing runs
	shift   time.Duration   // wall clock less monotonic clock, from origin
	origin  time.Time
	runs    uint64
	skipped uint64
	missed  uint64 // of those, while the check waited
	shed    uint64
	budget  budget
	lags    lags
}

func newState(o Options) *state {
	st := &state{options: o, mode: active, entries: map[string]*entry{}, flights: map[string]*flight{}, crowd: crowd{}, lanes: newLanes(o.Concurrency), shares: newShares(o.Caps), origin: time.Now()}
	if o.Standby {
		st.mode = standby
	}
	st.shift = st.wallShift(st.origin)
	return st
}

// wall is the wall clock without the monotonic reading.
func (st *state) wall() time.Time { return st.options.Wall().Round(0) }

func (st *state) wallShift(now time.Time) time.Duration {
	return st.wall().Sub(st.origin.Round(0)) - now.Sub(st.origin)
}

func (st *state) set(wanted map[string]*entry, now time.Time) {
	st.noticeStep(now) // the new ones are planned by the clock as it is now
	for name, e := range st.entries {
		if wanted[name] == nil {
			st.remove(e)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) { // in this order, so that the same checks find the same places
		e, old := wanted[name], st.entries[name]
		if old != nil && old.check.Equal(e.check) {
			continue
		}
		if old != nil {
			e.skipped, e.shed, e.slow = old.skipped, old.shed, old.slow
			st.forget(old)
		}
		st.entries[name] = e
		if e.check.Cron != "" {
			st.crons++
		}
		if st.mode == active {
			st.plan(e, now)
		}
	}
}

func (st *state) plan(e *entry, now time.Time) {
	wall := st.wall()
	h := e.splay(st.options.Fingerprint)
	if e.check.Cron == "" && !e.check.Default {
		h = st.crowd.choose(h, e.check.Every)
	}
	if e.begin(h, now, wall) {
		heap.Push(&st.due, e)
	}
	st.settle(e, now, wall)
}

// settle notes where an interval check has its place. The default checks of a box are in one place on purpose.
func (st *state) settle(e *entry, now, wall time.Time) {
	if e.check.Cron != "" || e.check.Default {
		return
	}
	every := int64(e.check.Every)
	phase := (wall.UnixNano() + int64(e.anchor.Sub(now))) % every
	e.phase = time.Duration((phase + every) % every)
	st.crowd.add(e.phase, e.check.Every, 1)
	e.placed = true
}

// remove drops an entry and what of it waits; what runs is finished.
func (st *state) remove(e *entry) {
	st.forget(e)
	if f := st.flights[e.check.Name]; f != nil && !f.started {
		st.drop(f, fmt.Errorf("%w: %s was removed while it waited", ErrUnknownCheck, f.name))
	}
}

func (st *state) forget(e *entry) {
	delete(st.entries, e.check.Name)
	if e.index >= 0 {
		heap.Remove(&st.due, e.index)
	}
	if e.check.Cron != "" {
		st.crons--
	}
	if e.placed {
		st.crowd.add(e.phase, e.check.Every, -1)
		e.placed = false
	}
}

func (st *state) drain() {
	st.mode = draining
	for _, e := range slices.Clone(st.due) {
		heap.Remove(&st.due, e.index)
	}
	for f := st.takeWaiting(); f != nil; f = st.takeWaiting() {
		if f.trigger == check.Scheduled {
			st.skip(st.entries[f.name], 1)
		}
		st.drop(f, fmt.Errorf("%w: the agent stops or hands over", ErrStopped))
	}
}

// whenIdle closes c as soon as nothing runs.
func (st *state) whenIdle(c chan struct{}) {
	if st.running == 0 {
		close(c)
		return
	}
	st.idle = append(st.idle, c)
}

// advance starts what is due at now, and says how long to sleep. false: until something is sent.
func (st *state) advance(now time.Time) (time.Duration, bool) {
	if st.crons > 0 {
		st.noticeStep(now)
	}
	for len(st.due) > 0 && !st.due[0].next.After(now) {
		st.fire(st.due[0], now)
	}
	st.fill(now)
	wait, some := st.lanes.wait(now)
	if len(st.due) > 0 {
		next := st.due[0].next.Sub(now)
		if st.crons > 0 {
			next = min(next, cronLook)
		}
		if !some || next < wait {
			wait, some = next, true
		}
	}
	return wait, some
}

// noticeStep plans the cron checks anew when the wall clock was stepped.
func (st *state) noticeStep(now time.Time) {
	shift := st.wallShift(now)
	by := shift - st.shift
	if by.Abs() < stepSeen {
		return
	}
	st.shift = shift
	wall := st.wall()
	for _, e := range st.entries {
		if e.check.Cron == "" || e.index < 0 {
			continue
		}
		if e.stepped(now, wall, by) {
			heap.Fix(&st.due, e.index)
		} else {
			heap.Remove(&st.due, e.index)
		}
	}
}

// fire queues a run for an entry that is due, and moves it to its next slot.
func (st *state) fire(e *entry, now time.Time) {
	var due, dueWall time.Time
	again := true
	wall := st.wall()
	switch {
	case !e.first.IsZero():
		due, dueWall = e.first, wall.Add(e.first.Sub(now))
		e.first, e.retries = time.Time{}, false
		again = e.planCron(now, wall, wall)
	case e.check.Cron != "":
		if e.slot.After(wall) { // slewed while we slept: not there yet
			e.next = now.Add(e.slot.Sub(wall))
			heap.Fix(&st.due, e.index)
			return
		}
		due, dueWall = e.next, e.slot
		again = e.planCron(now, wall, wall)
	default:
		var missed uint64
		between := e.retries
		due, missed = e.pass(now)
		dueWall = wall.Add(due.Sub(now))
		st.skip(e, missed)
		if !between && st.sheds(e, due) {
			e.shed++
			st.shed++
			heap.Fix(&st.due, e.index)
			return
		}
	}
	if again {
		heap.Fix(&st.due, e.index)
	} else {
		heap.Remove(&st.due, e.index)
	}
	if st.flights[e.check.Name] != nil {
		st.skip(e, 1)
		return
	}
	e.last = due
	st.enqueue(&flight{name: e.check.Name, trigger: check.Scheduled, due: due, dueWall: dueWall})
}

// skip counts slots of a check that passed. Unless it was running all the while, which is its own affair, or the next core has it, they are missed.
func (st *state) skip(e *entry, n uint64) {
	st.skipped += n
	if e == nil {
		return
	}
	e.skipped += n
	if f := st.flights[e.check.Name]; st.mode != draining && (f == nil || !f.started) {
		st.missed += n
	}
}

func (st *state) stats(now time.Time) Stats {
	x := Stats{Checks: len(st.entries), Running: st.running, Queued: st.queued(), Runs: st.runs, Skipped: st.skipped, Shed: st.shed}
	x.LagP50, x.LagP99, x.LagMax = st.lags.quantiles(now)
	return x
}

func (st *state) list(now time.Time) []Entry {
	all := make([]Entry, 0, len(st.entries))
	for name, e := range st.entries {
		x := Entry{Check: e.check, Skipped: e.skipped, Shed: e.shed}
		if e.index >= 0 {
			x.Next = st.wall().Add(e.next.Sub(now))
		}
		if f := st.flights[name]; f != nil {
			x.Running, x.Queued, x.Capped, x.Began = f.started, !f.started, f.waits, f.start
		}
		all = append(all, x)
	}
	return all
}
