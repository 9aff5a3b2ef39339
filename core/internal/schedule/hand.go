package schedule

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// resumeWithin is how late a slot that was taken over may be and still be run for as such; past it the check is run like one that
// is new, spread over a second, for then all of a box's checks are late.
const resumeWithin = 10 * time.Second

// Slot is where a check stands in its times.
type Slot struct {
	Name   string
	Every  time.Duration // of an interval check, else 0
	Cron   string        // of a cron check, else ""
	Anchor time.Time     // of an interval check: one of its slots, monotonic
	Next   time.Time     // when it is due, monotonic; past for one that was due and waited for the cap
	Wall   time.Time     // of a cron check: the wall time it is due at
}

// Flight is one run under way.
type Flight struct {
	Name    string
	Start   time.Time // wall and monotonic
	Timeout time.Duration
}

// Plan is what one schedule hands to the next: where each check stands, and what is still under way.
type Plan struct {
	Slots   []Slot
	Flights []Flight
}

// Snapshot says where each check stands. It changes nothing.
func (s *Schedule) Snapshot(ctx context.Context) (Plan, error) {
	var p Plan
	err := s.do(ctx, func(st *state) { p = st.snapshot() })
	return p, err
}

// HandOver ends the schedule between two starts: nothing new is started from now on, and the plan says where each check stands.
// What was due and waited for the cap is due in the plan. Runs under way go on; Drain waits for them. Asked again, or in standby, the
// plan is empty.
func (s *Schedule) HandOver(ctx context.Context) (Plan, error) {
	var p Plan
	err := s.do(ctx, func(st *state) {
		if st.mode != active {
			return
		}
		p = st.snapshot()
		st.mode = draining
		for f := st.takeWaiting(); f != nil; f = st.takeWaiting() {
			st.drop(f, fmt.Errorf("%w: it hands over to a newer one, ask again", ErrStopped))
		}
		st.drain()
	})
	return p, err
}

// Resume ends standby as Activate does, but goes on where a plan ended: a check whose interval or cron expression is that of its slot is
// due when the slot says; the others are planned as new ones. A check among the plan's flights counts as running, elsewhere,
// until Landed is told of it: its slots pass, and who asks to run it now waits.
func (s *Schedule) Resume(ctx context.Context, p Plan) error {
	return s.do(ctx, func(st *state) { st.activate(time.Now(), p) })
}

// Landed says that runs given to Resume as flights are over.
func (s *Schedule) Landed(ctx context.Context, names ...string) error {
	return s.do(ctx, func(st *state) {
		for _, name := range names {
			if f := st.flights[name]; f != nil && f.elsewhere != nil {
				delete(st.flights, name)
				close(f.elsewhere)
			}
		}
	})
}

func (st *state) snapshot() Plan {
	p := Plan{Slots: make([]Slot, 0, len(st.entries))}
	for name, e := range st.entries {
		slot := Slot{Name: name, Every: e.check.Every, Cron: e.check.Cron, Anchor: e.anchor, Next: e.next, Wall: e.slot}
		f := st.flights[name]
		waits := f != nil && !f.started && f.trigger == check.Scheduled
		if waits {
			slot.Next, slot.Wall = f.due, f.dueWall
		}
		if waits || e.index >= 0 {
			p.Slots = append(p.Slots, slot)
		}
		if f != nil && f.started && f.elsewhere == nil {
			p.Flights = append(p.Flights, Flight{Name: name, Start: f.start, Timeout: e.check.Timeout})
		}
	}
	for name, f := range st.flights {
		if st.entries[name] == nil && f.elsewhere == nil { // of a check that was removed while it ran
			p.Flights = append(p.Flights, Flight{Name: name, Start: f.start, Timeout: check.MaxTimeout})
		}
	}
	return p
}

func (st *state) activate(now time.Time, p Plan) {
	if st.mode != standby {
		return
	}
	st.mode = active
	st.shift = st.wallShift(now)
	slots := make(map[string]Slot, len(p.Slots))
	for _, s := range p.Slots {
		slots[s.Name] = s
	}
	var fresh []*entry
	for name, e := range st.entries {
		if s, ok := slots[name]; ok && e.resume(s, e.splay(st.options.Fingerprint), now, st.wall()) {
			heap.Push(&st.due, e)
			st.settle(e, now, st.wall())
		} else {
			fresh = append(fresh, e)
		}
	}
	slices.SortFunc(fresh, func(a, b *entry) int { return strings.Compare(a.check.Name, b.check.Name) })
	for _, e := range fresh { // after those that have their places
		st.plan(e, now)
	}
	for _, f := range p.Flights {
		st.flights[f.Name] = &flight{name: f.Name, start: f.Start, started: true, tee: newTee(), elsewhere: make(chan struct{})}
	}
}

// resume puts an entry where another schedule's stood. false: it cannot stand there, and is to be planned anew.
func (e *entry) resume(s Slot, h uint64, now, wall time.Time) bool {
	if e.check.Every != s.Every || e.check.Cron != s.Cron {
		return false
	}
	if s.Cron != "" {
		return e.resumeCron(s, now, wall)
	}
	if s.Next.Sub(now) > 2*s.Every || s.Anchor.IsZero() {
		return false // a first run may be half an interval further away than a slot; beyond that it is no time of this check
	}
	e.anchor, e.next = s.Anchor, s.Next
	if now.Sub(s.Next) > max(resumeWithin, s.Every) {
		e.next = now.Add(spread(h, min(firstWithin, s.Every)))
	}
	return true
}

// resumeCron makes up for a time that passed in between as for one that the clock jumped over, and believes no slot that only a clock
// since set right can explain.
func (e *entry) resumeCron(s Slot, now, wall time.Time) bool {
	fresh := e.times.Next(wall)
	if s.Wall.IsZero() || fresh.IsZero() || wall.Sub(s.Wall) > stepMadeUp || s.Wall.Sub(fresh) > stepMadeUp {
		return false
	}
	e.slot = s.Wall
	e.next = now.Add(max(0, s.Wall.Sub(wall)))
	if !s.Next.IsZero() && s.Next.Before(e.next.Add(-stepSeen)) { // one at the start, or for a soft problem
		e.first, e.next = s.Next, s.Next
	}
	return true
}
