package schedule

import (
	"container/heap"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// stand takes in where a result put its check: a problem that is soft is looked at again sooner.
func (st *state) stand(e *entry, f *flight, now time.Time) {
	s := f.result.Standing
	if s.Attempt == 0 || st.mode != active {
		return
	}
	e.fine = s.State == check.OK
	switch {
	case !s.IsHard() && e.check.Retry > 0:
		st.retry(e, f, now)
	case e.retries: // a run that somebody asked for came before it
		st.settled(e, now)
	}
}

// retry has an entry run again after its interval for soft problems, unless it is due sooner anyway. It is counted from when the run was due, so that what is due every
// 10 s is due every 10 s; times that have passed by the run's end are none.
func (st *state) retry(e *entry, f *flight, now time.Time) {
	from := f.due
	if from.IsZero() {
		from = f.start
	}
	next := from.Add((now.Sub(from)/e.check.Retry + 1) * e.check.Retry)
	if e.index >= 0 && !next.Before(e.next) {
		return
	}
	e.next, e.retries = next, true
	if e.check.Cron != "" {
		e.first = next
	}
	if e.index < 0 {
		heap.Push(&st.due, e)
	} else {
		heap.Fix(&st.due, e.index)
	}
}

// settled takes back a run that was to come between an entry's slots.
func (st *state) settled(e *entry, now time.Time) {
	e.retries = false
	due := true
	if e.check.Cron != "" {
		wall := st.wall()
		e.first = time.Time{}
		due = e.planCron(now, wall, wall)
	} else {
		e.next = e.slotAfter(now)
	}
	if due {
		heap.Fix(&st.due, e.index)
	} else {
		heap.Remove(&st.due, e.index)
	}
}

// sheds says whether a slot is passed over for want of processor time. Never: what is a problem, or not known yet to be none; what comes by cron, for a time of day is meant; the
// default checks, which cost nothing and say how the box is.
func (st *state) sheds(e *entry, due time.Time) bool {
	apart := st.budget.apart(e.check.Importance)
	return apart > e.check.Every && e.fine && !e.check.Default && !e.last.IsZero() && due.Sub(e.last) < apart
}
