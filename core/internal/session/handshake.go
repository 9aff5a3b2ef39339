package session

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/signing/trust"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

const (
	// splitBacklog is the backlog from which on live results get a generation of their own when the
	// line comes back, in bytes: less is one batch, and gone at once.
	splitBacklog = 128 << 10
	trustTimeout = 20 * time.Second
)

// attempt is one line from dial to end. Its error says why it ended; nil only when leaving.
func (s *Session) attempt(ctx context.Context, p *pace) error {
	if s.isLeaving() {
		return nil
	}
	way, err := s.choose()
	if err != nil {
		return err
	}
	s.update(func(st *Status) { st.State, st.Hub = Connecting, s.hub.addr() })
	if p.hurries(time.Now()) {
		way.Connect = hurryConnect
	}
	l, welcome, err := s.meet(ctx, way)
	if err != nil {
		s.turn++
		return err
	}
	p.connected(time.Now())
	return s.serve(ctx, l, welcome)
}

// choose finds out which hub is next, and the way there.
func (s *Session) choose() (dial.Options, error) {
	w, err := s.o.Way()
	if err == nil && len(w.Hubs) == 0 {
		err = errors.New("it names no hub")
	}
	if err != nil {
		return w.Dial, fmt.Errorf("%w: %w", errBox, err)
	}
	s.turn %= len(w.Hubs)
	h, err := parseHub(w.Hubs[s.turn])
	if err != nil {
		s.turn++ // the others may be right
		return w.Dial, fmt.Errorf("%w: %w", errBox, err)
	}
	s.hub = h
	return w.Dial, nil
}

// stillWanted is an error when the line there is is not what the box file and the token ask for now.
func (s *Session) stillWanted() error {
	w, err := s.o.Way()
	if err != nil || len(w.Hubs) == 0 {
		return nil // what cannot be read ends nothing
	}
	named := slices.ContainsFunc(w.Hubs, func(word string) bool {
		h, err := parseHub(word)
		return err == nil && h == s.hub
	})
	if !named {
		return errElsewhere
	}
	if token, err := s.o.Identity.Token(); err == nil && token != nil {
		return errNewToken
	}
	return nil
}

// meet is the way from trust and dial to a welcome. It is given up when leaving.
func (s *Session) meet(ctx context.Context, o dial.Options) (*line, *wire.Welcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.leaving:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := s.ensureTrust(ctx, o); err != nil {
		return nil, nil, err
	}
	o.HubCA = s.o.Identity.CA()
	if s.o.Passed != nil {
		o.TimeFloor = s.o.Passed()
	}
	d, err := dial.New(o)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errBox, err)
	}
	count, err := s.o.Identity.ReserveSession()
	if err != nil {
		return nil, nil, err
	}
	l, err := connect(ctx, d, s.hub, s.o.Identity.Key())
	if err != nil {
		return nil, nil, err
	}
	welcome, bound, err := s.handshake(ctx, l, count)
	if err != nil {
		l.end(err)
		return nil, nil, err
	}
	d.Learn(s.hub.host, welcome.GetHubAddresses())
	s.connected(d.Route(), welcome, bound)
	return l, welcome, nil
}

func (s *Session) connected(route dial.Route, w *wire.Welcome, bound bool) {
	s.o.Log.Info("session with the hub", "hub", s.hub.addr(), "session", w.GetSessionId(), "rung", string(route.Rung), "address", route.Address)
	s.update(func(st *Status) {
		*st = Status{
			State: Connected, Since: st.Since, Hub: s.hub.addr(), Enrolled: true,
			Rung: route.Rung, Address: route.Address, Proxy: route.Proxy, Skew: route.Skew,
			TLS: "terminated", SessionID: w.GetSessionId(), Name: w.GetName(), Console: w.GetConsoleUrl(), Wanted: w.GetRevision(),
			Ephemeral: w.GetEphemeral(),
		}
		if bound {
			st.TLS = "bound"
		}
	})
}

// ensureTrust fetches the trust document that the token names, if it is not there yet.
func (s *Session) ensureTrust(ctx context.Context, o dial.Options) error {
	id := s.o.Identity
	hash, wanted, err := id.Wanted()
	if err != nil {
		if id.Trusting() { // a bad token does not end what runs
			s.o.Log.Warn("enrolment token not usable", "err", err)
			return nil
		}
		return fmt.Errorf("%w (%w)", errNotTrusted, err)
	}
	if !wanted {
		if !id.Trusting() {
			return errNotTrusted
		}
		return nil
	}
	data, err := s.fetchTrust(ctx, o, hash)
	if err != nil {
		return err
	}
	return id.Learn(data)
}

// fetchTrust gets the document over a line that nobody vouches for: its hash is in the token.
func (s *Session) fetchTrust(ctx context.Context, o dial.Options, hash [32]byte) ([]byte, error) {
	o.Unverified = true
	d, err := dial.New(o)
	if err != nil {
		return nil, err
	}
	transport := d.HTTPTransport()
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport:     transport,
		Timeout:       trustTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, s.hub.url(fmt.Sprintf("/trust/%x", hash)), nil)
	if err != nil {
		return nil, fmt.Errorf("fetch trust document: %w", err)
	}
	answer, err := client.Do(ask)
	if err != nil {
		return nil, fmt.Errorf("fetch trust document: %w: %w", errUnreached, err)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, fmt.Errorf("fetch trust document: the hub has none of that hash: %w", trust.ErrDocument)
	default:
		return nil, fmt.Errorf("fetch trust document: HTTP %s", answer.Status)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, trust.MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("fetch trust document: %w", err)
	}
	return data, nil
}

