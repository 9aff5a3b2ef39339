package agent

import (
	"context"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/handover"
)

// bookEvery is how old state/checks may be while something changes. At rest it is not written.
const bookEvery = time.Second

// keepBook writes state/checks from now on, until endBook.
func (a *agent) keepBook(g *group) {
	ctx, cancel := context.WithCancel(g.ctx)
	done, stood := make(chan struct{}), make(chan struct{})
	a.endBook = func() {
		cancel()
		<-done
		<-stood
		a.endBook = func() {}
	}
	g.start("standings", func(context.Context) error {
		defer close(stood)
		a.keep(ctx, "state/standings", a.moved, standingsPause, a.tryStandings)
		return nil
	})
	g.start("checks", func(context.Context) error {
		defer close(done)
		a.keep(ctx, "state/checks", a.changed, func(written time.Time) time.Duration { return soon(written, bookEvery) }, a.writeChecks)
		return nil
	})
	poke(a.changed)
	poke(a.moved)
}

// keep has a file written after each change, until ctx ends: a moment later, which pause knows by when it was written last, so that those that follow
// come with it.
func (a *agent) keep(ctx context.Context, name string, changed chan struct{}, pause func(written time.Time) time.Duration, write func(context.Context) error) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	broken := false
	var written time.Time
	for {
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		timer.Reset(pause(written))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		drop(changed) // what changed meanwhile is written now
		written = time.Now()
		err := write(ctx)
		if err != nil && ctx.Err() == nil && !broken {
			a.log.Warn(name+" not written", "err", err) // once: a full disk stays full for a while
		}
		broken = err != nil
	}
}

func (a *agent) writeChecks(ctx context.Context) error {
	plan, err := a.plan.Snapshot(ctx)
	if err != nil {
		return err
	}
	clock := handover.ReadClock()
	return handover.Write(a.o.Layout.Checks(), a.book(plan, clock), clock)
}

// closeBook ends the schedule at a stop and leaves in state/checks where it stood, for the next start in this boot.
func (a *agent) closeBook(ctx context.Context) {
	a.endBook()
	if a.lock == nil {
		return // another core's by now, or never ours
	}
	if err := a.writeStandings(); err != nil {
		a.log.Warn("state/standings not written", "err", err)
	}
	plan, err := a.plan.HandOver(ctx)
	if err == nil {
		clock := handover.ReadClock()
		err = handover.Write(a.o.Layout.Checks(), a.book(plan, clock), clock)
	}
	if err != nil {
		a.log.Warn("state/checks not written", "err", err)
	}
}

// drop takes back a poke that was not answered yet.
func drop(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
