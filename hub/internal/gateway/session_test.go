package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/rpc"
)

func TestEnrolComeAndGo(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain=%v", plain), func(t *testing.T) {
			h := startHub(t, settings{plain: plain})
			a, l := h.join()
			if !l.welcome.GetEnrolledNow() || l.welcome.GetName() != "box" {
				t.Errorf("welcome %v", l.welcome)
			}
			h.untilPresence(a, fleet.Online, "")
			d, err := h.fleet.Agent(a.fingerprint())
			if err != nil {
				t.Fatal(err)
			}
			tls := map[bool]string{false: "bound", true: "terminated"}[plain]
			if d.Hostname != "box" || d.OS != "linux" || d.TLS != tls || d.Enrolled.IsZero() || d.Facts.CoreVersion != "0.1" {
				t.Errorf("agent %+v", d)
			}
			l.bye("shutdown")
			h.untilPresence(a, fleet.Offline, "shutdown")

			a.token = nil // known from now on
			l = h.connect(a)
			if l.welcome.GetEnrolledNow() {
				t.Error("enrolled twice")
			}
			h.untilPresence(a, fleet.Online, "")
			l.cut()
			h.untilPresence(a, fleet.Offline, "lost")
			l = h.connect(a)
			h.untilPresence(a, fleet.Online, "")
			l.bye("upgrade")
			h.untilPresence(a, fleet.Upgrading, "upgrade")
			h.until("seven entries of the log", func() bool { return len(h.fleet.Log(100)) == 7 })
			var kinds []string
			for _, e := range h.fleet.Log(100) {
				kinds = append(kinds, e.Kind)
			}
			if want := []string{"left", "came", "left", "came", "left", "came", "enrolled"}; !slices.Equal(kinds, want) {
				t.Errorf("log %v", kinds)
			}
		})
	}
}

// TestAKilledAgentIsNoticedAtOnce, one of several times: a neighbour may hold the disk for seconds that the end of a session is written to.
func TestAKilledAgentIsNoticedAtOnce(t *testing.T) {
	h := startHub(t, settings{})
	a, l := h.join()
	least := within
	for range 5 {
		h.untilPresence(a, fleet.Online, "")
		start := time.Now()
		l.cut()
		h.untilPresence(a, fleet.Offline, "lost")
		if least = min(least, time.Since(start)); least <= time.Second {
			return
		}
		l = h.connect(a)
	}
	t.Errorf("a killed agent was noticed after %s at best", least)
}

func TestRefusals(t *testing.T) {
	h := startHub(t, settings{})
	used := h.token(enrol.Request{})
	if _, err := newAgent(t, used).connect(t.Context(), h.at()); err != nil {
		t.Fatal(err)
	}
	revoked := h.token(enrol.Request{})
	if err := h.register.RevokeToken(t.Context(), revoked.ID()); err != nil {
		t.Fatal(err)
	}
	expired := h.token(enrol.Request{TTL: time.Second})
	forgotten, _ := h.join()
	forgotten.token = nil
	if err := h.register.Forget(t.Context(), forgotten.fingerprint()); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(expires(t, h, expired.ID()))) // wall time: the bus is a real one
	for _, c := range []struct {
		name, code string
		agent      *agent
	}{
		{"no token", wire.RefuseUnknownAgent, newAgent(t, nil)},
		{"used up", wire.RefuseTokenUsed, newAgent(t, used)},
		{"revoked", wire.RefuseTokenUnknown, newAgent(t, revoked)},
		{"expired", wire.RefuseTokenExpired, newAgent(t, expired)},
		{"forgotten", wire.RefuseRevoked, forgotten},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.agent.connect(t.Context(), h.at())
			if code(err) != c.code {
				t.Errorf("got %v", err)
			}
		})
	}
	forgotten.token = h.token(enrol.Request{})
	if _, err := forgotten.connect(t.Context(), h.at()); err != nil {
		t.Errorf("enrolled anew: %v", err)
	}
}

