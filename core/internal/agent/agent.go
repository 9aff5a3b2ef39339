// Package agent puts an agent together: Run opens what is durable, starts the loops, and ends them in reverse. One goroutine (Run's
// own) takes what changes the agent: lines from the stub, desired state, the box file; so the running set of checks has one owner.
// What each part does is the part's business.
package agent

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/internal/builtin"
	"github.com/limpet-monitoring/limpet/core/internal/catalog"
	"github.com/limpet-monitoring/limpet/core/internal/collector"
	"github.com/limpet-monitoring/limpet/core/internal/config"
	"github.com/limpet-monitoring/limpet/core/internal/control"
	"github.com/limpet-monitoring/limpet/core/internal/handover"
	"github.com/limpet-monitoring/limpet/core/internal/identity"
	"github.com/limpet-monitoring/limpet/core/internal/input"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/core/internal/session"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
)

const (
	aliveEvery = 5 * time.Second // docs/stub-contract.md, section 2
	stopTime   = 10 * time.Second
	goneRuns   = 1500 * time.Millisecond // of which runs may still end by themselves; then they are killed
	judgeEvery = time.Second             // the checks line at most
	gathers    = 100 * time.Millisecond  // in which a round of checks is over
	factsEvery = 10 * time.Minute
	settled    = 20 * time.Second // after the start: what only a start needs is given back
)

// Options are what main knows.
type Options struct {
	Layout  platforms.Layout
	Version string
	Built   time.Time // of this core: surely past; zero when nobody knows
	Stub    *control.Stub
	Token   string // from the environment, else the file is looked at
	Standby string // the nonce of a trial, which schedules only when it is activated; "" for a core that schedules at once
	Log     *slog.Logger
}

// agent is one life of a core. The fields below "owned" belong to the goroutine of Run.
type agent struct {
	o       Options
	log     *slog.Logger
	id      *identity.Identity
	buffer  *buffer.Buffer
	session *session.Session
	plan    *schedule.Schedule
	builtin *builtin.Registry
	catalog *catalog.Catalog
	runs    runner
	slots   *plugin.Slots // nil where the system gives none
	limit   int64         // of the buffer in bytes, as the box file said at the start; 0 = the default
	board   board

	collectors *collector.Collectors // Run's goroutine owns them; anybody may ask how they are
	inputs     *input.Inputs         // as those

	facts     atomic.Pointer[wire.Facts]
	boxNow    atomic.Pointer[boxfile.Box]    // box, for other goroutines; replaced whole
	taken     atomic.Pointer[string]         // of which hub (identity.Hub) the running document is
	view      atomic.Pointer[view]           // what other goroutines may know of what Run owns
	requests  chan func(context.Context)     // for the goroutine of Run
	ended     chan struct{}                  // closed when it takes no more
	turns     chan turn                      // the schedule's lock, for the goroutine of Run
	changed   chan struct{}                  // holds one: state/checks is out of date
	moved     chan struct{}                  // holds one: state/standings is
	news      chan struct{}                  // holds one: the checks line may be
	rejects   chan struct{}                  // holds one: look for logs of rejected cores
	kept      chan struct{}                  // holds one: collectors are otherwise than the hub knows
	timeFloor atomic.Int64                   // Unix seconds that the stub has proof of; 0 = none
	active    atomic.Bool                    // schedules, or has
	notes     atomic.Pointer[handover.Notes] // of the runs that are finished here after the handover

	normalApart, lowApart atomic.Int64 // ns that runs of checks are apart at least for want of processor time, see charge
	site                  siteState
	turn                  chan struct{} // closed when this core holds the schedule's lock

	// owned
	lock      *platforms.Lock // held from the first moment of scheduling to the handover, or the end
	activated bool            // the stub has said so
	idle      chan struct{}   // closed when nothing runs any more after the handover; nil before
	endBook   func()          // ends the writing of state/checks
	endRuns   func()          // cuts off what runs
	ran       bool            // set holds what was run
	box       boxfile.Box
	boxLines  []string // what is wrong with the box file
	store     *config.Store
	set       config.Set
	rejected  *wire.RevisionReport // of the newest revision that was refused, nil = none
	pending   *wire.Desired        // that revision: it is taken when what it lacks has come
	unsaved   string               // why the running revision could not be kept on disk
	told      [2]uint64            // the checks line said last
	lastSeen  bool                 // how the core before this one ended was looked at
	given     <-chan struct{}      // closed when the next core has the inputs' sockets
	lowDisk   string               // what is wrong with the space on disk, "" for nothing
	diskSeen  time.Time
	shed      shedding
	late      behind
	asked     map[catalog.Plugin]*asked // plugins that somebody runs who named them
}

