package schedule

import (
	"fmt"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
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

// drop ends a flight that has not started.
func (st *state) drop(f *flight, err error) {
	if f.place.row != nil {
		f.place.row.remove(f)
	}
	st.pass(f)
	delete(st.flights, f.name)
	f.tee.finish(check.Result{}, err)
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
