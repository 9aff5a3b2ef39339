// Package schedule decides when each check runs: a heap of due times, a phase of its own for every check, one run of a check
// at a time, lanes with a cap and a fair queue each, and run-now.
//
// One goroutine (Loop) owns all of it; every method sends to that goroutine. Each run has a goroutine to itself (crew), which also
// delivers the result. The package starts no program (that is Runner's) and keeps no result. It sleeps on one timer and
// wakes only when something is due.
//
// Intervals are counted on the monotonic clock, so a step of the wall clock neither skips nor doubles anything. The phase of a check is
// hash(fingerprint, name) modulo its interval, or one of seven more such hashes where the box has many checks there (crowd), on the wall clock of the moment
// it was added: it stays the same over restarts with the same checks, and one check is spread over the fleet. Cron expressions mean the wall clock: after a step of up to three hours a time that was jumped over is made
// up for once, and none is run twice; after a greater one, which is a clock being set right, times are counted from the new one.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// DefaultConcurrency is how many runs may be under way at once: plugins mostly wait, and a box must stay usable when all hang.
const DefaultConcurrency = 32

// Runner makes one run and returns its result. It must end soon after its context has. out is never nil, may be called from several
// goroutines, does not block, and may keep the data: it is not to be written to again.
type Runner interface {
	Run(ctx context.Context, c check.Check, t check.Trigger, due time.Time, out func(stderr bool, data []byte)) check.Result
}

// Options say how a Schedule works.
type Options struct {
	Fingerprint string         // of the agent: spreads the phases of one check over the fleet
	Concurrency int            // of each lane but the slow one, which has slowTimes as much; 0 = DefaultConcurrency
	Caps        map[string]int // of runs at once of a plugin, a builtin or a command, by its name, over all checks
	Runner      Runner
	// Deliver takes every result, scheduled or manual, once, in the run's own goroutine, and calls kept once it is kept, or lost for good; from
	// any goroutine, also after it has returned, with what RunNow returns of the result, and with the standing that it gives its check (zero: nobody
	// keeps count). The check counts as running until then. A result that is there is to be kept even while the agent stops.
	Deliver func(c check.Check, r check.Result, kept func(told check.Result))
	// Begin is called in the run's goroutine just before each run, for the start mark; nil = none.
	Begin func(c check.Check, start time.Time)
	// End is called once a result is kept, in the goroutine that says so, with what Begin was called with. It must not wait for anybody. nil = none.
	End func(c check.Check, start time.Time)
	// Standby makes Loop start nothing until Activate or Resume.
	Standby bool
	// Wall is the wall clock, nil = time.Now. Only cron checks and the phase look at it.
	Wall func() time.Time
}

// What RunNow returns when nothing ran.
var (
	ErrUnknownCheck = errors.New("no such check")
	ErrStopped      = errors.New("the schedule starts nothing now")
)

// Schedule is the owner of all due times. Make it with New, run Loop once.
type Schedule struct {
	requests chan func(*state)
	news     news
	crew     crew
	stopped  chan struct{} // closed when Loop has returned
	state    *state        // Loop's alone
	spare    []report      // Loop's, for news
}

// New makes a schedule with no checks.
func New(o Options) *Schedule {
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	s := &Schedule{requests: make(chan func(*state)), news: news{came: make(chan struct{}, 1)}, stopped: make(chan struct{})}
	s.state = newState(o)
	return s
}

// Loop runs the schedule until ctx ends; then it cancels the runs under way, waits until all have been delivered, and returns nil.
func (s *Schedule) Loop(ctx context.Context) error {
	defer close(s.stopped)
	st := s.state
	defer s.crew.end()
	st.launch = func(f *flight, c check.Check) { s.crew.do(func() { s.fly(ctx, f, c) }) }
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.end()
		case request := <-s.requests:
			request(st)
		case <-s.news.came:
			s.hear()
		case <-timer.C:
		}
		if wait, some := st.advance(time.Now()); some {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
	}
}

// end waits for the runs under way, whose context has ended.
func (s *Schedule) end() error {
	st := s.state
	st.drain()
	for st.running > 0 {
		select {
		case <-s.news.came:
			s.hear()
		case request := <-s.requests:
			request(st)
		}
	}
	return nil
}

// hear takes in what runs have told.
func (s *Schedule) hear() {
	list := s.news.take(s.spare)
	for _, r := range list {
		if r.kept {
			s.state.land(r.flight)
		} else {
			s.state.over(r.flight, r.light)
		}
	}
	clear(list)
	s.spare = list
}

// fly makes one run, in a goroutine of the crew.
func (s *Schedule) fly(ctx context.Context, f *flight, c check.Check) {
	o := &s.state.options // never changed
	if o.Begin != nil {
		o.Begin(c, f.start)
	}
	r := o.Runner.Run(ctx, c, f.trigger, f.dueWall, f.tee.write)
	s.news.tell(report{flight: f, light: len(r.Text)+len(r.Long) <= maxKeptText})
	o.Deliver(c, r, func(told check.Result) {
		f.result = told
		if o.End != nil {
			o.End(c, f.start)
		}
		s.news.tell(report{flight: f, kept: true})
	})
}

