// Package agent puts an agent together: Run opens what is durable, starts the loops, and ends them in reverse. One goroutine (Run's
// own) takes what changes the agent: lines from the stub, desired state, the box file; so the running set of checks has one owner.
// What each part does is the part's business.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/internal/builtin"
	"github.com/limpet-monitoring/limpet/core/internal/config"
	"github.com/limpet-monitoring/limpet/core/internal/control"
	"github.com/limpet-monitoring/limpet/core/internal/facts"
	"github.com/limpet-monitoring/limpet/core/internal/identity"
	"github.com/limpet-monitoring/limpet/core/internal/local"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/core/internal/session"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
)

const (
	aliveEvery = 5 * time.Second // docs/stub-contract.md, section 2
	goneTime   = 4 * time.Second // after the stub went; the contract gives five
	stopTime   = 10 * time.Second
	lockTry    = 200 * time.Millisecond
	factsEvery = 10 * time.Minute
)

// Options are what main knows.
type Options struct {
	Layout  platforms.Layout
	Version string
	Stub    *control.Stub
	Token   string // from the environment, else the file is looked at
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
	runs    runner
	limit   int64 // of the buffer in bytes, as the box file said at the start; 0 = the default
	board   board

	facts    atomic.Pointer[wire.Facts]
	view     atomic.Pointer[view]       // what other goroutines may know of what Run owns
	requests chan func(context.Context) // for the goroutine of Run
	ended    chan struct{}              // closed when it takes no more

	// owned
	box      boxfile.Box
	boxLines []string // what is wrong with the box file
	store    *config.Store
	set      config.Set
	rejected *wire.RevisionReport // of the newest revision that was refused, nil = none
	unsaved  string               // why the running revision could not be kept on disk
	told     [2]uint64            // the checks line said last
}

// view is an immutable picture for the status.
type view struct {
	revision        uint64
	trust           string
	problems, notes []string
}