func TestForgettingEndsTheSession(t *testing.T) {
	h := startHub(t, settings{})
	a, l := h.join()
	h.untilPresence(a, fleet.Online, "")
	if err := h.register.Forget(t.Context(), a.fingerprint()); err != nil {
		t.Fatal(err)
	}
	if f := l.must(func(f *wire.Frame) bool { return f.GetBye() != nil }); f.GetBye().GetCause() != "deregister" {
		t.Errorf("goodbye %v", f)
	}
	h.until("gone", func() bool { return len(h.fleet.Agents()) == 0 })
}

// comesAgain says whether an agent does by itself: the hub could not look it up in time, or the line broke in the handshake.
func comesAgain(err error) bool {
	return err != nil && !errors.Is(err, errWrongAck) && (code(err) == "" || code(err) == wire.RefuseNotReady)
}

func TestOneUseAdmitsOneOfTwenty(t *testing.T) {
	h := startHub(t, settings{})
	token := h.token(enrol.Request{Uses: 1})
	var admitted atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		a := newAgent(t, token)
		wg.Go(func() {
			_, err := a.connect(t.Context(), h.at())
			for limit := time.Now().Add(within); comesAgain(err) && time.Now().Before(limit); {
				_, err = a.connect(t.Context(), h.at())
			}
			switch {
			case err == nil:
				admitted.Add(1)
			case code(err) != wire.RefuseTokenUsed:
				t.Errorf("refused with %v", err)
			}
		})
	}
	wg.Wait()
	if admitted.Load() != 1 {
		t.Errorf("%d admitted", admitted.Load())
	}
	tokens, err := h.register.Tokens(t.Context())
	if err != nil || len(tokens) != 1 || tokens[0].UsesLeft != 0 || len(tokens[0].Agents) != 1 {
		t.Errorf("token %+v, %v", tokens, err)
	}
}

func TestStopOfTheHubIsAnnounced(t *testing.T) {
	dir := t.TempDir()
	h := startHub(t, settings{dir: dir})
	a, l := h.join()
	h.untilPresence(a, fleet.Online, "")
	stopped := make(chan struct{})
	go func() { h.stop(); close(stopped) }()
	if f := l.must(func(f *wire.Frame) bool { return f.GetBye() != nil }); f.GetBye().GetCause() != "stop" {
		t.Errorf("goodbye %v", f)
	}
	l.cut()
	<-stopped
	h = startHub(t, settings{dir: dir, key: h.key})
	d, err := h.fleet.Agent(a.fingerprint())
	if err != nil || d.Presence != fleet.Offline || d.Cause != "hub-stopped" {
		t.Errorf("after the restart %+v, %v", d.Agent, err)
	}
	h.connect(a)
	h.untilPresence(a, fleet.Online, "")
}

