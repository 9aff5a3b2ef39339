package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// Two boxes may come with one key: somebody copied a disk, or a folder. docs/wire.md, "Copies", says how they are told from a box that comes
// again, and how the later one gets a name of its own.

const (
	// answerWithin is how long an agent has to answer whether it is there. One that is slower is taken for gone: its session ends, it comes
	// again, and the question is asked the other way round.
	answerWithin = time.Second
	maxAsked     = 4 // sessions that may come between a question and its answer
)

// errCopy: the agent whose key was shown is here already, somewhere else.
var errCopy = errors.New("the agent is here already")

// takePlace writes the session on the board. Where it would take another one's place, that one is asked first whether its agent is there.
func (s *session) takePlace(ctx context.Context) (before, after presence.Entry, replaced string, err error) {
	silent := ""
	for range maxAsked {
		before, after, replaced, err = s.gateway.o.Presence.Begin(ctx, s.fingerprint, s.entry, silent)
		switch {
		case errors.Is(err, presence.ErrCopy):
			return before, after, "", fmt.Errorf("%w: %w", errCopy, err)
		case !errors.Is(err, presence.ErrAsk):
			return before, after, replaced, err
		}
		silent = before.Session
		if s.isThere(ctx, silent) {
			return before, after, "", errCopy
		}
	}
	return before, after, "", err
}

// isThere asks a session of this agent, on whatever hub it lives, whether its agent is there.
func (s *session) isThere(ctx context.Context, session string) bool {
	inbox, heard := s.gateway.o.Bus.Inbox(), make(chan bool, 1)
	stop, err := s.gateway.o.Bus.Listen(inbox, func(n bus.Note) {
		f, err := parseFrame(n.Data)
		select {
		case heard <- err == nil && f.GetPong().GetWord() == session: // else its session says that it ends
		default:
		}
	})
	if err != nil {
		s.log.Error("a session of the agent not asked", "err", err)
		return false
	}
	defer stop()
	ask, err := wire.Marshal(&wire.Frame{Body: &wire.Frame_Ping{Ping: &wire.Ping{Word: session}}})
	if err == nil {
		err = s.gateway.o.Bus.Tell(s.subject(), inbox, ask)
	}
	if err != nil {
		s.log.Error("a session of the agent not asked", "err", err)
		return false
	}
	timer := time.NewTimer(answerWithin)
	defer timer.Stop()
	select {
	case there := <-heard:
		return there
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// forAnother reports whether a note asks another session of the agent: what this one says would be taken for that one's word.
func (s *session) forAnother(n bus.Note) bool {
	f, err := parseFrame(n.Data)
	return err == nil && f.GetPing() != nil && f.GetPing().GetWord() != s.entry.Session
}

// ping passes the question on to the agent.
func (s *session) ping(p *wire.Ping, reply string) error {
	s.asked = append(s.asked, reply)
	s.asked = s.asked[max(0, len(s.asked)-maxAsked):]
	return s.line.write(&wire.Frame{Body: &wire.Frame_Ping{Ping: p}})
}

// pong answers those who asked.
func (s *session) pong(p *wire.Pong) {
	if p.GetWord() != s.entry.Session {
		return
	}
	for _, reply := range s.asked {
		s.answer(reply, &wire.Frame{Body: &wire.Frame_Pong{Pong: p}})
	}
	s.asked = nil
}

// ownName is the refusal of a copy: it says by what the copy is taken in under a key of its own, and what the bus holds under the one it has.
func (s *session) ownName(ctx context.Context, proof *wire.Proof) error {
	const message = "this box has the key of an agent that is somewhere else: it is a copy"
	r := refuse(wire.RefuseClone, message, "it makes a key of its own and comes again by itself", errCopy)
	id, secret, err := s.gateway.o.Register.Vouch(ctx, s.fingerprint)
	if errors.Is(err, enrol.ErrCopies) {
		return refuse(wire.RefuseClone, message+"; there are too many of it", "remove the copies on the hub, or give each a token of its own", err)
	}
	if err != nil {
		return refuse(wire.RefuseNotReady, "the hub cannot take a copy in now", "the agent tries again by itself", err)
	}
	raw, err := hex.DecodeString(id)
	if err != nil {
		return fmt.Errorf("take a copy in: %w", err)
	}
	if r.Watermarks, err = s.courier.watermarks(ctx, proof.GetGenerations()); err != nil {
		return refuse(wire.RefuseNotReady, "the hub cannot read what it holds of this agent", "the agent tries again by itself", err)
	}
	r.Own = &wire.Enrol{TokenId: raw, TokenSecret: secret}
	s.note(ctx, journal.Event{Kind: journal.Warning,
		Text: fmt.Sprintf("a copy of this box came, from %s: it is given a name of its own", s.entry.Facts.Hostname)})
	return r
}
