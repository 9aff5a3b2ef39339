package gateway

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// maxGenerations is how many of an agent's generations one session knows. One frame brings wire.MaxGenerations; what is beyond those
// gets no watermark, and the agent asks again.
const maxGenerations = 16_384

// refusal is an error that the agent is told.
type refusal struct {
	wire.Refuse
	cause error
}

func (r *refusal) Error() string {
	if r.cause != nil {
		return r.Code + ": " + r.cause.Error()
	}
	return r.Code + ": " + r.Message
}

func (r *refusal) Unwrap() error { return r.cause }

func refuse(code, message, hint string, cause error) *refusal {
	return &refusal{wire.Refuse{Code: code, Message: message, Hint: hint}, cause}
}

// handshake goes through docs/wire.md's four messages and returns the session, begun but not yet running.
func (g *Gateway) handshake(ln *line) (*session, error) {
	ln.conn.SetReadLimit(maxGreeting)
	hello, err := ln.read(wire.HandshakeStep)
	if err != nil {
		return nil, err
	}
	t, err := g.challenge(ln, hello.GetHello())
	if err != nil {
		return nil, err
	}
	ln.conn.SetReadLimit(wire.MaxFrame)
	frame, err := ln.read(wire.HandshakeStep)
	if err != nil {
		return nil, err
	}
	proof := frame.GetProof()
	if proof == nil {
		return nil, fmt.Errorf("read proof: %w: another message came", errFrame)
	}
	if !validNonce(proof.GetStandbyNonce()) {
		return nil, fmt.Errorf("read proof: %w: not the nonce of a successor", errFrame)
	}
	if err := t.VerifyAgent(proof.GetSignature()); err != nil {
		return nil, refuse(wire.RefuseBadSignature, "the agent's signature does not hold for this session",
			"something between agent and hub ends TLS without saying so, or the agent's key is damaged", err)
	}
	ctx, cancel := context.WithTimeout(g.ctx, wire.HandshakeStep)
	defer cancel()
	known, enrolled, err := g.admit(ctx, t.AgentKey, proof.GetEnrol())
	if err != nil {
		return nil, err
	}
	return g.begin(ctx, ln, known, enrolled, proof)
}

// challenge answers a Hello and says what both sides sign.
func (g *Gateway) challenge(ln *line, hello *wire.Hello) (wire.Transcript, error) {
	if hello == nil {
		return wire.Transcript{}, fmt.Errorf("read hello: %w: another message came", errFrame)
	}
	protocol, ok := wire.ChooseProtocol(hello)
	if !ok {
		return wire.Transcript{}, refuse(wire.RefuseVersion,
			fmt.Sprintf("the hub speaks protocols %d to %d, the agent %d to %d", wire.ProtocolMin, wire.ProtocolMax, hello.GetProtocolMin(), hello.GetProtocolMax()),
			"update whichever is older", nil)
	}
	key, chain := g.o.Key()
	t := wire.Transcript{
		AgentNonce: hello.GetNonce(), HubNonce: wire.NewNonce(),
		AgentKey: hello.GetPublicKey(), HubKey: key.Public().(ed25519.PublicKey),
	}
	if ln.tls != nil {
		binding, err := wire.Binding(*ln.tls)
		if err != nil {
			return wire.Transcript{}, err
		}
		t.Binding = binding
	}
	signature, err := t.SignHub(key)
	if err != nil {
		return wire.Transcript{}, fmt.Errorf("read hello: %w: %w", errFrame, err)
	}
	return t, ln.write(&wire.Frame{Body: &wire.Frame_Challenge{Challenge: &wire.Challenge{
		Protocol: protocol, Nonce: t.HubNonce, HubKey: t.HubKey, Signature: signature, TlsBound: ln.tls != nil, HubTimeNs: time.Now().UnixNano(),
		Succession: chain,
	}}})
}

// admit looks the key up, or enrols it.
func (g *Gateway) admit(ctx context.Context, key ed25519.PublicKey, token *wire.Enrol) (a enrol.Agent, enrolled bool, err error) {
	a, err = g.o.Register.Agent(ctx, enrol.Fingerprint(key))
	unknown := errors.Is(err, enrol.ErrUnknownAgent) || errors.Is(err, enrol.ErrRevoked)
	if unknown && token != nil {
		a, err = g.o.Register.Enrol(ctx, hex.EncodeToString(token.GetTokenId()), token.GetTokenSecret(), key)
		enrolled = err == nil
	}
	return a, enrolled, refusalFor(err)
}