// Run is an agent's life: it returns nil after a stop, and an error when something broke that a new start may mend.
func Run(ctx context.Context, o Options) error {
	a := &agent{o: o, log: o.Log, requests: make(chan func(context.Context)), ended: make(chan struct{})}
	if err := o.Layout.MakeFolders(); err != nil {
		return err
	}
	for _, left := range plugin.EndOrphans() {
		o.Log.Warn("ended what a killed core's run had left", "process", left)
	}
	a.runs.breadth.narrow()
	a.readBox()
	a.limit = a.box.Limit.BufferBytes
	id, err := identity.Open(identity.Options{Layout: o.Layout, Token: o.Token})
	if err != nil {
		return err
	}
	a.id = id
	a.builtin = builtin.New(builtin.Env{HubOffset: a.hubOffset, Agent: a.agentStats})
	a.runs.builtins = a.builtin
	a.facts.Store(a.gather())

	a.buffer, err = buffer.Open(buffer.Options{Dir: o.Layout.Buffer(), MaxBytes: a.bufferLimit(), MaxAge: a.box.Limit.BufferAge, Log: o.Log})
	if err != nil {
		return err
	}
	defer a.buffer.Close()
	a.plan = schedule.New(schedule.Options{
		Fingerprint: id.Fingerprint(), Concurrency: a.box.Limit.Runs, Runner: &a.runs, Deliver: a.deliver, Begin: a.begin, Standby: true,
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
	g.start("schedule", a.plan.Loop)
	if err := a.restore(g.ctx); err != nil {
		return err
	}
	g.start("lock", a.activate)
	g.start("session", a.session.Run)
	if socket, err := local.Listen(a.o.Layout.Socket(), map[string]local.Answer{"status": a.answerStatus}); err != nil {
		a.log.Warn("no local socket; limpet status shows less", "err", err)
	} else {
		g.start("local", socket.Serve)
	}
	if err := a.o.Stub.Ready(a.o.Version); err != nil {
		return err
	}
	return a.loop(ctx, g)
}

// loop is the goroutine that owns what changes. It says alive, so it must never wait long for anybody.
func (a *agent) loop(ctx context.Context, g *group) error {
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	renew := time.NewTicker(factsEvery)
	defer renew.Stop()
	for {
		select {
		case c := <-a.o.Stub.Commands():
			switch c.Kind {
			case control.Stop:
				a.stop(g, c.Cause, c.Within)
				return nil
			case control.Gone:
				a.stop(g, "restart", goneTime)
				return errors.New("the stub is gone")
			case control.Reload:
				a.reload(g.ctx)
			case control.Status:
				a.noteStub(c.Values)
			}
		case f := <-a.requests:
			f(g.ctx)
		case <-alive.C:
			if err := a.beat(g.ctx); err != nil {
				return err
			}
		case <-renew.C:
			a.refreshFacts()
		case <-ctx.Done(): // SIGTERM
			a.stop(g, "service", stopTime)
			return nil
		case <-g.ctx.Done():
			return g.first()
		}
	}
}

// beat says alive once the schedule has answered: a core whose schedule hangs must not pass for healthy.
func (a *agent) beat(ctx context.Context) error {
	a.runs.breadth.look()
	ctx, cancel := context.WithTimeout(ctx, aliveEvery)
	defer cancel()
	if _, err := a.plan.Stats(ctx); err != nil {
		a.log.Error("the schedule does not answer", "err", err)
		return nil
	}
	if err := a.o.Stub.Alive(); err != nil {
		return err
	}
	bitmap, mask := a.health()
	if told := [2]uint64{bitmap, mask}; told != a.told {
		a.told = told
		return a.o.Stub.Checks(bitmap, mask)
	}
	return nil
}

// Bits of the checks line, docs/stub-contract.md.
const (
	bitConfig = 1 << iota
	bitSchedule
	bitBuffer
	bitSession
	bitCollectors
)

func (a *agent) health() (bitmap, mask uint64) {
	bitmap, mask = a.board.bits(a.set.Checks)
	mask |= bitConfig | bitSchedule | bitBuffer | bitSession
	bitmap |= bitSchedule
	if a.rejected == nil {
		bitmap |= bitConfig
	}
	if a.buffer.Stats().LastError == "" {
		bitmap |= bitBuffer
	}
	if a.session.Status().State == session.Connected {
		bitmap |= bitSession
	}
	return bitmap, mask
}

// stop announces the cause, lets what runs finish within the time, and brings over what can be brought.
func (a *agent) stop(g *group, cause string, within time.Duration) {
	a.log.Info("stopping", "cause", cause, "within", within)
	ctx, cancel := context.WithTimeout(g.ctx, within-within/5)
	defer cancel()
	drain, done := context.WithTimeout(ctx, within/2)
	if err := a.plan.Drain(drain); err != nil {
		a.log.Warn("runs are cut off", "err", err)
	}
	done()
	a.flush(ctx)
	a.session.Bye(ctx, byeCause(cause), "")
}

// flush gives the session a moment to bring over what the last runs left.
func (a *agent) flush(ctx context.Context) {
	if a.session.Status().State != session.Connected {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for a.buffer.Stats().UnackedRecords > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// byeCause translates the stub's word into the wire's.
func byeCause(cause string) string {
	switch cause {
	case "shutdown":
		return "shutdown"
	case "restart":
		return "reload"
	default:
		return "stop"
	}
}

// activate lets the schedule begin once this is the one core that schedules, and holds the lock until the end of the process: a
// core that outlived its stub must be gone before the next one starts a run.
func (a *agent) activate(ctx context.Context) error {
	for {
		lock, err := platforms.Take(a.o.Layout.Lock())
		if err == nil {
			defer lock.Release()
			if err := a.plan.Activate(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			<-ctx.Done()
			return nil
		}
		if !errors.Is(err, platforms.ErrLocked) {
			return fmt.Errorf("take the schedule's lock: %w", err)
		}
		select {
		case <-time.After(lockTry):
		case <-ctx.Done():
			return nil
		}
	}
}

// begin leaves the start mark by which a run that a kill cuts off is known to be lost.
func (a *agent) begin(c check.Check, start time.Time) {
	if err := a.buffer.Mark(c.Name, start); err != nil {
		a.log.Warn("no start mark", "check", c.Name, "err", err)
	}
}

// deliver keeps a result on disk before anybody hears of it. What cannot be kept is counted by the buffer and shown in the status.
func (a *agent) deliver(_ context.Context, c check.Check, r check.Result) {
	item := &wire.Item{Kind: &wire.Item_Result{Result: a.record(c, r)}}
	if plugin.Interrupted(r) {
		item = &wire.Item{Kind: &wire.Item_LostRun{LostRun: &wire.LostRun{Check: c.Name, StartNs: r.Start.UnixNano()}}}
	} else {
		a.board.put(r)
	}
	if err := a.buffer.Append(item); err != nil {
		a.log.Error("result not kept", "check", c.Name, "err", err)
	}
}

// record is the result as the buffer and the hub keep it.
func (a *agent) record(c check.Check, r check.Result) *wire.Result {
	out := wire.FromResult(r)
	out.Plugin = wire.Name(c)
	out.EveryMs = wire.EveryMs(c)
	out.MonoNs = int64(platforms.SinceBoot() - time.Since(r.Start))
	if v := a.view.Load(); v != nil {
		out.Revision = v.revision
	}
	return out
}

// bufferLimit is the owner's, else the buffer's own.
func (a *agent) bufferLimit() int64 {
	if a.limit > 0 {
		return a.limit
	}
	return buffer.DefaultMaxBytes
}

func (a *agent) gather() *wire.Facts {
	f := facts.Gather()
	return &wire.Facts{
		Hostname: f.Hostname, Addresses: f.Addresses, Os: f.OS, Arch: f.Arch, Platform: f.Platform, Kernel: f.Kernel,
		BootId: f.BootID, MachineIdHash: f.MachineID, MemoryBytes: f.Memory, Cpus: uint32(f.CPUs),
		CoreVersion: a.o.Version, CoreHash: os.Getenv("LIMPET_CORE_HASH"), StubVersion: os.Getenv("LIMPET_STUB"),
		Tags: a.box.Tags, Plugins: plugin.List(a.dirs()), Trust: a.box.Trust.String(), Checks: names(a.set.Checks),
	}
}

func names(checks []check.Check) []string {
	out := make([]string, 0, len(checks))
	for _, c := range checks {
		out = append(out, c.Name)
	}
	return out
}

// refreshFacts tells the hub when something about the box has changed.
func (a *agent) refreshFacts() {
	now, was := a.gather(), a.facts.Load()
	now.Development, now.More = was.Development, was.More
	if !sameFacts(now, was) {
		a.facts.Store(now)
		a.session.SendFacts()
	}
}

// noteStub keeps what the stub says and the hub should see.
func (a *agent) noteStub(values []control.Value) {
	now := cloneFacts(a.facts.Load())
	now.More = map[string]string{}
	now.Development = false
	for _, v := range values {
		switch v.Key {
		case "warning":
			now.Development = now.Development || v.Value == "development"
			now.More["warning."+v.Value] = "yes"
		case "restarts", "last", "previous":
			now.More[v.Key] = v.Value
		}
	}
	if !sameFacts(now, a.facts.Load()) {
		a.facts.Store(now)
		a.session.SendFacts()
	}
}
