package gateway_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/rpc"
)

// trial is another core of the same agent, announced under a nonce.
func (a *agent) trial(nonce string) *agent {
	other := *a
	other.nonce, other.core, other.token, other.gens = nonce, "0.2", nil, map[uint64]*generation{}
	return &other
}

func successor(nonce string) *wire.Frame {
	return &wire.Frame{Body: &wire.Frame_Successor{Successor: &wire.Successor{Nonce: nonce}}}
}

func active() *wire.Frame { return &wire.Frame{Body: &wire.Frame_Active{Active: &wire.Active{}}} }

func say(t *testing.T, l *link, f *wire.Frame) {
	t.Helper()
	if err := l.send(f); err != nil {
		t.Fatal(err)
	}
}

// besides starts a trial beside good, and returns when the hub has both.
func besides(t *testing.T, h *hub, good *agent, l *link) (*agent, *link) {
	t.Helper()
	say(t, l, successor("n-1"))
	trial := good.trial("n-1")
	trial.count = good.count
	var second *link
	for limit := time.Now().Add(within); second == nil; { // its announcement may be behind
		var err error
		if second, err = trial.connect(t.Context(), h.at()); err != nil && (code(err) != wire.RefuseClone || time.Now().After(limit)) {
			t.Fatal(err)
		}
	}
	t.Cleanup(second.cut)
	good.count = trial.count
	h.untilPresence(good, fleet.Upgrading, "")
	return trial, second
}

func (h *hub) core(a *agent) string {
	d, err := h.fleet.Agent(a.fingerprint())
	if err != nil {
		return err.Error()
	}
	return d.CoreVersion
}

// neverLost watches what the fleet shows until the returned function is called.
func neverLost(t *testing.T, h *hub) func() {
	s := h.fleet.Subscribe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c := range s.C() {
			if c.Agent != nil && c.Agent.Presence == fleet.Offline {
				t.Errorf("shown offline (%s) during a swap", c.Agent.Cause)
			}
		}
	}()
	return func() { s.Close(); <-done }
}

func TestSwapIsOneAgentThatIsNeverLost(t *testing.T) {
	var revision atomic.Uint64
	h := startHub(t, settings{desired: func(fleet.Agent) *wire.Desired { return &wire.Desired{Revision: revision.Load()} }})
	good, old := h.join()
	h.untilPresence(good, fleet.Online, "")
	end := neverLost(t, h)
	defer end()
	trial, fresh := besides(t, h, good, old)
	if len(h.fleet.Agents()) != 1 || h.core(good) != "0.1" {
		t.Errorf("shown: %+v", h.fleet.Agents())
	}

	good.result(1, "a", wire.State_STATE_OK, "of the old core")
	trial.result(2, "a", wire.State_STATE_OK, "of the new core")
	for _, err := range []error{fresh.open(), fresh.drain(2, 1), old.open(), old.drain(1, 1)} { // both epochs, side by side
		if err != nil {
			t.Fatal(err)
		}
	}
	exactlyOnce(t, h.bus, &agent{t: t, key: good.key, gens: map[uint64]*generation{1: good.gens[1], 2: trial.gens[2]}})

	ran := make(chan *wire.RunEnd, 1)
	run := func() {
		r, err := h.calls.RunNow(t.Context(), good.fingerprint(), "a", nil)
		if err != nil {
			t.Error(err)
		}
		ran <- r
	}
	answer := func(l *link, text string) {
		t.Helper()
		call := l.must(func(f *wire.Frame) bool { return f.GetRunNow() != nil }).GetRunNow().GetCall()
		say(t, l, &wire.Frame{Body: &wire.Frame_RunEnd{RunEnd: &wire.RunEnd{Call: call, Error: text}}})
		if r := <-ran; r.GetError() != text {
			t.Errorf("answered by %v", r)
		}
	}
	go run()
	answer(old, "old")
	revision.Store(3)
	h.gateway.DesiredChanged()
	if f := old.must(func(f *wire.Frame) bool { return f.GetDesired() != nil || f.GetRunNow() != nil }); f.GetDesired().GetRevision() != 3 {
		t.Errorf("the old core was told %v", f)
	}

	say(t, fresh, active())
	h.until("the new core is the agent's", func() bool { return h.core(good) == "0.2" })
	if f := fresh.must(func(f *wire.Frame) bool { return f.GetDesired() != nil || f.GetRunNow() != nil }); f.GetDesired().GetRevision() != 3 {
		t.Errorf("the new core was told %v", f)
	}
	go run()
	answer(fresh, "new")

	good.result(1, "a", wire.State_STATE_OK, "a run that finished late")
	if err := old.drain(1, 1); err != nil {
		t.Fatal(err)
	}
	old.bye("upgrade")
	h.untilPresence(good, fleet.Online, "")
	if h.core(good) != "0.2" {
		t.Errorf("runs %s", h.core(good))
	}
	for _, e := range h.fleet.Log(100) {
		if e.Kind == journal.Left || e.Kind == journal.Warning {
			t.Errorf("log: %+v", e)
		}
	}
}

func TestTrialThatEndsLeavesTheAgentOnline(t *testing.T) {
	h := startHub(t, settings{})
	good, old := h.join()
	h.untilPresence(good, fleet.Online, "")
	end := neverLost(t, h)
	defer end()
	for range 3 {
		_, fresh := besides(t, h, good, old)
		fresh.cut()
		h.untilPresence(good, fleet.Online, "")
	}
	if h.core(good) != "0.1" {
		t.Errorf("shown: %s", h.core(good))
	}
}

