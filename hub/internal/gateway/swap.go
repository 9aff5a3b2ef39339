package gateway

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// A swap has two sessions of one agent side by side. The board says which is the agent's. Every session of the agent hears the
// same notes in the same order, the one that says whose turn it is among them: so each call is taken by one of them. Such a note
// carries the board's count of turns: one that comes late, after the board has changed again, says nothing.

// Causes of the notes that sessions of one agent tell each other; the text names a session.
const (
	noteReplaced = "replaced" // that one ends
	noteTurn     = "upgrade"  // that one is the agent's; then a blank and the turn
)

// validNonce keeps out what no stub makes.
func validNonce(nonce string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	return len(nonce) <= wire.MaxStandbyNonce && strings.Trim(nonce, letters) == ""
}

// successor writes down that another core of this agent comes.
func (s *session) successor(nonce string) error {
	if nonce == "" || !validNonce(nonce) {
		return fmt.Errorf("take frame: %w: not the nonce of a successor", errFrame)
	}
	ctx, cancel := context.WithTimeout(context.Background(), noteWithin)
	defer cancel()
	return s.board("successor", s.gateway.o.Presence.Announce(ctx, s.fingerprint, s.entry.Session, nonce))
}

// activate makes this session the agent's.
func (s *session) activate() error {
	ctx, cancel := context.WithTimeout(context.Background(), noteWithin)
	defer cancel()
	after, changed, err := s.gateway.o.Presence.Activate(ctx, s.fingerprint, s.entry.Session)
	if err != nil || !changed {
		return s.board("change of cores", err)
	}
	s.tellSwitch(after.Session, after.Turn)
	s.note(ctx, journal.Event{Kind: journal.Upgrade, Text: "core " + s.entry.Facts.CoreVersion + " schedules now"})
	return nil
}

// board ends the session where the board says that it is none of the agent's.
func (s *session) board(what string, err error) error {
	if errors.Is(err, presence.ErrReplaced) {
		return err
	}
	if err != nil {
		s.log.Error(what+" not written down", "err", err)
	}
	return nil
}

// look passes on that the agent shall look for a newer release.
func (s *session) look(reply string) error {
	if s.apart.Load() {
		return nil
	}
	f := &wire.Frame{Body: &wire.Frame_Look{Look: &wire.Look{}}}
	if err := s.line.write(f); err != nil {
		return err
	}
	s.answer(reply, f)
	return nil
}

// told takes what another session of this agent says.
func (s *session) told(bye *wire.Bye) error {
	switch bye.GetCause() {
	case noteReplaced:
		if bye.GetText() == s.entry.Session {
			s.end(noteReplaced, "a later session of this agent is here")
		}
	case noteTurn:
		session, count, _ := strings.Cut(bye.GetText(), " ")
		turn, err := strconv.ParseUint(count, 10, 64)
		if err != nil || turn < s.turn {
			return nil
		}
		s.settle(session, turn)
		return s.push()
	}
	return nil
}

// settle takes in whose turn it is.
func (s *session) settle(session string, turn uint64) {
	s.turn = turn
	s.apart.Store(session != s.entry.Session)
}

func (s *session) tellReplaced(session string) { s.tellOthers(noteReplaced, session) }

func (s *session) tellSwitch(session string, turn uint64) {
	s.tellOthers(noteTurn, session+" "+strconv.FormatUint(turn, 10))
}

func (s *session) tellOthers(cause, text string) {
	data, err := wire.Marshal(&wire.Frame{Body: &wire.Frame_Bye{Bye: &wire.Bye{Cause: cause, Text: text}}})
	if err == nil {
		err = s.gateway.o.Bus.Tell(s.subject(), "", data)
	}
	if err != nil {
		s.log.Warn("other sessions of the agent not told", "cause", cause, "text", text, "err", err)
	}
}

// leaveOther writes down the end of a session that leaves another one of the agent behind.
func (s *session) leaveOther(ctx context.Context, cause string) {
	after, err := s.gateway.o.Presence.End(ctx, s.fingerprint, s.entry.Session, cause)
	if errors.Is(err, presence.ErrReplaced) {
		return // it is in no entry any more
	}
	if err != nil {
		s.log.Error("session's end not written down", "err", err)
		return
	}
	s.log.Info("one of an agent's cores left", "cause", cause, "session", s.entry.Session)
	if !after.Live() { // the other one left at the same time
		s.note(ctx, journal.Event{Kind: journal.Left, Cause: cause, Text: leftText(cause)})
		return
	}
	s.note(ctx, journal.Event{Kind: journal.Upgrade, Cause: cause, Text: "core " + s.entry.Facts.CoreVersion + " left: " + cause})
	s.tellSwitch(after.Session, after.Turn)
}
