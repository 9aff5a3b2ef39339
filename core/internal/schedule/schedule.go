// Package schedule decides when each check runs: a heap of due times, a phase of its own for every check, one run of a check
// at a time, a cap on all runs with a fair queue, and run-now.
//
// One goroutine (Loop) owns all of it; every method sends to that goroutine. Each run has a goroutine of its own, which also
// delivers the result. The package starts no program (that is Runner's) and keeps no result. It sleeps on one timer and
// wakes only when something is due.
package schedule

import (
	"context"
	"errors"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// DefaultConcurrency is how many runs may be under way at once: plugins mostly wait, and a box must stay usable when all hang.
const DefaultConcurrency = 32

// Runner makes one run and returns its result. It must end soon after its context has. out is never nil, may be called from several
// goroutines, and does not block.
type Runner interface {
	Run(ctx context.Context, c check.Check, t check.Trigger, due time.Time, out func(stderr bool, data []byte)) check.Result
}

// Options say how a Schedule works.
type Options struct {
	Fingerprint string // of the agent: spreads the phases of one check over the fleet
	Concurrency int    // 0 = DefaultConcurrency
	Runner      Runner
	// Deliver takes every result, scheduled or manual, once, in the run's own goroutine; the check counts as running until it
	// returns. The context is the run's: it ends when the schedule is ended by force.
	Deliver func(ctx context.Context, c check.Check, r check.Result)
	// Begin is called in the run's goroutine just before each run, for the start mark; nil = none.
	Begin func(c check.Check, start time.Time)
	// Standby makes Loop start nothing until Activate.
	Standby bool
	// Wall is the wall clock, nil = time.Now. Only cron checks and the phase at start look at it.
	Wall func() time.Time
}

// What RunNow returns when nothing ran.
var (
	ErrUnknownCheck = errors.New("no such check")
	ErrStopped      = errors.New("the schedule has stopped")
)

// Schedule is the owner of all due times. Make it with New, run Loop once.
type Schedule struct{}

// New makes a schedule with no checks.
func New(o Options) *Schedule { panic("written next") }

// Loop runs the schedule until ctx ends; then it cancels the runs under way, waits until all have been delivered, and returns nil.
func (s *Schedule) Loop(ctx context.Context) error { panic("written next") }

// Set replaces the checks. An unchanged check (all fields equal) keeps its phase and its place; a new or changed one with an
// interval runs within a second, then at its phase; one with a cron expression runs at its times only. A removed check's run in flight is finished and delivered.
// The error names the check whose cron expression cannot be read; then nothing has changed.
func (s *Schedule) Set(ctx context.Context, checks []check.Check) error { panic("written next") }

// RunNow runs the check of this name at once, or joins its run in flight, and returns its result. Output comes to out from this moment
// on, in the caller's goroutine, in order within a stream. When ctx ends, RunNow returns its error and the run goes on. Errors
// that wrap ErrUnknownCheck or ErrStopped: nothing ran.
func (s *Schedule) RunNow(ctx context.Context, name string, out func(stderr bool, data []byte)) (r check.Result, joined bool, err error) {
	panic("written next")
}

// Activate ends standby: checks are scheduled from now on.
func (s *Schedule) Activate(ctx context.Context) error { panic("written next") }

// Drain starts nothing new from now on (run-now included), and returns when no run is under way; or with ctx's error when it ends before.
func (s *Schedule) Drain(ctx context.Context) error { panic("written next") }

// Stats is how the schedule keeps up.
type Stats struct {
	Checks  int
	Running int
	Queued  int           // due, waiting for the cap
	Runs    uint64        // since New
	Skipped uint64        // slots that passed while the check was still running or waiting, since New
	LagP50  time.Duration // due to start, over the scheduled runs of the last LagWindow
	LagP99  time.Duration
	LagMax  time.Duration
}

// LagWindow is the time over which Stats reports lag.
const LagWindow = 5 * time.Minute

// Entry is one check as the schedule sees it.
type Entry struct {
	Check   check.Check
	Next    time.Time // wall time of its next slot; zero in standby or when a cron expression has none
	Running bool
	Queued  bool
	Skipped uint64
}

// Stats reports; it costs a sort of at most a few hundred numbers.
func (s *Schedule) Stats(ctx context.Context) (Stats, error) { panic("written next") }

// List returns every check, sorted by name.
func (s *Schedule) List(ctx context.Context) ([]Entry, error) { panic("written next") }