// A trial that was activated dies while the old core drains: good starts afresh, and the old one drains on.
func TestFreshGoodBesideTheOneThatDrains(t *testing.T) {
	h := startHub(t, settings{})
	good, old := h.join()
	trial, fresh := besides(t, h, good, old)
	say(t, fresh, active())
	h.until("the new core is the agent's", func() bool { return h.core(good) == "0.2" })
	end := neverLost(t, h)
	defer end()
	fresh.cut()
	h.untilPresence(good, fleet.Online, "")
	good.count = trial.count
	again := h.connect(good)
	h.untilPresence(good, fleet.Upgrading, "")
	good.result(1, "a", wire.State_STATE_OK, "still draining")
	if err := errors.Join(old.open(), old.drain(1, 1)); err != nil {
		t.Errorf("the draining core's session: %v", err)
	}
	old.bye("upgrade")
	h.untilPresence(good, fleet.Online, "")
	h.takesCalls(t, good, again)
}

// takesCalls has the hub look at an agent until the link hears of it: the board shows a change of cores a moment before their
// sessions hear of it, and until then the one before takes the call.
func (h *hub) takesCalls(t *testing.T, a *agent, l *link) {
	t.Helper()
	ctx, heard := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		again := time.NewTicker(50 * time.Millisecond)
		defer again.Stop()
		for {
			err := h.calls.Look(ctx, a.fingerprint())
			if err != nil || ctx.Err() != nil {
				asked <- err
				return
			}
			select {
			case <-again.C:
			case <-ctx.Done():
			}
		}
	}()
	l.must(func(f *wire.Frame) bool { return f.GetLook() != nil })
	heard()
	if err := <-asked; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// Good dies while a trial waits: it is started again and is the agent's again, and the trial still waits.
func TestGoodThatComesAgainBesideAStandby(t *testing.T) {
	h := startHub(t, settings{})
	good, old := h.join()
	trial, fresh := besides(t, h, good, old)
	old.cut()
	h.until("the trial alone", func() bool { return h.core(good) == "0.2" })
	h.takesCalls(t, good, fresh)
	good.count = trial.count
	again := h.connect(good)
	h.until("good is the agent's again", func() bool { return h.core(good) == "0.1" })
	h.untilPresence(good, fleet.Upgrading, "")
	h.takesCalls(t, good, again)
	say(t, fresh, active())
	h.until("the trial took over", func() bool { return h.core(good) == "0.2" })
	h.takesCalls(t, good, fresh)
}

// The old core's line breaks while it drains: it comes again beside its successor, and ends nobody.
func TestDrainingCoreComesAgainBesideItsSuccessor(t *testing.T) {
	h := startHub(t, settings{})
	good, old := h.join()
	trial, fresh := besides(t, h, good, old)
	say(t, fresh, active())
	h.until("the new core is the agent's", func() bool { return h.core(good) == "0.2" })
	old.cut()
	h.untilPresence(good, fleet.Online, "")
	good.count = trial.count
	again := h.connect(good)
	h.untilPresence(good, fleet.Upgrading, "")
	if h.core(good) != "0.2" {
		t.Errorf("shown: %s", h.core(good))
	}
	h.takesCalls(t, good, fresh)
	again.bye("upgrade")
	h.untilPresence(good, fleet.Online, "")
}

func TestNobodyComesBesideUnannounced(t *testing.T) {
	h := startHub(t, settings{})
	good, old := h.join()
	stranger := good.trial("never-announced")
	stranger.count = good.count
	if _, err := stranger.connect(t.Context(), h.at()); code(err) != wire.RefuseClone {
		t.Errorf("let in: %v", err)
	}
	h.takesCalls(t, good, old)
	for _, nonce := range []string{"", "no/nonce", string(make([]byte, 65))} {
		a, l := h.join()
		say(t, l, successor(nonce))
		h.untilPresence(a, fleet.Offline, "lost")
	}
	stranger.nonce = "no nonce"
	if _, err := stranger.connect(t.Context(), h.at()); err == nil || code(err) != "" {
		t.Errorf("a malformed nonce: %v", err)
	}
}

func TestSessionsOfASwapEndWithAKilledHub(t *testing.T) {
	dir := t.TempDir()
	h := startHub(t, settings{dir: dir})
	good, old := h.join()
	_, fresh := besides(t, h, good, old)
	stopped := make(chan struct{})
	go func() { h.stop(); close(stopped) }()
	for _, l := range []*link{old, fresh} {
		l.must(func(f *wire.Frame) bool { return f.GetBye() != nil })
		l.cut()
	}
	<-stopped
	h = startHub(t, settings{dir: dir, key: h.key})
	h.untilPresence(good, fleet.Offline, "hub-stopped")
	h.connect(good)
	h.untilPresence(good, fleet.Online, "")
}

func TestLookFindsNobody(t *testing.T) {
	h := startHub(t, settings{})
	a, l := h.join()
	l.bye("stop")
	h.untilPresence(a, fleet.Offline, "stop")
	if err := h.calls.Look(t.Context(), a.fingerprint()); !errors.Is(err, rpc.ErrOffline) {
		t.Errorf("looked: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.calls.Look(ctx, a.fingerprint()); !errors.Is(err, context.Canceled) && !errors.Is(err, rpc.ErrOffline) {
		t.Errorf("looked: %v", err)
	}
	h.until("its leaving is in the log", func() bool {
		return slices.ContainsFunc(h.fleet.Log(10), func(e journal.Event) bool { return e.Kind == journal.Left })
	})
}
