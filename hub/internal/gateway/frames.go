package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// Limits of what is kept of an agent's words.
const (
	maxProblems    = 50
	maxProblem     = 500 // bytes
	pushAgainAfter = 10 * time.Second
	maxClockErr    = 200 * 365 * 24 * time.Hour // of an agent's clock; beyond it the difference is no number
)

// pushed is the last desired state sent.
type pushed struct {
	revision uint64
	at       time.Time // zero = none
}

// take handles a frame that is not the courier's.
func (s *session) take(f *wire.Frame) error {
	switch body := f.GetBody().(type) {
	case *wire.Frame_Heartbeat:
		s.hearBeat(body.Heartbeat)
		return s.push()
	case *wire.Frame_RunOutput, *wire.Frame_RunEnd:
		s.fromRun(f)
		return nil
	case *wire.Frame_RevisionReport:
		return s.report(body.RevisionReport)
	case *wire.Frame_Facts:
		facts := presence.FromWire(body.Facts)
		s.entry.Facts = facts
		return s.change(func(e *presence.Entry) { e.Facts = facts })
	case *wire.Frame_Successor:
		return s.successor(body.Successor.GetNonce())
	case *wire.Frame_Active:
		return s.activate()
	case *wire.Frame_Pong:
		s.pong(body.Pong)
		return nil
	case *wire.Frame_SiteGet:
		return s.line.write(&wire.Frame{Body: &wire.Frame_SitePiece{SitePiece: s.piece(body.SiteGet)}})
	case *wire.Frame_Hello, *wire.Frame_Proof:
		return fmt.Errorf("take frame: %w: the handshake is over", errFrame)
	default:
		return nil // unknown here, or the hub's own: docs/wire.md has it ignored
	}
}

// piece answers for a part of a file of the site.
func (s *session) piece(g *wire.SiteGet) *wire.SitePiece {
	p := &wire.SitePiece{Missing: true}
	if s.gateway.o.Site != nil {
		p = s.gateway.o.Site(g.GetName(), g.GetOffset())
	}
	p.Call = g.GetCall()
	return p
}

// change writes to the board what changed in the session.
func (s *session) change(fn func(*presence.Entry)) error {
	ctx, cancel := context.WithTimeout(context.Background(), noteWithin)
	defer cancel()
	s.refreshAgent()
	err := s.gateway.o.Presence.Change(ctx, s.fingerprint, s.entry.Session, fn)
	if errors.Is(err, presence.ErrReplaced) {
		return err
	}
	if err != nil {
		s.log.Error("session not written down", "err", err)
	}
	return nil
}

// refreshAgent takes the session's entry into what Desired is asked about.
func (s *session) refreshAgent() {
	s.agent = fleet.WithSession(s.agent, s.entry)
}

// beatBack sends a heartbeat with the agent's, where the last one was long enough ago. The next one of our own comes so late that it is the answer to the
// agent's next instead: an agent at rest then wakes once for its results and for both heartbeats.
func (s *session) beatBack(tick *time.Ticker) error {
	every := s.gateway.o.Heartbeat
	tick.Reset(every + every/2)
	if time.Since(s.sent.at) <= every/2 {
		return nil
	}
	return s.beat()
}

// beat sends a heartbeat, and tells callers that the session lives.
func (s *session) beat() error {
	s.keepCallers()
	now := time.Now()
	h := &wire.Heartbeat{SentNs: now.UnixNano()}
	if s.heard.ns != 0 {
		h.EchoNs, h.HeldNs = s.heard.ns, now.Sub(s.heard.at).Nanoseconds()
	}
	s.sent = beat{h.SentNs, now}
	return s.line.write(&wire.Frame{Body: &wire.Frame_Heartbeat{Heartbeat: h}})
}

// hearBeat measures the round trip and the difference of the clocks.
func (s *session) hearBeat(h *wire.Heartbeat) {
	now := time.Now()
	s.heard = beat{h.GetSentNs(), now}
	if h.GetEchoNs() == 0 || h.GetEchoNs() != s.sent.ns {
		return
	}
	rtt := now.Sub(s.sent.at) - time.Duration(h.GetHeldNs())
	if rtt < 0 || rtt > wire.DeadAfter*s.gateway.o.Heartbeat {
		return
	}
	p := fleet.Pulse{Fingerprint: s.fingerprint, Session: s.entry.Session, RTTMS: ms(rtt)}
	agentClock := time.Unix(0, h.GetSentNs())
	if offset := agentClock.Sub(now.Add(-rtt / 2).Round(0)); offset.Abs() < maxClockErr {
		p.ClockOffsetMS = ms(offset)
	}
	first := s.vitals.Swap(&p).RTTMS == 0
	if first { // do not make a person wait for the next round
		if err := fleet.TellPulses(s.gateway.o.Bus, s.gateway.o.Presence.Hub(), []fleet.Pulse{s.vital()}); err != nil {
			s.log.Warn("fleet not told of pulse", "err", err)
		}
	}
}

// vital is what the fleet is told of the session now and then. It may be called from anywhere.
func (s *session) vital() fleet.Pulse {
	p := *s.vitals.Load()
	p.Seen = journal.At(time.Unix(0, s.seen.Load()))
	return p
}

// wanted is what is meant for the agent, or nil where nothing is ever pushed.
func (s *session) wanted() *wire.Desired {
	if s.gateway.o.Desired == nil {
		return nil
	}
	if d := s.gateway.o.Desired(s.agent); d != nil {
		return d
	}
	return &wire.Desired{}
}