// handshake goes through docs/wire.md's four messages. bound says whether the signatures cover the TLS
// session.
func (s *Session) handshake(ctx context.Context, l *line, count uint64) (w *wire.Welcome, bound bool, err error) {
	stop := context.AfterFunc(ctx, func() { l.ws.Close() })
	defer stop()
	id := s.o.Identity
	hello := &wire.Hello{
		ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax,
		Nonce: wire.NewNonce(), PublicKey: id.PublicKey(),
	}
	if err := l.put(&wire.Frame{Body: &wire.Frame_Hello{Hello: hello}}); err != nil {
		return nil, false, err
	}
	answer, err := l.step()
	if err != nil {
		return nil, false, err
	}
	challenge := answer.GetChallenge()
	if challenge == nil {
		return nil, false, errors.New("handshake: the hub answered hello with something else than a challenge")
	}
	t, err := s.verify(l, hello, challenge)
	if err != nil {
		return nil, false, err
	}
	proof, err := s.proof(t, count)
	if err != nil {
		return nil, false, err
	}
	id.SessionShown()
	if err := l.put(&wire.Frame{Body: &wire.Frame_Proof{Proof: proof}}); err != nil {
		return nil, false, err
	}
	if answer, err = l.step(); err != nil {
		return nil, false, err
	}
	if w = answer.GetWelcome(); w == nil {
		return nil, false, errors.New("handshake: the hub answered the proof with something else than a welcome")
	}
	if proof.GetEnrol() != nil {
		if err := id.TokenUsed(); err != nil {
			s.o.Log.Warn("used token stays", "err", err)
		}
	}
	return w, challenge.GetTlsBound(), nil
}

// verify checks who answers, before anything secret is said.
func (s *Session) verify(l *line, hello *wire.Hello, c *wire.Challenge) (wire.Transcript, error) {
	if c.GetProtocol() < wire.ProtocolMin || c.GetProtocol() > wire.ProtocolMax {
		return wire.Transcript{}, fmt.Errorf("handshake: the hub chose protocol %d, which was not offered", c.GetProtocol())
	}
	t := wire.Transcript{AgentNonce: hello.GetNonce(), HubNonce: c.GetNonce(), AgentKey: hello.GetPublicKey(), HubKey: c.GetHubKey()}
	if c.GetTlsBound() {
		var err error
		if t.Binding, err = wire.Binding(l.state); err != nil {
			return t, err
		}
	}
	keys := s.o.Identity.HubKeys()
	if !wire.Trusted(c.GetHubKey(), keys, c.GetSuccession()) {
		return t, fmt.Errorf("handshake: %w", errStrangeHub)
	}
	if err := t.VerifyHub(c.GetSignature()); err != nil {
		return t, fmt.Errorf("handshake: the hub does not hold the key it shows, or something stands between: %w", err)
	}
	for _, k := range keys {
		if bytes.Equal(k, c.GetHubKey()) {
			return t, nil
		}
	}
	s.o.Log.Info("the hub has a new key, vouched for by the old one")
	return t, s.o.Identity.TrustKey(c.GetHubKey())
}

func (s *Session) proof(t wire.Transcript, count uint64) (*wire.Proof, error) {
	signature, err := t.SignAgent(s.o.Identity.Key())
	if err != nil {
		return nil, err
	}
	if err := s.o.Buffer.Split(splitBacklog); err != nil {
		s.o.Log.Warn("backlog not split off", "err", err)
	}
	p := &wire.Proof{
		Signature:    signature,
		Facts:        s.o.Facts(),
		Generations:  s.o.Buffer.Generations(),
		SessionCount: count,
		StandbyNonce: s.o.Standby,
		Revision:     s.o.Hooks.Revision(),
	}
	token, err := s.o.Identity.Token()
	if err != nil {
		s.o.Log.Warn("enrolment token not usable", "err", err)
	} else if token != nil {
		id, err := hex.DecodeString(token.ID())
		if err != nil {
			return nil, fmt.Errorf("show token: %w", err)
		}
		p.Enrol = &wire.Enrol{TokenId: id, TokenSecret: token.Secret()}
	}
	return p, nil
}

// put writes a frame of the handshake.
func (l *line) put(f *wire.Frame) error {
	_, err := l.write(f, nil)
	return err
}

// step reads the hub's next message of the handshake; a refusal is an error.
func (l *line) step() (*wire.Frame, error) {
	for {
		f, err := l.read(wire.HandshakeStep)
		if err != nil {
			return nil, fmt.Errorf("handshake: %w", err)
		}
		switch body := f.GetBody().(type) {
		case nil: // a kind we do not know: ignored
		case *wire.Frame_Refuse:
			return nil, refusalOf(body.Refuse)
		default:
			return f, nil
		}
	}
}
