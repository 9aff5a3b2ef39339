package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// scripted is an agent that does what a test says, over a real session.
type scripted struct {
	t       *testing.T
	conn    *websocket.Conn
	key     ed25519.PrivateKey
	facts   *wire.Facts
	epoch   uint64
	seq     uint64
	desired chan *wire.Desired
	runs    chan *wire.RunNow
	acks    chan *wire.Ack
	bye     chan *wire.Bye
	looks   chan struct{}
	write   sync.Mutex // guards writes to conn
}

// enrolled starts an agent of that name with a token.
func (h *testHub) enrolled(t *testing.T, token string, facts *wire.Facts) *scripted {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &scripted{t: t, key: key, facts: facts, epoch: uint64(time.Now().UnixNano()),
		desired: make(chan *wire.Desired, 16), runs: make(chan *wire.RunNow, 16), acks: make(chan *wire.Ack, 1024), bye: make(chan *wire.Bye, 1), looks: make(chan struct{}, 16)}
	a.connect(h, token)
	fingerprint := sha256.Sum256(key.Public().(ed25519.PublicKey))
	await(t, "the hub shows the agent", func() bool { // a welcome comes before the fleet has heard of it
		answer := h.open(t, "GET", fmt.Sprintf("/api/v1/agents/%x", fingerprint), "", h.bearer(t)...)
		defer answer.Body.Close()
		var shown struct{ Hostname, Presence string }
		return json.NewDecoder(answer.Body).Decode(&shown) == nil && shown.Hostname == facts.GetHostname() && shown.Presence == "online"
	})
	return a
}

// connect begins a session. An agent comes again by itself where the hub says that it cannot look it up in time.
func (a *scripted) connect(h *testHub, token string) {
	a.t.Helper()
	refused := a.handshake(h, token)
	for limit := time.Now().Add(within); refused.GetCode() == wire.RefuseNotReady && time.Now().Before(limit); {
		refused = a.handshake(h, token)
	}
	if refused != nil {
		a.t.Fatalf("refused: %v", refused)
	}
	go a.listen()
}

func (a *scripted) handshake(h *testHub, token string) *wire.Refuse {
	a.t.Helper()
	d := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: h.roots, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}, Subprotocols: []string{wire.Subprotocol}}
	u, err := url.Parse(h.url)
	if err != nil {
		a.t.Fatal(err)
	}
	u.Scheme, u.Path = "wss", "/agent/v1"
	var answer *http.Response
	a.conn, answer, err = d.Dial(u.String(), nil)
	if err != nil {
		a.t.Fatalf("dial: %v %v", err, answer)
	}
	a.t.Cleanup(func() { _ = a.conn.Close() })
	tr := wire.Transcript{AgentNonce: wire.NewNonce(), AgentKey: a.key.Public().(ed25519.PublicKey)}
	a.send(&wire.Frame{Body: &wire.Frame_Hello{Hello: &wire.Hello{ProtocolMin: 1, ProtocolMax: 1, Nonce: tr.AgentNonce, PublicKey: tr.AgentKey}}})
	c := a.read().GetChallenge()
	state := a.conn.UnderlyingConn().(*tls.Conn).ConnectionState()
	tr.HubNonce, tr.HubKey = c.GetNonce(), c.GetHubKey()
	if tr.Binding, err = wire.Binding(state); err != nil {
		a.t.Fatal(err)
	}
	if err := tr.VerifyHub(c.GetSignature()); err != nil {
		a.t.Fatal(err)
	}
	signature, err := tr.SignAgent(a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	proof := &wire.Proof{Signature: signature, Facts: a.facts, SessionCount: uint64(time.Now().UnixNano())}
	if token != "" {
		parsed, err := trust.ParseToken(token)
		if err != nil {
			a.t.Fatal(err)
		}
		id, err := hex.DecodeString(parsed.ID())
		if err != nil {
			a.t.Fatal(err)
		}
		proof.Enrol = &wire.Enrol{TokenId: id, TokenSecret: parsed.Secret()}
	}
	a.send(&wire.Frame{Body: &wire.Frame_Proof{Proof: proof}})
	f := a.read()
	if f.GetWelcome() == nil && f.GetRefuse() == nil {
		a.t.Fatalf("neither welcomed nor refused: %v", f)
	}
	return f.GetRefuse()
}

func (a *scripted) send(f *wire.Frame) {
	data, err := wire.Marshal(f)
	if err != nil {
		a.t.Error(err)
		return
	}
	a.write.Lock()
	defer a.write.Unlock()
	_ = a.conn.WriteMessage(websocket.BinaryMessage, data) // a closed line shows elsewhere
}

func (a *scripted) read() *wire.Frame {
	_, data, err := a.conn.ReadMessage()
	if err != nil {
		return nil
	}
	f := new(wire.Frame)
	if err := wire.Unmarshal(data, f); err != nil {
		a.t.Error(err)
	}
	return f
}

// listen hands on what the hub says, until the line ends.
func (a *scripted) listen() {
	for {
		f := a.read()
		if f == nil {
			return
		}
		switch body := f.GetBody().(type) {
		case *wire.Frame_Desired:
			a.desired <- body.Desired
		case *wire.Frame_RunNow:
			a.runs <- body.RunNow
		case *wire.Frame_Look:
			select {
			case a.looks <- struct{}{}:
			default: // a test that does not count them
			}
		case *wire.Frame_Ack:
			a.acks <- body.Ack
		case *wire.Frame_Heartbeat:
			a.send(&wire.Frame{Body: &wire.Frame_Heartbeat{Heartbeat: &wire.Heartbeat{SentNs: time.Now().UnixNano(), EchoNs: body.Heartbeat.GetSentNs()}}})
		case *wire.Frame_Bye:
			a.bye <- body.Bye
		}
	}
}

// report sends results and waits until the hub has them.
func (a *scripted) report(results ...*wire.Result) {
	a.t.Helper()
	var p wire.Packer
	if a.seq == 0 {
		a.send(&wire.Frame{Body: &wire.Frame_Generations{Generations: &wire.Generations{Generations: []*wire.Generation{{Epoch: a.epoch}}}}})
	}
	for _, r := range results {
		a.seq++
		raw, err := wire.Marshal(&wire.Item{Seq: a.seq, Kind: &wire.Item_Result{Result: r}})
		if err != nil {
			a.t.Fatal(err)
		}
		if !p.Add(a.seq, raw, wire.MaxBatch) {
			a.t.Fatal("one batch too much for a script")
		}
	}
	a.send(&wire.Frame{Body: &wire.Frame_Batch{Batch: p.Batch(a.epoch)}})
	for {
		select {
		case ack := <-a.acks:
			if ack.GetSeq() >= a.seq {
				return
			}
		case <-time.After(within):
			a.t.Fatal("no ack")
		}
	}
}

// result is one OK result made just now.
func result(check string, state wire.State, text string, perfdata ...*wire.Perfdata) *wire.Result {
	return &wire.Result{Check: check, State: state, Text: text, Exit: int32(state), StartNs: time.Now().UnixNano(), DurationNs: 12e6,
		Plugin: "builtin:" + check, EveryMs: 3_600_000, Perfdata: perfdata}
}
