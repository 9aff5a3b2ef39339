package schedule

import (
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// urgentInARow is how many urgent runs may go first before one that was due gets its turn: people wait for the former, but cannot
// stop the schedule.
const urgentInARow = 3

// queue holds the runs that wait for the cap: urgent ones (somebody waits for them) and due ones, each in order. As a check waits at most once, no
// check can crowd out another; it holds at most one run per check.
type queue struct {
	urgent, due row
	inARow      int // urgent ones taken since the last due one
}

func (q *queue) len() int { return q.urgent.n + q.due.n }

func (q *queue) add(f *flight) {
	if f.trigger == check.Manual {
		q.urgent.add(f)
	} else {
		q.due.add(f)
	}
}

// take removes the next one; nil when none waits.
func (q *queue) take() *flight {
	if q.urgent.n > 0 && (q.due.n == 0 || q.inARow < urgentInARow) {
		q.inARow++
		return q.urgent.take()
	}
	q.inARow = 0
	return q.due.take()
}

// urge puts one that waits for its turn among the urgent.
func (q *queue) urge(f *flight) {
	if f.place.row == &q.due {
		q.due.remove(f)
		q.urgent.add(f)
	}
}

// row is a line of flights; each knows its place in it, so that leaving from the middle costs no search: a revision may take ten thousand out at once.
type row struct {
	first, last *flight
	n           int
}

// place is where a flight stands in a row; row is nil when it stands in none.
type place struct {
	row           *row
	before, after *flight
}

func (r *row) add(f *flight) {
	f.place = place{row: r, before: r.last}
	if r.last == nil {
		r.first = f
	} else {
		r.last.place.after = f
	}
	r.last = f
	r.n++
}

// take removes the first; nil when there is none.
func (r *row) take() *flight {
	f := r.first
	if f != nil {
		r.remove(f)
	}
	return f
}

// remove takes one out, wherever in the row it stands.
func (r *row) remove(f *flight) {
	before, after := f.place.before, f.place.after
	f.place = place{}
	if before == nil {
		r.first = after
	} else {
		before.place.after = after
	}
	if after == nil {
		r.last = before
	} else {
		after.place.before = before
	}
	r.n--
}

// keptLags is how many are remembered: 8 KiB.
const keptLags = 512

// lags remembers the latest lags, in a ring. Its times are since the first: what has no pointers, and is no more than a page or two, costs an agent at rest
// least (docs/decisions/141-kinds-of-objects.md).
type lags struct {
	began time.Time
	ring  []lag
	n     int // added so far
}

type lag struct{ at, d time.Duration }

func (l *lags) add(at time.Time, d time.Duration) {
	if l.n == 0 {
		l.began, l.ring = at, make([]lag, 0, keptLags)
	}
	x := lag{at.Sub(l.began), d}
	if l.n < keptLags {
		l.ring = append(l.ring, x)
	} else {
		l.ring[l.n%keptLags] = x
	}
	l.n++
}

// quantiles over those not older than LagWindow.
func (l *lags) quantiles(now time.Time) (p50, p99, max time.Duration) {
	recent, at := make([]time.Duration, 0, len(l.ring)), now.Sub(l.began)
	for _, x := range l.ring {
		if at-x.at <= LagWindow {
			recent = append(recent, x.d)
		}
	}
	if len(recent) == 0 {
		return 0, 0, 0
	}
	slices.Sort(recent)
	last := len(recent) - 1
	return recent[last*50/100], recent[(last*99+99)/100], recent[last]
}
