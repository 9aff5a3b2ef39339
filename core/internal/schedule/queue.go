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
	urgent, due []*flight
	row         int // urgent ones taken since the last due one
}

func (q *queue) len() int { return len(q.urgent) + len(q.due) }

func (q *queue) add(f *flight) {
	if f.trigger == check.Manual {
		q.urgent = append(q.urgent, f)
	} else {
		q.due = append(q.due, f)
	}
}

// take removes the next one; nil when none waits.
func (q *queue) take() *flight {
	if len(q.urgent) > 0 && (len(q.due) == 0 || q.row < urgentInARow) {
		q.row++
		return shift(&q.urgent)
	}
	q.row = 0
	return shift(&q.due)
}

// urge puts one that waits for its turn among the urgent.
func (q *queue) urge(f *flight) {
	if i := slices.Index(q.due, f); i >= 0 {
		q.due = slices.Delete(q.due, i, i+1)
		q.urgent = append(q.urgent, f)
	}
}

func (q *queue) remove(f *flight) {
	is := func(x *flight) bool { return x == f }
	q.urgent = slices.DeleteFunc(q.urgent, is)
	q.due = slices.DeleteFunc(q.due, is)
}

func shift(fs *[]*flight) *flight {
	if len(*fs) == 0 {
		return nil
	}
	f := (*fs)[0]
	(*fs)[0] = nil
	*fs = (*fs)[1:]
	return f
}

// lags remembers the latest lags, in a ring.
type lags struct {
	ring [512]lag
	n    int // added so far
}

type lag struct {
	at time.Time
	d  time.Duration
}

func (l *lags) add(at time.Time, d time.Duration) {
	l.ring[l.n%len(l.ring)] = lag{at, d}
	l.n++
}

// quantiles over those not older than LagWindow.
func (l *lags) quantiles(now time.Time) (p50, p99, max time.Duration) {
	var recent []time.Duration
	for _, x := range l.ring[:min(l.n, len(l.ring))] {
		if now.Sub(x.at) <= LagWindow {
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