// refusalFor gives an error of the register the words an agent is told.
func refusalFor(err error) error {
	const ask = "create a new one on the hub (limpet-hub token create) and give it to the agent (limpet enrol)"
	switch {
	case err == nil:
		return nil
	case errors.Is(err, enrol.ErrTokenUnknown):
		return refuse(wire.RefuseTokenUnknown, "the hub does not know this token", "it was mistyped, revoked, or is another hub's; "+ask, err)
	case errors.Is(err, enrol.ErrTokenExpired):
		return refuse(wire.RefuseTokenExpired, "the token has expired", ask, err)
	case errors.Is(err, enrol.ErrTokenUsed):
		return refuse(wire.RefuseTokenUsed, "the token is used up", ask, err)
	case errors.Is(err, enrol.ErrRevoked):
		return refuse(wire.RefuseRevoked, "the hub has forgotten this agent", "enrol it again with a new token if that was a mistake", err)
	case errors.Is(err, enrol.ErrUnknownAgent):
		return refuse(wire.RefuseUnknownAgent, "the hub does not know this agent", "give it a token: limpet enrol", err)
	default:
		return refuse(wire.RefuseNotReady, "the hub cannot look the agent up now", "the agent tries again by itself", err)
	}
}

// begin writes the session down, finds the watermarks, and welcomes the agent.
func (g *Gateway) begin(ctx context.Context, ln *line, known enrol.Agent, enrolled bool, proof *wire.Proof) (*session, error) {
	s := newSession(g, ln, known, proof)
	welcome, err := s.welcome(ctx, enrolled, proof.GetGenerations())
	if err != nil {
		return nil, refuse(wire.RefuseNotReady, "the hub cannot read what it holds of this agent", "the agent tries again by itself", err)
	}
	if s.unlisten, err = g.o.Bus.Listen(s.subject(), s.hear); err != nil {
		return nil, refuse(wire.RefuseNotReady, "the hub cannot take calls for this agent", "the agent tries again by itself", err)
	}
	g.add(s)
	before, replaced, err := s.enter(ctx, proof)
	if err != nil {
		g.remove(s)
		s.unlisten()
		return nil, err
	}
	if err := ln.write(&wire.Frame{Body: &wire.Frame_Welcome{Welcome: welcome}}); err != nil {
		g.remove(s)
		s.leave(presence.Lost)
		return nil, err
	}
	if replaced != "" {
		s.tellReplaced(replaced)
	}
	s.announce(ctx, before, enrolled, known)
	return s, nil
}

// enter writes the session's beginning on the board. From add on the session hears when its agent is forgotten; that it was not
// forgotten just before is asked here.
func (s *session) enter(ctx context.Context, proof *wire.Proof) (before presence.Entry, replaced string, err error) {
	if _, err := s.gateway.o.Register.Agent(ctx, s.fingerprint); err != nil {
		return presence.Entry{}, "", refusalFor(err)
	}
	before, after, replaced, err := s.takePlace(ctx)
	switch {
	case err == nil:
	case errors.Is(err, errCopy):
		return presence.Entry{}, "", s.ownName(ctx, proof)
	case errors.Is(err, presence.ErrOlder), errors.Is(err, presence.ErrAsk):
		return presence.Entry{}, "", refuse(wire.RefuseClone, "a later session of this identity is alive",
			"if this box is a copy or was restored from a snapshot, enrol it anew; else it gets in as soon as the old line is dead", err)
	default:
		return presence.Entry{}, "", refuse(wire.RefuseNotReady, "the hub cannot write the session down", "the agent tries again by itself", err)
	}
	s.comeBack(ctx)
	s.settle(after.Session, after.Turn)
	s.tellSwitch(after.Session, after.Turn)
	return before, replaced, nil
}

// welcome is the hub's last message of the handshake.
func (s *session) welcome(ctx context.Context, enrolled bool, generations []*wire.Generation) (*wire.Welcome, error) {
	marks, err := s.courier.watermarks(ctx, generations)
	if err != nil {
		return nil, err
	}
	s.agent.Name = fleet.NameOf(s.fingerprint, s.entry.Facts.Hostname, s.agent.ClonedFrom)
	return &wire.Welcome{
		SessionId: s.entry.Session, Name: s.agent.Name, HeartbeatMs: uint32(s.gateway.o.Heartbeat.Milliseconds()), Watermarks: marks,
		HubAddresses: s.gateway.o.Addresses, Revision: s.wanted().GetRevision(), EnrolledNow: enrolled, ConsoleUrl: s.gateway.o.ConsoleURL,
		Bases:     wire.BasesRoom,
		Ephemeral: s.agent.EphemeralMS > 0,
	}, nil
}

// comeBack takes an ephemeral agent that was removed into the fleet again. Its session is on the board by now: whoever removes an agent looks there
// afterwards, so that one of the two sees the other.
func (s *session) comeBack(ctx context.Context) {
	if s.agent.EphemeralMS == 0 {
		return
	}
	if back, err := s.gateway.o.Register.Return(ctx, s.fingerprint); err != nil {
		s.log.Error("agent not taken back into the fleet", "err", err)
	} else if back {
		s.log.Info("agent is in the fleet again")
	}
}

func newSessionID() string { return rand.Text() }