// do has the owner do f, and returns when it has.
func (s *Schedule) do(ctx context.Context, f func(*state)) error {
	done := make(chan struct{})
	select {
	case s.requests <- func(st *state) { defer close(done); f(st) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopped:
		return ErrStopped
	}
}

// Set replaces the checks. An unchanged check (all fields equal) keeps its phase and its place; a new or changed one with an
// interval runs within a second, then at its phase; one with a cron expression runs at its times only. A removed check's run in flight is
// finished and delivered. The error names a check whose cron expression cannot be read, or whose name is there twice; then nothing has changed.
func (s *Schedule) Set(ctx context.Context, checks []check.Check) error {
	wanted, err := read(checks)
	if err != nil {
		return err
	}
	return s.do(ctx, func(st *state) { st.set(wanted, time.Now()) })
}

// RunNow runs the check of this name at once, or joins its run in flight, and returns its result. Output comes to out from this moment
// on, in the caller's goroutine, in order within a stream; the data is out's to keep. When ctx ends, RunNow returns its error and the run goes on. Errors
// that wrap ErrUnknownCheck or ErrStopped: nothing ran.
func (s *Schedule) RunNow(ctx context.Context, name string, out func(stderr bool, data []byte)) (r check.Result, joined bool, err error) {
	return s.ask(ctx, func(st *state) (*listener, bool, <-chan struct{}, error) { return st.runNow(name, nil) }, out)
}

func (s *Schedule) ask(ctx context.Context, run func(*state) (*listener, bool, <-chan struct{}, error), out func(stderr bool, data []byte)) (r check.Result, joined bool, err error) {
	for {
		var l *listener
		var busy <-chan struct{}
		if e := s.do(ctx, func(st *state) { l, joined, busy, err = run(st) }); e != nil {
			return r, false, e
		}
		if err != nil {
			return r, false, err
		}
		if busy == nil {
			defer l.leave()
			r, err = l.listen(ctx, out)
			return r, joined, err
		}
		select {
		case <-busy: // the core before this one has finished its run: now it is our turn
		case <-s.stopped:
			return r, false, ErrStopped
		case <-ctx.Done():
			return r, false, ctx.Err()
		}
	}
}

// RunOnce is RunNow of a check that is none of the schedule's: it runs this once, within the same caps. The name must be no other check's.
func (s *Schedule) RunOnce(ctx context.Context, c check.Check, out func(stderr bool, data []byte)) (r check.Result, joined bool, err error) {
	return s.ask(ctx, func(st *state) (*listener, bool, <-chan struct{}, error) { return st.runNow(c.Name, &c) }, out)
}

// Activate ends standby: checks are scheduled from now on, each as a new one.
func (s *Schedule) Activate(ctx context.Context) error { return s.Resume(ctx, Plan{}) }

// Drain starts nothing new from now on (run-now included), and returns when no run is under way; or with ctx's error when it ends before.
func (s *Schedule) Drain(ctx context.Context) error {
	idle := make(chan struct{})
	if err := s.do(ctx, func(st *state) { st.drain(); st.whenIdle(idle) }); err != nil {
		if errors.Is(err, ErrStopped) {
			return nil // nothing is under way after Loop
		}
		return err
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stats is how the schedule keeps up.
type Stats struct {
	Checks  int
	Running int
	Queued  int           // due, waiting for the cap
	Runs    uint64        // started since New
	Skipped uint64        // slots that passed while the check was still running or waiting, since New
	Shed    uint64        // slots passed over for want of processor time, since New
	LagP50  time.Duration // due to start, over the scheduled runs of the last LagWindow (the last 512 of them)
	LagP99  time.Duration
	LagMax  time.Duration
}

// Load is how the agent does with its processor time.
type Load struct {
	Level  int           // 0 = every check runs as it says
	Shed   uint64        // slots passed over since New
	Used   float64       // processors, averaged over about a minute
	Normal time.Duration // runs of checks are at least so far apart, 0 = as they say
	Low    time.Duration // likewise those of low importance
	Missed uint64        // slots that passed while the check waited for a place, since New
	Queued int           // checks that wait for one
}

// Charge tells how much processor time the agent with its plugins has used in all, and how many processors it may use (0 = as many as there are). It is called
// every few seconds, and says what comes of it.
func (s *Schedule) Charge(ctx context.Context, used time.Duration, rate float64) (Load, error) {
	var l Load
	err := s.do(ctx, func(st *state) {
		st.budget = st.budget.limited(rate).after(time.Now(), used)
		l = Load{Level: st.budget.level, Shed: st.shed, Used: st.budget.recent, Normal: st.budget.apart(check.Normal), Low: st.budget.apart(check.Low),
			Missed: st.missed, Queued: st.queued()}
	})
	return l, err
}

// LagWindow is the time over which Stats reports lag.
const LagWindow = 5 * time.Minute

// Stats reports; it costs a sort of at most a few hundred numbers.
func (s *Schedule) Stats(ctx context.Context) (Stats, error) {
	var x Stats
	err := s.do(ctx, func(st *state) { x = st.stats(time.Now()) })
	return x, err
}

// Entry is one check as the schedule sees it.
type Entry struct {
	Check   check.Check
	Next    time.Time // wall time of its next slot; zero in standby or when a cron expression has none
	Running bool
	Queued  bool
	Capped  bool      // it is queued because as many run its program as may (Options.Caps)
	Began   time.Time // of the run under way
	Skipped uint64
	Shed    uint64
}

// List returns every check, sorted by name.
func (s *Schedule) List(ctx context.Context) ([]Entry, error) {
	var all []Entry
	err := s.do(ctx, func(st *state) { all = st.list(time.Now()) })
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Check.Name, b.Check.Name) })
	return all, err
}

// read checks what Set is given before anything changes.
func read(checks []check.Check) (map[string]*entry, error) {
	wanted := make(map[string]*entry, len(checks))
	for _, c := range checks {
		if wanted[c.Name] != nil {
			return nil, fmt.Errorf("set checks: %s is there twice", c.Name)
		}
		e, err := newEntry(c)
		if err != nil {
			return nil, fmt.Errorf("set checks: %s: %w", c.Name, err)
		}
		wanted[c.Name] = e
	}
	return wanted, nil
}
