package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/control"
	"github.com/limpet-monitoring/limpet/core/internal/handover"
	"github.com/limpet-monitoring/limpet/core/internal/local"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/platforms"
)

const (
	lockSoon      = 5 * time.Millisecond // between tries while the core before this one is just giving the lock up
	lockSoonFor   = 2 * time.Second
	lockTry       = 200 * time.Millisecond // between tries after that
	formerRuns    = 20 * time.Millisecond  // between looks at what a former core still runs: a check waits for its end
	formerLives   = 200 * time.Millisecond // between looks at one that runs nothing any more
	flushWithin   = time.Second
	listenAgain   = 5 * time.Second
	inputsGiven   = 16 * time.Second           // what giving the inputs' sockets away may take
	killRunsAfter = plugin.Grace + time.Second // what the end of a killed run may take
)

// turn is the lock of the one core that schedules, on its way to the loop.
type turn struct {
	lock *platforms.Lock
	file string // what `activate` named
}

// awaitTurn waits for the schedule's lock and hands it to the loop.
func (a *agent) awaitTurn(file string) func(context.Context) error {
	return func(ctx context.Context) error {
		lock, err := takeLock(ctx, a.o.Layout.Lock())
		if lock == nil {
			return err
		}
		select {
		case a.turns <- turn{lock, file}:
			return nil
		case <-ctx.Done():
			return lock.Release()
		}
	}
}

