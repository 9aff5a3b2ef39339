// Package fleet is the one view of all agents: their facts, presence, checks and log, as the bus tells it. It reads the bus
// alone, so every hub on one bus shows the same, and a hub that was killed shows what it would have shown had it lived.
//
// One goroutine, the owner, has the state; readers get immutable values and never wait for it.
package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/mark"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// Errors of lookups.
var (
	ErrUnknownAgent = errors.New("no such agent")
	ErrAmbiguous    = errors.New("more than one agent is called that")
	ErrUnknownCheck = errors.New("no such check")
)

// Rhythm and limits of the owner.
const (
	ageEvery    = time.Second
	saveEvery   = 2 * time.Minute // what came since is read from the stream again after a kill
	commandsMax = 1024
	followAgain = time.Second // after a reader of the bus broke
	closeWithin = 30 * time.Second
	askWithin   = 30 * time.Second // of one question of the owner to the bus
)

// Options are what Open needs beside the bus.
type Options struct {
	Log *slog.Logger
	// Register and Presence are opened on the same bus.
	Register *enrol.Register
	Presence *presence.Board
	// Wanted is the revision meant for an agent; nil = 0 for all. Called by the owner: it must be quick.
	Wanted func(Agent) uint64
	// Offer is what release an agent is offered; nil = nothing is known of releases. As Wanted.
	Offer func(Agent, Facts) Offer
}

// Fleet is the view. Its methods may be called from anywhere.
type Fleet struct {
	bus      *bus.Bus
	log      *slog.Logger
	register *enrol.Register
	board    *presence.Board
	notes    *mark.Notes
	saved    *bus.Bucket
	wanted   func(Agent) uint64
	offer    func(Agent, Facts) Offer

	commands chan func() // for the owner
	stop     context.CancelFunc
	followed sync.WaitGroup // readers of the bus and the saver
	ended    chan struct{}  // the owner has returned

	roster atomic.Pointer[map[string]*box] // the map is replaced whole
	events atomic.Pointer[[]Event]         // oldest first; grows at its end, so what was published never changes

	// Owner:
	boxes       map[string]*box
	gone        map[string]bool // forgotten and removed agents, so that what is left of them costs no lookup
	subscribers map[*Subscription]struct{}
	position    uint64 // stream sequence up to which everything was taken
	dirtyNotes  map[noteKey]mark.Note

	saves sync.Mutex // held from the collection of what to save until it is saved
}

// Open rebuilds the view from what the bus holds and returns when everything that was on the bus at the call is in it.
func Open(ctx context.Context, b *bus.Bus, o Options) (*Fleet, error) {
	f := &Fleet{
		bus: b, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), register: o.Register, board: o.Presence, wanted: o.Wanted, offer: o.Offer,
		commands: make(chan func(), commandsMax), ended: make(chan struct{}),
		boxes: map[string]*box{}, gone: map[string]bool{}, subscribers: map[*Subscription]struct{}{}, dirtyNotes: map[noteKey]mark.Note{},
	}
	f.roster.Store(&map[string]*box{})
	f.events.Store(&[]Event{})
	life, stop := context.WithCancel(context.Background())
	f.stop = stop
	go f.own(life)
	if err := f.rebuild(ctx, life, o); err != nil {
		stop()
		f.followed.Wait()
		<-f.ended
		return nil, fmt.Errorf("open fleet: %w", err)
	}
	return f, nil
}

// Close saves the view and stops. Subscriptions end.
func (f *Fleet) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	f.saves.Lock()
	defer f.saves.Unlock()
	var state savedState
	if !f.wait(func() { state = f.collect() }) {
		return nil // closed before
	}
	f.stop()
	f.followed.Wait()
	<-f.ended
	if err := f.save(ctx, state); err != nil {
		return fmt.Errorf("close fleet: %w", err)
	}
	return nil
}

// own is the owner's loop.
func (f *Fleet) own(life context.Context) {
	defer close(f.ended)
	defer func() {
		for s := range f.subscribers {
			f.drop(s)
		}
	}()
	age, save := time.NewTicker(ageEvery), time.NewTicker(saveEvery)
	defer age.Stop()
	defer save.Stop()
	for {
		select {
		case command := <-f.commands:
			command()
		case now := <-age.C:
			for _, b := range f.boxes {
				f.age(b, now)
			}
		case <-save.C:
			f.saveAside(life)
		case <-life.Done():
			return
		}
	}
}

// do has the owner run fn soon; nothing happens when the fleet is closed.
func (f *Fleet) do(fn func()) {
	select {
	case f.commands <- fn:
	case <-f.ended:
	}
}

// wait has the owner run fn and waits for that; false when the fleet is closed.
func (f *Fleet) wait(fn func()) bool {
	done := make(chan struct{})
	f.do(func() { fn(); close(done) })
	select {
	case <-done:
		return true
	case <-f.ended:
		return false
	}
}

// Recount asks Wanted and Offer anew for every agent: call it when desired state or what is released has changed.
func (f *Fleet) Recount() {
	f.do(func() {
		for _, b := range f.boxes {
			f.show(b)
		}
	})
}

// admit takes news of the register. Owner.
func (f *Fleet) admit(a enrol.Agent, gone bool) {
	b, back := f.boxes[a.Fingerprint], f.gone[a.Fingerprint] && !gone
	if gone {
		f.gone[a.Fingerprint] = true
	} else {
		delete(f.gone, a.Fingerprint)
	}
	switch {
	case gone && b != nil:
		delete(f.boxes, a.Fingerprint)
		f.publishRoster()
		f.emit(Change{Kind: AgentGone, Fingerprint: a.Fingerprint})
	case !gone && b == nil:
		b = &box{enrolled: a, checks: map[string]*tally{}}
		f.boxes[a.Fingerprint] = b
		if back {
			b.session = f.lastSession(a.Fingerprint)
		}
		b.view.Store(f.render(b)) // before anybody can find it
		f.publishRoster()
		f.emit(Change{Kind: AgentChanged, Fingerprint: a.Fingerprint, Agent: &b.view.Load().agent})
	case !gone:
		b.enrolled = a
		f.show(b)
	}
}

// lastSession is what the board says of an agent that is in the fleet again: its session may have begun while nobody was to hear of it. Owner.
func (f *Fleet) lastSession(fingerprint string) presence.Entry {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	e, err := f.board.Last(ctx, fingerprint)
	if err != nil {
		f.log.Error("session not looked up", "agent", fingerprint, "err", err)
	}
	return e
}

// publishRoster lets readers see who is there. Owner.
func (f *Fleet) publishRoster() {
	roster := maps.Clone(f.boxes)
	f.roster.Store(&roster)
}

// known is the box of an agent, nil when it was forgotten or removed. The board and the stream may speak of an agent before the register's
// news of it has come: then the register is asked. Owner.
func (f *Fleet) known(fingerprint string) *box {
	if b := f.boxes[fingerprint]; b != nil || f.gone[fingerprint] {
		return b
	}
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	a, err := f.register.Agent(ctx, fingerprint)
	switch {
	case err == nil:
		f.admit(a, !a.Removed.IsZero())
	case errors.Is(err, enrol.ErrUnknownAgent), errors.Is(err, enrol.ErrRevoked):
		f.gone[fingerprint] = true
	default:
		f.log.Error("agent not looked up", "agent", fingerprint, "err", err)
	}
	return f.boxes[fingerprint]
}

// session takes news of the board. Owner.
func (f *Fleet) session(fingerprint string, e presence.Entry) {
	b := f.known(fingerprint)
	if b == nil {
		return
	}
	b.session = e
	f.show(b)
	f.age(b, time.Now())
}