// view is an immutable picture for the status.
type view struct {
	revision        uint64
	trust           string
	problems, notes []string
}

// Run is an agent's life: it returns nil after a stop, and an error when something broke that a new start may mend.
func Run(ctx context.Context, o Options) error {
	a := &agent{
		o: o, log: o.Log, requests: make(chan func(context.Context)), ended: make(chan struct{}), turns: make(chan turn), endBook: func() {},
		changed: make(chan struct{}, 1), moved: make(chan struct{}, 1), news: make(chan struct{}, 1), rejects: make(chan struct{}, 1),
		kept: make(chan struct{}, 1), asked: map[catalog.Plugin]*asked{}, turn: make(chan struct{}),
	}
	a.boxNow.Store(&boxfile.Box{})
	a.collectors = a.newCollectors()
	a.inputs = input.New(input.Options{Append: func(i *wire.Item) error { return a.buffer.Append(i) }, Log: a.log})
	a.active.Store(o.Standby == "")
	defer a.release() // behind the buffer's end: who waits for this core takes its generations over then
	if err := o.Layout.MakeFolders(); err != nil {
		return err
	}
	if o.Standby == "" {
		a.endOrphans(ctx)
	}
	platforms.ReserveThreads(reservedThreads)
	a.runs.breadth.narrow()
	id, err := identity.Open(identity.Options{Layout: o.Layout, Token: o.Token})
	if err != nil {
		return err
	}
	a.id = id
	a.openTaken()
	a.openCatalog()
	a.readBox()
	a.limit = a.box.Limit.BufferBytes
	a.builtin = builtin.New(builtin.Env{HubOffset: a.hubOffset, Agent: a.agentStats, Hub: a.wayToHub, StateDir: o.Layout.Builtin()})
	a.runs.builtins = a.builtin
	a.facts.Store(a.gather())
	a.careForMemory()
	a.openSlots()
	defer a.slots.Close()
	if o.Standby == "" {
		a.slots.ClearBeside(a.collectorsName()) // a killed core's: collectors that live on keep theirs
	}
	a.usePlugins()

	a.buffer, err = buffer.Open(buffer.Options{Dir: o.Layout.Buffer(), Owner: buffer.Owner(id.Fingerprint()), MaxBytes: a.bufferLimit(), MaxAge: a.box.Limit.BufferAge, Log: o.Log})
	if err != nil {
		return err
	}
	defer a.buffer.Close()
	a.plan = schedule.New(schedule.Options{
		Fingerprint: id.Fingerprint(), Concurrency: a.box.Limit.Runs, Caps: a.box.Limit.PluginRuns, Runner: &a.runs,
		Deliver: a.deliver, Begin: a.mark, End: a.note, Standby: true,
	})
	a.store = config.OpenStore(filepath.Join(o.Layout.Desired(), "good"))
	if err := a.openSession(); err != nil {
		return err
	}
	return a.live(ctx)
}

// live starts the loops and stays in the agent's own until one of them ends or the agent is asked to stop.
func (a *agent) live(ctx context.Context) error {
	g := newGroup(context.WithoutCancel(ctx))
	defer g.end()
	defer close(a.ended)
	g.start("schedule", a.schedule())
	if err := a.restore(g.ctx); err != nil {
		return err
	}
	g.start("session", a.session.Run)
	g.start("rejected", a.tellRejected)
	g.start("catalog", func(ctx context.Context) error { return a.catalog.Run(ctx, a.active.Load) })
	g.start("site", a.followSite)
	if a.o.Standby == "" {
		g.start("lock", a.awaitTurn(""))
		a.listen(g)
	}
	if err := a.o.Stub.Ready(a.o.Version); err != nil {
		return err
	}
	return a.loop(ctx, g)
}