// push sends desired state unless the agent runs it, has refused it, or was sent it just now.
func (s *session) push() error {
	if s.apart.Load() {
		return nil
	}
	d := s.wanted()
	if d == nil || d.GetRevision() == s.entry.Revision || (s.entry.Rejected != 0 && d.GetRevision() == s.entry.Rejected) {
		return nil
	}
	if s.pushed.revision == d.GetRevision() && time.Since(s.pushed.at) < pushAgainAfter {
		return nil
	}
	s.pushed = pushed{d.GetRevision(), time.Now()}
	return s.line.write(&wire.Frame{Body: &wire.Frame_Desired{Desired: d}})
}

// report takes an agent's verdict on a revision.
func (s *session) report(r *wire.RevisionReport) error {
	problems := make([]string, 0, min(len(r.GetProblems()), maxProblems))
	for _, p := range r.GetProblems()[:min(len(r.GetProblems()), maxProblems)] {
		problems = append(problems, presence.Clip(p, maxProblem))
	}
	event := journal.Event{Kind: journal.Desired, Text: fmt.Sprintf("took revision %d", r.GetRevision())}
	revision, rejected, at := r.GetRevision(), uint64(0), journal.Time{}
	if !r.GetAccepted() {
		revision, rejected, at = s.entry.Revision, r.GetRevision(), journal.At(time.Now())
		event.Text = fmt.Sprintf("rejected revision %d: %s", r.GetRevision(), strings.Join(problems, "; "))
	}
	if revision == s.entry.Revision && rejected == s.entry.Rejected && slices.Equal(problems, s.entry.Problems) {
		return nil
	}
	s.entry.Revision, s.entry.Rejected, s.entry.Problems, s.entry.RejectedAt = revision, rejected, problems, at
	ctx, cancel := context.WithTimeout(context.Background(), noteWithin)
	defer cancel()
	s.note(ctx, event)
	return s.change(func(e *presence.Entry) {
		e.Revision, e.Rejected, e.Problems, e.RejectedAt = revision, rejected, problems, at
	})
}

// takeNote handles one note: a frame for the agent, or the news that another session has taken over.
func (s *session) takeNote(n bus.Note) error {
	f, err := parseFrame(n.Data)
	if err != nil {
		s.log.Warn("note not understood", "err", err)
		return nil
	}
	switch body := f.GetBody().(type) {
	case *wire.Frame_RunNow:
		if s.apart.Load() {
			return nil // the agent's session has heard it too
		}
		return s.call(body.RunNow, n.Reply)
	case *wire.Frame_Look:
		return s.look(n.Reply)
	case *wire.Frame_Ping:
		return s.ping(body.Ping, n.Reply)
	case *wire.Frame_CancelRun:
		if _, open := s.calls[body.CancelRun.GetCall()]; !open {
			return nil
		}
		delete(s.calls, body.CancelRun.GetCall())
		return s.line.write(f)
	case *wire.Frame_Bye:
		return s.told(body.Bye)
	}
	return nil
}

// call passes a call on to the agent.
func (s *session) call(r *wire.RunNow, reply string) error {
	if len(s.calls) >= wire.MaxCalls {
		s.answer(reply, &wire.Frame{Body: &wire.Frame_RunEnd{RunEnd: &wire.RunEnd{
			Call: r.GetCall(), Error: fmt.Sprintf("%d runs are open on this agent already", wire.MaxCalls),
		}}})
		return nil
	}
	s.calls[r.GetCall()] = reply
	return s.line.write(&wire.Frame{Body: &wire.Frame_RunNow{RunNow: r}})
}

// fromRun passes a run's output or end on to its caller.
func (s *session) fromRun(f *wire.Frame) {
	if out := f.GetRunOutput(); out != nil {
		if reply, open := s.calls[out.GetCall()]; open {
			for part := range slices.Chunk(out.GetData(), wire.MaxRunOutput) {
				s.answer(reply, &wire.Frame{Body: &wire.Frame_RunOutput{RunOutput: &wire.RunOutput{Call: out.GetCall(), Stderr: out.GetStderr(), Data: part}}})
			}
		}
		return
	}
	call := f.GetRunEnd().GetCall()
	if reply, open := s.calls[call]; open {
		delete(s.calls, call)
		s.answer(reply, f)
	}
}

// keepCallers tells those who wait that the session is alive.
func (s *session) keepCallers() {
	for call, reply := range s.calls {
		s.answer(reply, &wire.Frame{Body: &wire.Frame_RunOutput{RunOutput: &wire.RunOutput{Call: call}}})
	}
}

// endCalls gives every open call its end.
func (s *session) endCalls(cause string) {
	for _, reply := range s.calls {
		s.answer(reply, &wire.Frame{Body: &wire.Frame_Bye{Bye: &wire.Bye{Cause: cause}}})
	}
	clear(s.calls)
	for {
		select {
		case n := <-s.notes:
			s.answer(n.Reply, &wire.Frame{Body: &wire.Frame_Bye{Bye: &wire.Bye{Cause: cause}}})
		default:
			return
		}
	}
}

// answer tells a caller. It may be called from anywhere.
func (s *session) answer(reply string, f *wire.Frame) {
	if reply == "" {
		return
	}
	data, err := wire.Marshal(f)
	if err == nil {
		err = s.gateway.o.Bus.Tell(reply, "", data)
	}
	if err != nil {
		s.log.Warn("caller not answered", "err", err)
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
