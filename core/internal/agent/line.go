package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/builtin"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/core/internal/session"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

// openSession joins the line to what the agent has.
func (a *agent) openSession() error {
	if len(a.box.Hubs) == 0 {
		return fmt.Errorf("no hub: write hub = https://HOST:8700 into %s", a.o.Layout.BoxFile())
	}
	turn := a.turn
	if a.o.Standby != "" {
		turn = nil // it was announced
	}
	s, err := session.New(session.Options{
		Turn: turn, Way: a.wayOut, Standby: a.o.Standby, Identity: a.id, Buffer: a.buffer, Passed: a.passed, Facts: a.facts.Load, Log: a.log,
		Hooks: session.Hooks{
			Revision: a.revision,
			Desired:  a.take,
			Run:      a.call,
			Look:     func() { a.ask(a.o.Stub.Look()) },
			Follow:   func(channel, pin string) { a.ask(a.o.Stub.Follow(channel, pin)) },
			Hold:     func() { a.ask(a.o.Stub.Hold()) },
			Resume:   func() { a.ask(a.o.Stub.Resume()) },
			Changed:  a.lineChanged,
		},
	})
	a.session = s
	return err
}

// wayOut is the box file's word on where the hubs are, as it was read last; the files it names are read now.
func (a *agent) wayOut() (session.Way, error) {
	box := a.boxNow.Load()
	o, err := dial.FromBox(*box)
	o.Memory, o.Built, o.Log = a.o.Layout.Addresses(), a.o.Built, a.log
	return session.Way{Hubs: box.Hubs, Dial: o}, err
}

// passed is the time that the stub has proof of.
func (a *agent) passed() time.Time {
	if seconds := a.timeFloor.Load(); seconds > 0 {
		return time.Unix(seconds, 0)
	}
	return time.Time{}
}

// ask logs that the stub could not be asked for what the hub wants.
func (a *agent) ask(err error) {
	if err != nil {
		a.log.Error("the hub's wish not passed on", "err", err)
	}
}

// call is a person's "run now". Its result goes the way of every other; the end of the call carries it too.
func (a *agent) call(ctx context.Context, call *wire.RunNow, out func(stderr bool, data []byte)) *wire.RunEnd {
	end := &wire.RunEnd{Call: call.Call}
	r, joined, err := a.plan.RunNow(ctx, call.Check, out)
	if errors.Is(err, schedule.ErrUnknownCheck) {
		r, joined, err = a.runPlugin(ctx, call.Check, out)
	}
	switch {
	case errors.Is(err, errNoPlugin):
		end.Error = fmt.Sprintf("this agent has no check %q, and the catalog no plugin of this name", call.Check)
	case err != nil:
		end.Error = err.Error()
	default:
		end.Result, end.Joined = wire.Ended(r), joined
	}
	return end
}

// hubOffset is how far this box's clock is ahead of the hub's.
func (a *agent) hubOffset() (offset, rtt time.Duration, ok bool) {
	s := a.session.Status()
	return -s.Offset, s.RTT, s.OffsetOK
}

// wayToHub is the hub's host, and the rung of the ladder that the session stands on.
func (a *agent) wayToHub() builtin.Hub {
	s := a.session.Status()
	host, _, err := net.SplitHostPort(s.Hub)
	if err != nil {
		host = s.Hub
	}
	way := builtin.Hub{Host: host}
	if s.State == session.Connected {
		way.Rung = string(s.Rung)
	}
	return way
}

func (a *agent) agentStats() builtin.AgentStats {
	b := a.buffer.Stats()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	plan, err := a.plan.Stats(ctx)
	if err != nil {
		a.log.Warn("the schedule does not answer", "err", err)
	}
	s := builtin.AgentStats{BufferBytes: b.Bytes, BufferLimit: a.bufferLimit(), Pending: int64(b.UnackedRecords), Lag: plan.LagMax}
	if !b.OldestUnacked.IsZero() {
		s.Oldest = time.Since(b.OldestUnacked)
	}
	return s
}

func (a *agent) answerStatus(ctx context.Context) ([]byte, error) {
	s, err := a.status(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

func (a *agent) answerPart(ctx context.Context) ([]byte, error) {
	s, err := a.status(ctx)
	if err != nil {
		return nil, err
	}
	return s.Fit(), nil
}

func (a *agent) status(ctx context.Context) (Status, error) {
	plan, err := a.plan.Stats(ctx)
	if err != nil {
		return Status{}, err
	}
	entries, err := a.plan.List(ctx)
	if err != nil {
		return Status{}, err
	}
	v, b := a.view.Load(), a.buffer.Stats()
	problems := slices.Clone(v.problems)
	if problem := a.site.problem(); problem != "" {
		problems = append(problems, problem)
	}
	var floor *time.Time
	if past := a.passed(); !past.IsZero() {
		floor = &past
	}
	return Status{
		TimeFloor: floor,
		Version:   a.o.Version, Fingerprint: a.id.Fingerprint(), Hostname: a.facts.Load().Hostname,
		Trust: v.trust, Revision: v.revision, Problems: orEmpty(problems), Notes: orEmpty(v.notes),
		Hub:    a.hubStatus(),
		Buffer: BufferStatus{Pending: b.UnackedRecords, Bytes: b.Bytes, Generations: b.Generations, Foreign: b.Foreign, Held: b.Held, Error: b.LastError},
		Schedule: Lag{Checks: plan.Checks, Running: plan.Running, Queued: plan.Queued, Skipped: plan.Skipped, Shed: plan.Shed, Runs: plan.Runs,
			P50MS: millis(plan.LagP50), P99MS: millis(plan.LagP99), MaxMS: millis(plan.LagMax)},
		Checks: a.board.statuses(entries), Collectors: a.collectorStatus(), Inputs: a.inputStatus(),
	}, nil
}

func (a *agent) hubStatus() HubStatus {
	s := a.session.Status()
	h := HubStatus{
		URL: hubURL(s.Hub), State: string(s.State), Since: s.Since, Address: s.Address, Rung: string(s.Rung), TLS: s.TLS, Name: s.Name,
		RTTMS: millis(s.RTT), OffMS: millis(-s.Offset), Error: s.Err, Hint: s.Hint, Console: s.Console,
	}
	return h
}

// hubURL is how a person writes the hub of host:port.
func hubURL(addr string) string {
	if addr == "" {
		return ""
	}
	return "https://" + addr
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
