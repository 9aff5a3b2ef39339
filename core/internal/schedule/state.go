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

// flight is one run, waiting or under way.
type flight struct {
	name    string
	trigger check.Trigger
	once    *check.Check // what it runs, where that is none of the schedule's checks
	due     time.Time    // monotonic, zero for a manual run
	dueWall time.Time
	lane    lane
	started bool
	start   time.Time // wall and monotonic, once started
	landed  bool      // out of its lane
	share   *share    // it has, or waits for, a place among those with the same program; nil where they have no cap
	waits   bool      // for such a place
	place   place     // in the queue, while it waits
	tee     *tee
	// elsewhere is set for a run that the core before this one finishes, and closed when it has.
	elsewhere chan struct{}
	result    check.Result // set before it is reported as kept
}

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

// drop ends a flight that has not started.
func (st *state) drop(f *flight, err error) {
	if f.place.row != nil {
		f.place.row.remove(f)
	}
	st.pass(f)
	delete(st.flights, f.name)
	f.tee.finish(check.Result{}, err)
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

func (st *state) skip(e *entry, n uint64) {
	st.skipped += n
	if e != nil {
		e.skipped += n
	}
}

func (st *state) enqueue(f *flight) {
	f.tee = newTee()
	f.lane = quick
	if f.once == nil {
		f.lane = laneOf(st.entries[f.name])
	}
	st.flights[f.name] = f
	st.line(f)
}

// check is what a flight runs.
func (st *state) check(f *flight) check.Check {
	if f.once != nil {
		return *f.once
	}
	return st.entries[f.name].check
}

// fill starts waiting runs up to the caps.
func (st *state) fill(now time.Time) {
	st.lanes.sort(now)
	for {
		f := st.lanes.next()
		if f == nil {
			return
		}
		f.started, f.start = true, now
		st.lanes.enter(f)
		st.running++
		st.runs++
		if f.trigger == check.Scheduled {
			st.lags.add(now, now.Sub(f.due))
		}
		st.launch(f, st.check(f)) // a check that is removed takes its waiting run along
	}
}

// A result waits for a sync of the disk, tens of milliseconds in which its place in the lane would do nothing. So many results, no longer than that,
// may wait without one; what they hold is the bound on memory.
const (
	maxKept     = 1024
	maxKeptText = 4 << 10
)

// over gives the place of a run that has ended to the next.
func (st *state) over(f *flight, light bool) {
	if st.kept < maxKept && light {
		st.kept++
		st.lanes.leave(f)
		st.pass(f)
	}
}

// land takes a finished run in. Who listens hears of it after it counts as over, so that asking again is another run.
func (st *state) land(f *flight) {
	st.running--
	if f.landed {
		st.kept--
	} else {
		st.lanes.leave(f)
		st.pass(f)
	}
	delete(st.flights, f.name)
	if e := st.entries[f.name]; e != nil {
		e.slow = f.result.Duration > slowAfter
		st.stand(e, f, time.Now())
	}
	f.tee.finish(f.result, nil)
	if st.running == 0 {
		for _, c := range st.idle {
			close(c)
		}
		st.idle = nil
	}
}

// runNow joins or queues a run, of a check of the schedule's, or of one that is given. busy is set instead, and closed later, while a run of the check is
// under way elsewhere.
func (st *state) runNow(name string, once *check.Check) (l *listener, joined bool, busy <-chan struct{}, err error) {
	f := st.flights[name]
	joined = f != nil
	switch {
	case joined && f.started && f.elsewhere == nil: // a run in flight can be joined at any time
	case once != nil && st.entries[name] != nil:
		return nil, false, nil, fmt.Errorf("%w: %s is another check here", ErrStopped, name)
	case st.entries[name] == nil && once == nil:
		return nil, false, nil, fmt.Errorf("%w: %s", ErrUnknownCheck, name)
	case st.mode == standby:
		return nil, false, nil, fmt.Errorf("%w: it stands by", ErrStopped)
	case st.mode == draining:
		return nil, false, nil, fmt.Errorf("%w: the agent stops or hands over", ErrStopped)
	case joined && f.started:
		return nil, false, f.elsewhere, nil
	case joined:
		st.queueOf(f).urge(f)
	default:
		f = &flight{name: name, trigger: check.Manual, once: once}
		st.enqueue(f)
	}
	return f.tee.join(), joined, nil, nil
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
