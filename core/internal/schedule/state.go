package schedule

import (
	"container/heap"
	"fmt"
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
	due     time.Time // monotonic, zero for a manual run
	dueWall time.Time
	started bool
	start   time.Time // wall and monotonic, once started
	tee     *tee
	// elsewhere is set for a run that the core before this one finishes, and closed when it has.
	elsewhere chan struct{}
	result    check.Result // set by the run's goroutine before it lands
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
	running int
	queue   queue
	idle    []chan struct{} // closed when nothing runs
	shift   time.Duration   // wall clock less monotonic clock, from origin
	origin  time.Time
	runs    uint64
	skipped uint64
	lags    lags
}

func newState(o Options) *state {
	st := &state{options: o, mode: active, entries: map[string]*entry{}, flights: map[string]*flight{}, origin: time.Now()}
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
	for name, e := range wanted {
		old := st.entries[name]
		if old != nil && old.check.Equal(e.check) {
			continue
		}
		if old != nil {
			e.skipped = old.skipped
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
	if e.begin(st.options.Fingerprint, now, st.wall()) {
		heap.Push(&st.due, e)
	}
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
}

// drop ends a flight that has not started.
func (st *state) drop(f *flight, err error) {
	st.queue.remove(f)
	delete(st.flights, f.name)
	f.tee.finish(check.Result{}, err)
}

func (st *state) drain() {
	st.mode = draining
	for _, e := range slices.Clone(st.due) {
		heap.Remove(&st.due, e.index)
	}
	for f := st.queue.take(); f != nil; f = st.queue.take() {
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
	if len(st.due) == 0 {
		return 0, false
	}
	wait := st.due[0].next.Sub(now)
	if st.crons > 0 {
		wait = min(wait, cronLook)
	}
	return wait, true
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
	if e.check.Cron != "" {
		if e.slot.After(wall) { // slewed while we slept: not there yet
			e.next = now.Add(e.slot.Sub(wall))
			heap.Fix(&st.due, e.index)
			return
		}
		due, dueWall = e.next, e.slot
		again = e.planCron(now, wall, wall)
	} else {
		var missed uint64
		due, missed = e.pass(now)
		dueWall = wall.Add(due.Sub(now))
		st.skip(e, missed)
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
	st.flights[f.name] = f
	st.queue.add(f)
}

// fill starts waiting runs up to the cap.
func (st *state) fill(now time.Time) {
	for st.running < st.options.Concurrency {
		f := st.queue.take()
		if f == nil {
			return
		}
		e := st.entries[f.name] // a check that is removed takes its waiting run along
		f.started, f.start = true, now
		st.running++
		st.runs++
		if f.trigger == check.Scheduled {
			st.lags.add(now, now.Sub(f.due))
		}
		st.launch(f, e.check)
	}
}

// land takes a finished run in. Who listens hears of it after it counts as over, so that asking again is another run.
func (st *state) land(f *flight) {
	st.running--
	delete(st.flights, f.name)
	f.tee.finish(f.result, nil)
	if st.running == 0 {
		for _, c := range st.idle {
			close(c)
		}
		st.idle = nil
	}
}

// runNow joins or queues a run. busy is set instead, and closed later, while a run of the check is under way elsewhere.
func (st *state) runNow(name string) (l *listener, joined bool, busy <-chan struct{}, err error) {
	f := st.flights[name]
	joined = f != nil
	switch {
	case joined && f.started && f.elsewhere == nil: // a run in flight can be joined at any time
	case st.entries[name] == nil:
		return nil, false, nil, fmt.Errorf("%w: %s", ErrUnknownCheck, name)
	case st.mode == standby:
		return nil, false, nil, fmt.Errorf("%w: it stands by", ErrStopped)
	case st.mode == draining:
		return nil, false, nil, fmt.Errorf("%w: the agent stops or hands over", ErrStopped)
	case joined && f.started:
		return nil, false, f.elsewhere, nil
	case joined:
		st.queue.urge(f)
	default:
		f = &flight{name: name, trigger: check.Manual}
		st.enqueue(f)
	}
	return f.tee.join(), joined, nil, nil
}

func (st *state) stats(now time.Time) Stats {
	x := Stats{Checks: len(st.entries), Running: st.running, Queued: st.queue.len(), Runs: st.runs, Skipped: st.skipped}
	x.LagP50, x.LagP99, x.LagMax = st.lags.quantiles(now)
	return x
}

func (st *state) list(now time.Time) []Entry {
	all := make([]Entry, 0, len(st.entries))
	for name, e := range st.entries {
		x := Entry{Check: e.check, Skipped: e.skipped}
		if e.index >= 0 {
			x.Next = st.wall().Add(e.next.Sub(now))
		}
		if f := st.flights[name]; f != nil {
			x.Running, x.Queued = f.started, !f.started
		}
		all = append(all, x)
	}
	return all
}