// schedule is the schedule's loop, which ends before the group does when runs are cut off.
func (a *agent) schedule() func(context.Context) error {
	cut := make(chan struct{})
	a.endRuns = sync.OnceFunc(func() { close(cut) })
	return func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			select {
			case <-cut:
				cancel()
			case <-ctx.Done():
			}
		}()
		return a.plan.Loop(ctx)
	}
}

// release gives up what tells other cores that this one is there. Nothing runs any more.
func (a *agent) release() {
	if a.lock != nil {
		a.lock.Release()
	}
	if notes := a.notes.Load(); notes != nil {
		notes.Close()
	}
}

// loop is the goroutine that owns what changes. It says alive, so it must never wait long for anybody.
func (a *agent) loop(ctx context.Context, g *group) error {
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	settle := time.NewTimer(settled)
	defer settle.Stop()
	renew := time.NewTicker(factsEvery)
	defer renew.Stop()
	judge := time.NewTimer(judgeEvery)
	defer judge.Stop()
	news, kept := a.news, a.kept // nil while their timers run
	tell := time.NewTimer(judgeEvery)
	defer tell.Stop()
	var judged, said time.Time
	for {
		var err error
		select {
		case c := <-a.o.Stub.Commands():
			var over bool
			if over, err = a.obey(g, c); over {
				return err
			}
		case t := <-a.turns:
			err = a.begin(g, t)
		case f := <-a.requests:
			f(g.ctx)
		case <-alive.C:
			said, err = time.Now(), a.beat(g.ctx)
		case <-news:
			news = nil
			judge.Reset(soon(judged, judgeEvery))
		case <-judge.C:
			news = a.news
			drop(news) // what came meanwhile is judged now
			judged, err = time.Now(), a.judge()
			if err == nil && judged.Sub(said) >= aliveEvery-judgeEvery { // as long as we are awake
				said, err = judged, a.beat(g.ctx)
				alive.Reset(aliveEvery)
			}
		case <-kept:
			kept = nil
			tell.Reset(gathers)
		case <-tell.C:
			if kept == nil {
				a.tellCollectors()
			}
			kept = a.kept
		case <-settle.C:
			debug.FreeOSMemory()
			platforms.ForgetCode()
		case <-renew.C:
			a.refreshFacts()
		case <-a.idle:
			return a.drained(g)
		case <-ctx.Done(): // SIGTERM
			a.stop(g, "service", stopTime)
			return nil
		case <-g.ctx.Done():
			return g.first()
		}
		if err != nil {
			return err
		}
	}
}

// soon is how long to wait with what is done once in every at most: a moment, for what comes with it, unless it was done just now.
func soon(last time.Time, every time.Duration) time.Duration {
	return max(gathers, every-time.Since(last))
}

// obey does what the stub says. over: the agent's life is, with this error.
func (a *agent) obey(g *group, c control.Command) (over bool, err error) {
	switch c.Kind {
	case control.Stop:
		a.stop(g, c.Cause, c.Within)
		return true, nil
	case control.Gone:
		a.orphaned(g)
		return true, errors.New("the stub is gone")
	case control.Reload:
		a.reload(g.ctx)
	case control.Status:
		a.noteStub(c.Values)
		if a.lock != nil {
			poke(a.rejects)
		}
	default:
		return false, a.swap(g, c)
	}
	return false, nil
}

// beat says alive once the schedule has answered: a core whose schedule hangs must not pass for healthy.
func (a *agent) beat(ctx context.Context) error {
	a.runs.breadth.look()
	if time.Since(a.diskSeen) >= lookDiskEvery {
		a.diskSeen = time.Now()
		a.lookAtDisk()
		a.saveAgain()
	}
	ctx, cancel := context.WithTimeout(ctx, aliveEvery)
	defer cancel()
	if err := a.charge(ctx); err != nil {
		a.log.Error("the schedule does not answer", "err", err)
		return nil
	}
	return a.o.Stub.Alive()
}

// bufferLimit is the owner's, else the buffer's own.
func (a *agent) bufferLimit() int64 {
	if a.limit > 0 {
		return a.limit
	}
	return buffer.DefaultMaxBytes
}