func TestDesiredStateIsPushedUntilItIsAnswered(t *testing.T) {
	var revision atomic.Uint64
	revision.Store(3)
	h := startHub(t, settings{desired: func(a fleet.Agent) *wire.Desired {
		if a.Hostname != "box" || !slices.Equal(a.Tags, []string{"web"}) {
			t.Errorf("asked about %+v", a)
		}
		return &wire.Desired{Revision: revision.Load()}
	}})
	a := newAgent(t, h.token(enrol.Request{}))
	a.tags = []string{"web"}
	l := h.connect(a)
	if l.welcome.GetRevision() != 3 {
		t.Errorf("welcome names revision %d", l.welcome.GetRevision())
	}
	desired := func(f *wire.Frame) bool { return f.GetDesired() != nil }
	report := func(r *wire.RevisionReport) {
		t.Helper()
		if err := l.send(&wire.Frame{Body: &wire.Frame_RevisionReport{RevisionReport: r}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.must(desired).GetDesired().GetRevision(); got != 3 {
		t.Errorf("pushed %d", got)
	}
	report(&wire.RevisionReport{Revision: 3, Accepted: true})
	h.until("revision 3", func() bool { d, _ := h.fleet.Agent(a.fingerprint()); return d.Revision == 3 })

	revision.Store(4)
	h.gateway.DesiredChanged()
	if got := l.must(desired).GetDesired().GetRevision(); got != 4 {
		t.Errorf("pushed %d", got)
	}
	report(&wire.RevisionReport{Revision: 4, Problems: []string{"check web: no such plugin"}})
	h.until("a problem", func() bool {
		d, _ := h.fleet.Agent(a.fingerprint())
		return d.Revision == 3 && slices.Equal(d.RevisionProblems, []string{"check web: no such plugin"}) && !d.RejectedAt.IsZero()
	})
	revision.Store(5) // no signal: the comparison at the agent's heartbeat finds it, and what was refused is not sent again
	if err := l.send(&wire.Frame{Body: &wire.Frame_Heartbeat{Heartbeat: &wire.Heartbeat{SentNs: 1}}}); err != nil {
		t.Fatal(err)
	}
	if got := l.must(desired).GetDesired().GetRevision(); got != 5 {
		t.Errorf("pushed %d", got)
	}
}

func TestRoundTripIsMeasured(t *testing.T) {
	h := startHub(t, settings{})
	began := time.Now()
	a, l := h.join()
	beat := l.must(func(f *wire.Frame) bool { return f.GetHeartbeat() != nil }).GetHeartbeat()
	sent := time.Now().Add(time.Hour).UnixNano() // its clock is an hour ahead
	if err := l.send(&wire.Frame{Body: &wire.Frame_Heartbeat{Heartbeat: &wire.Heartbeat{SentNs: sent, EchoNs: beat.GetSentNs()}}}); err != nil {
		t.Fatal(err)
	}
	h.until("a round trip", func() bool { d, _ := h.fleet.Agent(a.fingerprint()); return d.RTTMS > 0 })
	d, _ := h.fleet.Agent(a.fingerprint())
	all := float64(time.Since(began).Milliseconds() + 1) // no part of it took longer, on however busy a machine
	if off := d.ClockOffsetMS - 3_600_000; off < -all || off > all || d.RTTMS > all {
		t.Errorf("offset %v ms, round trip %v ms within %v ms", d.ClockOffsetMS, d.RTTMS, all)
	}
}

// TestHeartbeatsAnswerTheAgents, whenever it sends them: an agent at rest wakes once for both. It is so in one of several sessions, for an agent whose
// own beats are late on a busy machine is sent one between them, as it should be.
func TestHeartbeatsAnswerTheAgents(t *testing.T) {
	const every = time.Second
	h := startHub(t, settings{heartbeat: every})
	var err error
	for range 5 {
		_, l := h.join()
		err = l.beats(every)
		l.cut()
		if err == nil {
			return
		}
	}
	t.Error(err)
}

// beats sends three heartbeats and says which of them was not answered by the hub's next one.
func (l *link) beats(every time.Duration) error {
	next := func() (*wire.Heartbeat, error) {
		f, err := l.await(func(f *wire.Frame) bool { return f.GetHeartbeat() != nil })
		return f.GetHeartbeat(), err
	}
	if _, err := next(); err != nil { // at the session's beginning, a quarter of an interval before the agent's
		return err
	}
	<-time.After(every / 4)
	own := time.NewTicker(every)
	defer own.Stop()
	for i := int64(1); i <= 3; i++ {
		if err := l.send(&wire.Frame{Body: &wire.Frame_Heartbeat{Heartbeat: &wire.Heartbeat{SentNs: i}}}); err != nil {
			return err
		}
		if i > 1 { // the first finds one that was sent just before
			if got, err := next(); err != nil || got.GetEchoNs() != i || got.GetHeldNs() > (every/2).Nanoseconds() {
				return fmt.Errorf("to the %d. came %v, %v", i, got, err)
			}
		}
		if i < 3 {
			<-own.C
		}
	}
	return nil
}

// TestSilenceIsADeadLine after three heartbeats without a word, and never before; soon after them for one of several agents.
func TestSilenceIsADeadLine(t *testing.T) {
	h := startHub(t, settings{heartbeat: 100 * time.Millisecond})
	var took time.Duration
	for range 5 {
		start := time.Now()
		a, l := h.join()
		h.untilPresence(a, fleet.Offline, "lost")
		took = time.Since(start)
		l.cut()
		if took < 300*time.Millisecond {
			t.Fatalf("silence noticed after %s", took)
		}
		if took < 5*time.Second {
			return
		}
	}
	t.Errorf("silence noticed after %s", took)
}

func TestRunNow(t *testing.T) {
	h := startHub(t, settings{})
	a, l := h.join()
	h.untilPresence(a, fleet.Online, "")
	go func() { // the agent's side: what is asked decides what happens
		for {
			f, err := l.await(func(f *wire.Frame) bool { return f.GetRunNow() != nil })
			if err != nil {
				return
			}
			call, check := f.GetRunNow().GetCall(), f.GetRunNow().GetCheck()
			say := func(text string, stderr bool) {
				_ = l.send(&wire.Frame{Body: &wire.Frame_RunOutput{RunOutput: &wire.RunOutput{Call: call, Data: []byte(text), Stderr: stderr}}})
			}
			switch check {
			case "dies":
				say("before", false)
				l.cut()
				return
			case "unknown":
				_ = l.send(&wire.Frame{Body: &wire.Frame_RunEnd{RunEnd: &wire.RunEnd{Call: call, Error: "no such check"}}})
			default:
				say("out", false)
				say("err", true)
				_ = l.send(&wire.Frame{Body: &wire.Frame_RunEnd{RunEnd: &wire.RunEnd{Call: call, Joined: true, Result: &wire.Result{Check: check, Exit: 1}}}})
			}
		}
	}()
	var heard string
	out := func(data []byte, stderr bool) { heard += fmt.Sprintf("%s %v;", data, stderr) }
	end, err := h.calls.RunNow(t.Context(), a.fingerprint(), "disk", out)
	if err != nil || !end.GetJoined() || end.GetResult().GetCheck() != "disk" || heard != "out false;err true;" {
		t.Fatalf("%v, %v, heard %q", end, err, heard)
	}
	if end, err := h.calls.RunNow(t.Context(), a.fingerprint(), "unknown", nil); err != nil || end.GetError() != "no such check" {
		t.Errorf("unknown: %v, %v", end, err)
	}
	var took []time.Duration
	for range 51 {
		start := time.Now()
		first := time.Duration(0)
		if _, err := h.calls.RunNow(t.Context(), a.fingerprint(), "disk", func([]byte, bool) {
			if first == 0 {
				first = time.Since(start)
			}
		}); err != nil {
			t.Fatal(err)
		}
		took = append(took, first)
	}
	slices.Sort(took)
	if took[0] > 20*time.Millisecond { // `make bench` has half of them so fast; neighbours of a test may slow most of them down
		t.Errorf("the fastest first byte took %s", took[0])
	}
	t.Logf("first byte: best %s, p50 %s, worst %s", took[0], took[len(took)/2], took[len(took)-1])
	heard = ""
	if _, err := h.calls.RunNow(t.Context(), a.fingerprint(), "dies", out); !errors.Is(err, rpc.ErrLost) || heard != "before false;" {
		t.Errorf("died: %v, heard %q", err, heard)
	}
	h.untilPresence(a, fleet.Offline, "lost")
	if _, err := h.calls.RunNow(t.Context(), a.fingerprint(), "disk", nil); !errors.Is(err, rpc.ErrOffline) {
		t.Errorf("offline: %v", err)
	}
}

func TestACallerThatLeavesIsTold(t *testing.T) {
	h := startHub(t, settings{})
	a, l := h.join()
	h.untilPresence(a, fleet.Online, "")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := h.calls.RunNow(ctx, a.fingerprint(), "disk", nil)
		ended <- err
	}()
	call := l.must(func(f *wire.Frame) bool { return f.GetRunNow() != nil }).GetRunNow().GetCall()
	cancel()
	if err := <-ended; err == nil {
		t.Error("no error")
	}
	if f := l.must(func(f *wire.Frame) bool { return f.GetCancelRun() != nil }); f.GetCancelRun().GetCall() != call {
		t.Errorf("cancelled %v", f)
	}
}

// expires is when a token does.
func expires(t *testing.T, h *hub, id string) time.Time {
	t.Helper()
	tokens, err := h.register.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(tokens, func(x enrol.Token) bool { return x.ID == id })
	if i < 0 {
		t.Fatalf("no token %s", id)
	}
	return tokens[i].Expires.Time
}
