package doctor

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

// handshake has the hub prove its key, as in a session, and goes no further.
func (p *patient) handshake(ctx context.Context, k known, addr string) {
	ctx, cancel := context.WithTimeout(ctx, lineTime)
	defer cancel()
	d, err := p.dialer(k, k.ok && len(k.keys) == 0)
	if err != nil {
		return // said before
	}
	answer, err := healthz(ctx, d, addr)
	if err != nil {
		p.bad("hub", "look at the hub's log; a balancer in between may be up while the hub is down", "%v", err)
		return
	}
	p.skew(answer)
	dialer := websocket.Dialer{NetDialTLSContext: d.DialTLSContext, Subprotocols: []string{wire.Subprotocol}, HandshakeTimeout: wire.HandshakeStep}
	ws, _, err := dialer.DialContext(ctx, "wss://"+addr+wire.Path, nil)
	if err != nil {
		p.bad("hub", "a proxy or balancer in between must pass websockets", "it takes no websocket: %v", err)
		return
	}
	defer ws.Close()
	if err := challenge(ws, k.keys); err != nil {
		p.bad("hub", "if the hub was made anew: enrol with a new token; else something stands in its place", "%v", err)
		return
	}
	if len(k.keys) == 0 {
		p.good("hub", "answers; it is verified when the box enrols")
		return
	}
	p.good("hub", "it is the one that this box trusts")
}

func healthz(ctx context.Context, d *dial.Dialer, addr string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr+"/healthz", nil)
	if err != nil {
		return nil, err
	}
	transport := d.HTTPTransport()
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 4<<10))
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", addr, answer.Status)
	}
	return answer, nil
}

// skew holds this clock against the hub's.
func (p *patient) skew(answer *http.Response) {
	theirs, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return
	}
	off := p.o.Now().Sub(theirs)
	if off.Abs() > mostSkew {
		p.warn("time", "set the clock here or at the hub", "the clock is %s %s the hub's", off.Abs().Round(time.Second), map[bool]string{true: "ahead of", false: "behind"}[off > 0])
	}
}

// challenge has the hub sign, under a key that is made for this alone: it learns nothing of the agent.
func challenge(ws *websocket.Conn, trusted []ed25519.PublicKey) error {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	hello := &wire.Hello{ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax, Nonce: wire.NewNonce(), PublicKey: public}
	data, err := wire.Marshal(&wire.Frame{Body: &wire.Frame_Hello{Hello: hello}})
	if err != nil {
		return err
	}
	ws.SetReadLimit(wire.MaxHubFrame)
	_ = ws.SetReadDeadline(time.Now().Add(wire.HandshakeStep))
	if err := ws.WriteMessage(websocket.BinaryMessage, data); err != nil {
		return fmt.Errorf("it ended the line: %w", err)
	}
	_, data, err = ws.ReadMessage()
	if err != nil {
		return fmt.Errorf("it ended the line: %w", err)
	}
	frame := new(wire.Frame)
	if err := wire.Unmarshal(data, frame); err != nil {
		return errors.New("what answers speaks another protocol")
	}
	if r := frame.GetRefuse(); r != nil {
		return fmt.Errorf("it refuses: %s %s", r.GetMessage(), r.GetHint())
	}
	c := frame.GetChallenge()
	t := wire.Transcript{AgentNonce: hello.Nonce, HubNonce: c.GetNonce(), AgentKey: public, HubKey: c.GetHubKey()}
	if c.GetTlsBound() {
		if t.Binding, err = binding(ws); err != nil {
			return err
		}
	}
	switch {
	case c == nil || t.Check() != nil || t.VerifyHub(c.GetSignature()) != nil:
		return errors.New("it does not prove its key: TLS may be broken open in between")
	case len(trusted) > 0 && !wire.Trusted(c.GetHubKey(), trusted, c.GetSuccession()):
		return fmt.Errorf("its key %s is not the one that this box trusts", keyName(c.GetHubKey()))
	}
	return nil
}

func binding(ws *websocket.Conn) ([]byte, error) {
	c, ok := ws.NetConn().(*tls.Conn)
	if !ok {
		return nil, errors.New("the line is not TLS")
	}
	return wire.Binding(c.ConnectionState())
}