// takeLock waits for a lock; nil without an error when ctx ended.
func takeLock(ctx context.Context, path string) (*platforms.Lock, error) {
	began := time.Now()
	for {
		lock, err := platforms.TakeStanding(path)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, platforms.ErrLocked) {
			return nil, fmt.Errorf("take the schedule's lock: %w", err)
		}
		pause := lockTry
		if time.Since(began) < lockSoonFor {
			pause = lockSoon
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// begin schedules from now on: this is the one core that holds the lock. It goes on where the core before it ended, as far as that is known.
func (a *agent) begin(g *group, t turn) error {
	a.lock = t.lock
	close(a.turn)
	a.active.Store(true)
	if err := a.catchUp(g.ctx); err != nil {
		return err
	}
	a.want()
	clock := handover.ReadClock()
	book, former := a.inherit(t.file, clock)
	plan := schedule.Plan{Slots: book.Plan.Slots}
	for _, f := range former {
		plan.Flights = append(plan.Flights, f.Runs()...)
	}
	if err := a.plan.Resume(g.ctx, plan); err != nil {
		return err
	}
	a.log.Info("schedules", "slots", len(plan.Slots), "elsewhere", len(plan.Flights), "age", clock.Since-book.At)
	a.board.inherit(book.States, a.set.Checks)
	a.inheritStandings(clock)
	a.inputs.Adopt(a.inputSocket(), a.wantedInputs())
	a.keepCollectors()
	a.session.Activated()
	a.session.Again()
	a.buffer.LookAgain()
	for _, f := range former {
		g.start("former", func(ctx context.Context) error { return a.follow(ctx, f) })
	}
	a.keepBook(g)
	if a.o.Standby != "" {
		a.listen(g)
		if len(former) == 0 {
			g.start("orphans", a.endOrphans)
		}
	}
	poke(a.rejects)
	return nil
}

// catchUp runs the revision that came, to the core before this one, while this one stood by.
func (a *agent) catchUp(ctx context.Context) error {
	if a.o.Standby == "" {
		return nil
	}
	doc, err := a.store.Load()
	if err != nil {
		a.log.Error("last known good not read again", "err", err)
		return nil
	}
	a.catalog.Load()
	if doc.GetRevision() == a.set.Revision {
		return nil
	}
	return a.restore(ctx)
}

// inherit is the latest book there is of this boot, and the cores that still live beside this one.
func (a *agent) inherit(file string, c handover.Clock) (handover.Book, []*handover.Former) {
	dir := a.o.Layout.Handover()
	book, former, err := handover.FindFormer(dir, c)
	if err != nil {
		a.log.Warn("former cores not known", "err", err)
	}
	if file != "" && book.At == 0 {
		a.log.Warn("what was handed over cannot be used; state/checks has to do", "file", file)
	}
	kept, err := handover.Read(a.o.Layout.Checks(), c)
	if err != nil {
		a.log.Info("no book of checks to go on with", "err", err)
	}
	if kept.At > book.At {
		book = kept
	}
	return book, former
}

// follow waits for the runs that a former core finishes, and for its end.
func (a *agent) follow(ctx context.Context, f *handover.Former) error {
	defer f.Close()
	for {
		over, gone := f.Look()
		if len(over) > 0 {
			if err := a.plan.Landed(ctx, over...); err != nil && ctx.Err() == nil {
				return err
			}
		}
		if gone {
			f.Close() // what is open cannot be removed everywhere
			handover.Forget(a.o.Layout.Handover(), f.Name)
			a.buffer.LookAgain()
			a.session.Again() // a session that was refused beside the old one's
			return nil
		}
		pause := formerLives
		if len(f.Runs()) > 0 {
			pause = formerRuns
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// endOrphans ends the runs of a core that died without handing over.
func (a *agent) endOrphans(context.Context) error {
	for _, left := range plugin.EndOrphans() {
		a.log.Warn("ended what a killed core's run had left", "process", left)
	}
	return nil
}

// listen opens the local socket, in the place of any other's. Where that cannot be, it is tried again: the disk may take something later.
func (a *agent) listen(g *group) {
	socket, err := a.openSocket()
	if err == nil {
		g.start("local", socket.Serve)
		return
	}
	a.log.Warn("no local socket; limpet status shows less", "err", err)
	g.start("local", func(ctx context.Context) error {
		again := time.NewTicker(listenAgain)
		defer again.Stop()
		for {
			select {
			case <-again.C:
			case <-ctx.Done():
				return nil
			}
			if !a.active.Load() {
				continue // the socket is the scheduling core's
			}
			if socket, err := a.openSocket(); err == nil {
				return socket.Serve(ctx)
			}
		}
	})
}

func (a *agent) openSocket() (*local.Server, error) {
	return local.Listen(a.o.Layout.Socket(), map[string]local.Answer{
		"status": local.Alone(a.answerStatus), PartQuestion: local.Alone(a.answerPart), "deregister": local.Alone(a.deregister),
		"reload": local.Alone(a.answerReload), EnrolQuestion: local.Alone(a.answerEnrol), WhyQuestion: a.answerWhy,
	})
}

// drain hands over: nothing is scheduled here any more, the next core may take the lock, and what runs is finished. It returns at once; the
// loop hears on a.idle when nothing runs.
func (a *agent) drain(g *group, within time.Duration) error {
	if a.idle != nil {
		return nil // asked twice
	}
	a.idle = make(chan struct{})
	if a.lock == nil { // never scheduled: there is nothing to hand over
		close(a.idle)
		return nil
	}
	a.log.Info("hands over", "within", within)
	name, need := a.handOver(g.ctx)
	if err := a.lock.Release(); err != nil {
		a.log.Warn("schedule's lock not given up", "err", err)
	}
	a.lock = nil
	a.active.Store(false)
	idle, given := a.idle, a.given
	g.start("drain", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		if err := a.plan.Drain(ctx); err != nil {
			a.log.Warn("runs are cut off", "err", err)
		}
		select {
		case <-given:
		case <-ctx.Done():
		}
		close(idle)
		return nil
	})
	return a.o.Stub.Handover(name, need)
}

// handOver ends the schedule and leaves the book of it. Where the book cannot be written the next core finds state/checks.
func (a *agent) handOver(ctx context.Context) (name string, need time.Duration) {
	a.endBook()
	a.collectors.Leave()
	had := len(a.inputs.States()) > 0
	a.given = a.inputs.Leave(a.inputSocket())
	if had {
		need = inputsGiven
	}
	dir := a.o.Layout.Handover()
	name = handover.Name(a.buffer.Live())
	notes, err := handover.Begin(dir, name)
	clock := handover.ReadClock()
	if err != nil {
		a.log.Error("runs under way cannot be handed over", "err", err)
	} else {
		clock = notes.Clock
		a.notes.Store(notes) // before the plan is made: a run that ends from here on is noted
	}
	plan, err := a.plan.HandOver(ctx)
	if err == nil {
		err = handover.Write(filepath.Join(dir, name), a.book(plan, clock), clock)
	}
	if err != nil {
		a.log.Error("checks not handed over", "err", err)
	}
	for _, f := range plan.Flights {
		need = max(need, time.Until(f.Start.Add(f.Timeout))+killRunsAfter)
	}
	return name, need
}

// book is where the checks stand.
func (a *agent) book(plan schedule.Plan, c handover.Clock) handover.Book {
	return handover.Book{
		Core: a.o.Version, Epoch: a.buffer.Live(), Revision: a.view.Load().revision, At: c.At(time.Now()), Plan: plan, States: a.board.results(),
	}
}

// drained ends a core that has handed over: what it has is brought over, and the stub hears of it.
func (a *agent) drained(g *group) error {
	a.cut(g.ctx, killRunsAfter)
	a.flush(g.ctx)
	err := a.o.Stub.Drained()
	ctx, cancel := context.WithTimeout(g.ctx, flushWithin)
	defer cancel()
	a.session.Bye(ctx, "upgrade", "")
	return err
}

// swap takes what the stub says of a swap.
func (a *agent) swap(g *group, c control.Command) error {
	switch c.Kind {
	case control.Successor:
		a.board.untouch()
		a.session.Announce(c.Nonce)
	case control.Drain:
		return a.drain(g, c.Within)
	case control.Activate:
		if a.o.Standby == "" || a.activated {
			a.log.Warn("asked to activate, but this core stands not by")
			return nil
		}
		a.activated = true
		g.start("lock", a.awaitTurn(c.File))
	}
	return nil
}
