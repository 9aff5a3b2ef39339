package schedule

import (
	"path/filepath"

	"github.com/limpet-monitoring/limpet/core/check"
)

// share is what all checks that run one program have together: a cap, and a queue before that of the lanes, in which what the cap keeps waiting holds up
// nobody else.
type share struct {
	cap, held int // held: in a lane's queue, or under way
	queue     queue
}

func newShares(caps map[string]int) map[string]*share {
	shares := make(map[string]*share, len(caps))
	for name, n := range caps {
		shares[name] = &share{cap: n}
	}
	return shares
}

// program is the name by which a check's runs are capped.
func program(c check.Check) string {
	switch {
	case c.Builtin != "":
		return c.Builtin
	case len(c.Command) > 0:
		return filepath.Base(c.Command[0])
	default:
		return c.Plugin
	}
}

// line puts a flight into its lane's queue, or, where as many as may have the same program, into the queue for that.
func (st *state) line(f *flight) {
	if f.share = st.shares[program(st.check(f))]; f.share != nil {
		if f.share.held >= f.share.cap {
			f.waits = true
			f.share.queue.add(f)
			return
		}
		f.share.held++
	}
	st.lanes[f.lane].queue.add(f)
}

// queueOf is where a flight waits that has not started.
func (st *state) queueOf(f *flight) *queue {
	if f.waits {
		return &f.share.queue
	}
	return &st.lanes[f.lane].queue
}

// pass gives a flight's place among those with the same program to the one that has waited longest for it.
func (st *state) pass(f *flight) {
	s := f.share
	if s == nil || f.waits {
		return
	}
	f.share = nil
	s.held--
	if next := s.queue.take(); next != nil {
		next.waits = false
		s.held++
		st.lanes[next.lane].queue.add(next)
	}
}

// takeWaiting removes one that has not started; nil when there is none.
func (st *state) takeWaiting() *flight {
	for _, s := range st.shares {
		if f := s.queue.take(); f != nil {
			return f
		}
	}
	return st.lanes.take()
}

func (st *state) queued() int {
	n := st.lanes.queued()
	for _, s := range st.shares {
		n += s.queue.len()
	}
	return n
}
