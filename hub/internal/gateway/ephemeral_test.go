package gateway_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/ephemeral"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// keepsFleet has the hub take ephemeral agents out, as its main does.
func (h *hub) keepsFleet() {
	ctx, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ephemeral.Run(ctx, ephemeral.Options{Bus: h.bus, Register: h.register, Presence: h.board, Fleet: h.fleet, Log: slog.New(slog.DiscardHandler)})
	}()
	h.t.Cleanup(func() { end(); <-done })
}

func (h *hub) listed(a *agent) bool {
	_, err := h.fleet.Find(a.fingerprint())
	return err == nil
}

func (h *hub) logged(kind string) int {
	n := 0
	for _, e := range h.fleet.Log(1000) {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// TestAnEphemeralAgentLeavesTheFleet: with its goodbye, and it is in it again when it comes back, with the key alone.
func TestAnEphemeralAgentLeavesTheFleet(t *testing.T) {
	h := startHub(t, settings{})
	h.keepsFleet()
	a := newAgent(t, h.token(enrol.Request{Ephemeral: time.Hour}))
	l := h.connect(a)
	if w := l.welcome; !w.GetEphemeral() {
		t.Errorf("welcomed as %v", w)
	}
	l.bye("shutdown") // a reboot
	h.untilPresence(a, fleet.Offline, "shutdown")
	l = h.connect(a)
	h.untilPresence(a, fleet.Online, "")
	if h.logged(journal.Removed) != 0 {
		t.Fatal("a box that rebooted was removed")
	}
	for round := range 2 {
		l.bye("deregister")
		h.until("it is out of the fleet", func() bool { return !h.listed(a) && h.logged(journal.Removed) == round+1 })
		if known, err := h.register.Agent(t.Context(), a.fingerprint()); err != nil || known.Removed.IsZero() {
			t.Errorf("the register says %+v, %v", known, err)
		}
		a.token = nil // it was deleted when it was used
		l = h.connect(a)
		h.until("it is in the fleet again", func() bool { return h.listed(a) })
		h.untilPresence(a, fleet.Online, "")
	}
	if err := h.register.Forget(t.Context(), a.fingerprint()); err != nil {
		t.Fatal(err)
	}
	h.until("a person has the last word", func() bool { return !h.listed(a) })
}

// TestWhoRemovesSeesWhoReturns: an agent that comes while it is being removed is in the fleet afterwards, whichever of the two is first.
func TestWhoRemovesSeesWhoReturns(t *testing.T) {
	h := startHub(t, settings{})
	h.keepsFleet()
	a := newAgent(t, h.token(enrol.Request{Ephemeral: time.Hour}))
	for range 20 {
		h.connect(a).bye("deregister") // the next session begins when the hub may be about to remove it
	}
	l := h.connect(a)
	h.until("it is in the fleet", func() bool {
		known, err := h.register.Agent(t.Context(), a.fingerprint())
		return err == nil && known.Removed.IsZero() && h.listed(a)
	})
	h.untilPresence(a, fleet.Online, "")
	l.bye("stop")
}

// TestACopyOfAnEphemeralAgentIsEphemeral: boxes made of one image come and go as the first did.
func TestACopyOfAnEphemeralAgentIsEphemeral(t *testing.T) {
	h := startHub(t, settings{})
	a := newAgent(t, h.token(enrol.Request{Ephemeral: time.Hour}))
	h.connect(a)
	id, secret, err := h.register.Vouch(t.Context(), a.fingerprint())
	if err != nil {
		t.Fatal(err)
	}
	other := newAgent(t, nil)
	admitted, err := h.register.Enrol(t.Context(), id, secret, other.public())
	if err != nil || admitted.EphemeralMS != time.Hour.Milliseconds() || admitted.ClonedFrom != a.fingerprint() {
		t.Errorf("%+v, %v", admitted, err)
	}
	tokens, err := h.register.Tokens(t.Context())
	if err != nil || !slices.ContainsFunc(tokens, func(k enrol.Token) bool { return k.EphemeralMS == time.Hour.Milliseconds() }) {
		t.Errorf("tokens %+v, %v", tokens, err)
	}
}
