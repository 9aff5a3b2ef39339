package schedule

import (
	"slices"
	"time"
)

// lane is one of the ways to run, each with a cap and a queue of its own, so that what is slow in one holds up nothing in another.
type lane int

const (
	inside lane = iota // checks that come with the agent: they start no process
	quick              // plugins
	slow               // plugins whose last run took long, and runs that take long
	allLanes
)

const (
	// slowAfter is when a run counts as slow: plugins mostly take milliseconds.
	slowAfter = time.Second
	// slowTimes is how many times the cap may run in the slow lane: what is slow mostly waits.
	slowTimes = 4
)

// lanes is what waits and what runs in each.
type lanes [allLanes]struct {
	cap     int
	running int
	queue   queue
	order   []*flight // under way, in the order of their starts; kept for the quick lane
}

func newLanes(concurrency int) lanes {
	var l lanes
	l[inside].cap, l[quick].cap, l[slow].cap = concurrency, concurrency, slowTimes*concurrency
	return l
}

func laneOf(e *entry) lane {
	switch {
	case e == nil || e.check.Builtin != "":
		return inside
	case e.slow:
		return slow
	default:
		return quick
	}
}

// next is the next one that may start; nil when none may.
func (l *lanes) next() *flight {
	for i := range l {
		if l[i].running < l[i].cap {
			if f := l[i].queue.take(); f != nil {
				return f
			}
		}
	}
	return nil
}

// take removes the next one that waits, whether it may start or not.
func (l *lanes) take() *flight {
	for i := range l {
		if f := l[i].queue.take(); f != nil {
			return f
		}
	}
	return nil
}

func (l *lanes) queued() (n int) {
	for i := range l {
		n += l[i].queue.len()
	}
	return n
}

func (l *lanes) enter(f *flight) {
	l[f.lane].running++
	if f.lane != quick {
		return
	}
	q := &l[quick]
	if len(q.order) >= 4*q.cap { // behind one that may not move on
		q.order = slices.DeleteFunc(q.order, func(f *flight) bool { return f.landed })
	}
	q.order = append(q.order, f)
}

func (l *lanes) leave(f *flight) {
	l[f.lane].running--
	f.landed = true
}

// sort moves runs that have become slow out of the quick lane, as long as the slow one has room.
func (l *lanes) sort(now time.Time) {
	q := &l[quick]
	for len(q.order) > 0 {
		f := q.order[0]
		if !f.landed {
			if now.Sub(f.start) < slowAfter || l[slow].running >= l[slow].cap {
				return
			}
			q.running--
			f.lane = slow
			l[slow].running++
		}
		q.order[0] = nil
		q.order = q.order[1:]
	}
	q.order = nil
}

// wait is how long until a run under way makes room for one that waits by becoming slow. false: none will.
func (l *lanes) wait(now time.Time) (time.Duration, bool) {
	q := &l[quick]
	if q.queue.len() == 0 || l[slow].running >= l[slow].cap {
		return 0, false
	}
	for _, f := range q.order {
		if !f.landed {
			return max(slowAfter-now.Sub(f.start), 0), true
		}
	}
	return 0, false
}
