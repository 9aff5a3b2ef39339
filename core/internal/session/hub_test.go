package session

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// testHub follows docs/wire.md over a real TLS line, and can be made to misbehave. It keeps what it
// confirmed, as a bus would.
type testHub struct {
	t        *testing.T
	server   *httptest.Server
	key      ed25519.PrivateKey
	document []byte
	token    trust.Token
	upgrader websocket.Upgrader
	sessions chan *testSession // each one welcomed

	mu     sync.Mutex
	cfg    hubConfig
	known  map[string]bool // agents by public key
	bus    map[uint64][]wire.Record
	proofs []*wire.Proof
	forms  []string // of the batches that came: "items" or "alike"
}

// hubConfig is how the hub behaves from the next session on.
type hubConfig struct {
	heartbeat  time.Duration
	terminated bool               // as behind a balancer
	signWith   ed25519.PrivateKey // instead of the key it shows
	showKey    ed25519.PrivateKey // instead of its own
	succession []*wire.Succession
	refuse     *wire.Refuse
	refuseOnce *wire.Refuse
	silent     bool // after the welcome
	dropAcks   bool
	protocol   uint32
	tokenUsed  bool
	addresses  []string
	bases      uint32                                        // what it keeps for results told by difference
	loses      bool                                          // it does not follow them
	door       func(http.ResponseWriter, *http.Request) bool // what stands before it: false = it has answered
}

// testSession is one welcomed agent.
type testSession struct {
	hub    *testHub
	ws     *websocket.Conn
	proof  *wire.Proof
	hearer wire.Hearer
	mu     sync.Mutex
	frames chan *wire.Frame // what is not answered by itself
	gone   chan struct{}
}

// authority is a CA with a certificate for 127.0.0.1 and localhost.
func authority(t *testing.T, notAfter time.Time) (caPEM string, leaf tls.Certificate) {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test hub CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: notAfter, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: ca.NotBefore, NotAfter: notAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, leafKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	caPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}))
	return caPEM, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: leafKey}
}

func newHub(t *testing.T) *testHub {
	t.Helper()
	caPEM, leaf := authority(t, time.Now().Add(time.Hour))
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := &testHub{
		t: t, key: key, known: map[string]bool{}, bus: map[uint64][]wire.Record{}, sessions: make(chan *testSession, 64),
		upgrader: websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}},
		cfg:      hubConfig{heartbeat: wire.MinHeartbeat, protocol: wire.ProtocolMax},
	}
	document := trust.Document{HubKey: key.Public().(ed25519.PublicKey), CA: caPEM, CoreRoot: []byte("{}"), SiteRoot: []byte("{}")}
	if h.document, err = document.Marshal(); err != nil {
		t.Fatal(err)
	}
	if h.token, err = trust.NewToken(trust.Hash(h.document)); err != nil {
		t.Fatal(err)
	}
	h.listen(leaf, "127.0.0.1:0")
	return h
}

func (h *testHub) listen(leaf tls.Certificate, at string) {
	mux := http.NewServeMux()
	mux.HandleFunc(wire.Path, h.serve)
	mux.HandleFunc("/trust/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != fmt.Sprintf("/trust/%x", trust.Hash(h.document)) {
			http.NotFound(w, r)
			return
		}
		w.Write(h.document)
	})
	l, err := net.Listen("tcp", at)
	if err != nil {
		h.t.Fatal(err)
	}
	h.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: mux}}
	h.server.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS13}
	h.server.StartTLS()
	h.t.Cleanup(h.server.Close)
}

func (h *testHub) addr() string { return strings.TrimPrefix(h.server.URL, "https://") }

func (h *testHub) set(change func(*hubConfig)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.cfg)
}

func (h *testHub) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	door := h.cfg.door
	h.mu.Unlock()
	if door != nil && !door(w, r) {
		return
	}
	ws, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	ws.SetReadLimit(wire.MaxFrameEver)
	h.mu.Lock()
	cfg := h.cfg
	h.mu.Unlock()
	s := &testSession{hub: h, ws: ws, frames: make(chan *wire.Frame, 1024), gone: make(chan struct{})}
	defer close(s.gone)
	if !s.handshake(r, cfg) {
		return
	}
	h.sessions <- s
	s.loop(cfg)
}

func (s *testSession) handshake(r *http.Request, cfg hubConfig) bool {
	hello := s.read().GetHello()
	if hello == nil {
		return false
	}
	key := s.hub.key
	if cfg.showKey != nil {
		key = cfg.showKey
	}
	t := wire.Transcript{AgentNonce: hello.GetNonce(), HubNonce: wire.NewNonce(), AgentKey: hello.GetPublicKey(), HubKey: key.Public().(ed25519.PublicKey)}
	if !cfg.terminated {
		t.Binding, _ = wire.Binding(*r.TLS)
	}
	if cfg.signWith != nil {
		key = cfg.signWith
	}
	signature, err := t.SignHub(key)
	if err != nil {
		return false
	}
	s.say(&wire.Frame{Body: &wire.Frame_Challenge{Challenge: &wire.Challenge{
		Protocol: cfg.protocol, Nonce: t.HubNonce, HubKey: t.HubKey, Signature: signature, TlsBound: !cfg.terminated, Succession: cfg.succession,
	}}})
	if s.proof = s.read().GetProof(); s.proof == nil {
		return false
	}
	h := s.hub
	h.mu.Lock()
	h.proofs = append(h.proofs, s.proof)
	h.mu.Unlock()
	if err := t.VerifyAgent(s.proof.GetSignature()); err != nil {
		s.refuse(&wire.Refuse{Code: wire.RefuseBadSignature})
		return false
	}
	if cfg.refuseOnce != nil {
		h.set(func(c *hubConfig) { c.refuseOnce = nil })
		s.refuse(cfg.refuseOnce)
		return false
	}
	if cfg.refuse != nil {
		s.refuse(cfg.refuse)
		return false
	}
	enrolled, refusal := h.admit(string(hello.GetPublicKey()), s.proof.GetEnrol(), cfg)
	if refusal != nil {
		s.refuse(refusal)
		return false
	}
	s.say(&wire.Frame{Body: &wire.Frame_Welcome{Welcome: &wire.Welcome{
		SessionId: "s", Name: "box", HeartbeatMs: uint32(cfg.heartbeat.Milliseconds()), EnrolledNow: enrolled,
		Watermarks: h.watermarks(s.proof.GetGenerations()), HubAddresses: cfg.addresses, Revision: 7, Bases: cfg.bases,
	}}})
	return true
}

func (h *testHub) admit(key string, e *wire.Enrol, cfg hubConfig) (enrolled bool, refusal *wire.Refuse) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.known[key]:
		return false, nil
	case e == nil:
		return false, &wire.Refuse{Code: wire.RefuseUnknownAgent}
	case cfg.tokenUsed:
		return false, &wire.Refuse{Code: wire.RefuseTokenUsed, Message: "this token was used up"}
	case fmt.Sprintf("%x", e.GetTokenId()) != h.token.ID() || string(e.GetTokenSecret()) != string(h.token.Secret()):
		return false, &wire.Refuse{Code: wire.RefuseTokenUnknown}
	}
	h.known[key] = true
	return true, nil
}

func (h *testHub) watermarks(kept []*wire.Generation) (marks []*wire.Watermark) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range kept {
		m := &wire.Watermark{Epoch: g.GetEpoch()}
		if records := h.bus[g.GetEpoch()]; len(records) > 0 {
			last := records[len(records)-1]
			m.Seq, m.Crc = last.Seq, wire.Crc(last.Raw)
		}
		marks = append(marks, m)
	}
	return marks
}

// loop serves what a hub serves by itself; the rest goes to frames.
func (s *testSession) loop(cfg hubConfig) {
	stop := make(chan struct{})
	defer close(stop)
	if !cfg.silent {
		go s.beats(cfg.heartbeat, stop)
	}
	for f := s.read(); f != nil; f = s.read() {
		switch b := f.GetBody().(type) {
		case *wire.Frame_Batch:
			batch, err := s.hearer.Hear(b.Batch)
			s.hub.came(b.Batch)
			if cfg.loses && len(b.Batch.GetAlike()) > 0 {
				s.say(&wire.Frame{Body: &wire.Frame_Bye{Bye: &wire.Bye{Cause: "difference", Text: "lost"}}})
				return
			}
			if err != nil || !s.hub.publish(batch) {
				s.hub.t.Errorf("bad batch %d to %d of %x: %v", batch.GetFirst(), batch.GetLast(), batch.GetEpoch(), err)
				return
			}
			if !cfg.dropAcks {
				s.say(&wire.Frame{Body: &wire.Frame_Ack{Ack: &wire.Ack{Epoch: batch.GetEpoch(), Seq: batch.GetLast()}}})
			}
		case *wire.Frame_Generations:
			marks := s.hub.watermarks(b.Generations.GetGenerations())
			s.say(&wire.Frame{Body: &wire.Frame_Watermarks{Watermarks: &wire.Watermarks{Watermarks: marks}}})
		case *wire.Frame_Heartbeat:
		default:
			s.frames <- f
		}
	}
}

func (s *testSession) beats(every time.Duration, stop chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.say(&wire.Frame{Body: &wire.Frame_Heartbeat{Heartbeat: &wire.Heartbeat{SentNs: time.Now().UnixNano()}}})
		case <-stop:
			return
		}
	}
}

// came notes in which form a batch came.
func (h *testHub) came(b *wire.Batch) {
	form := "items"
	if len(b.GetAlike()) > 0 {
		form = "alike"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forms = append(h.forms, form)
}

// publish keeps a batch as the bus does: behind what is there, nothing twice.
func (h *testHub) publish(b *wire.Batch) bool {
	records, err := wire.Unpack(b)
	if err != nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range records {
		if have := h.bus[b.GetEpoch()]; len(have) == 0 || have[len(have)-1].Seq < r.Seq {
			h.bus[b.GetEpoch()] = append(have, r)
		}
	}
	return true
}

// published counts results on the bus by their text.
func (h *testHub) published() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	count := map[string]int{}
	for _, records := range h.bus {
		for _, r := range records {
			i, err := r.Item()
			if err != nil {
				h.t.Error(err)
				continue
			}
			switch {
			case i.GetResult() != nil:
				count[i.GetResult().GetText()]++
			case i.GetGap() != nil:
				count["gap "+i.GetGap().GetCause()]++
			case i.GetEvent() != nil:
				count["event "+i.GetEvent().GetKind()]++
			}
		}
	}
	return count
}

func (s *testSession) say(f *wire.Frame) {
	data, err := wire.Marshal(f)
	if err != nil {
		s.hub.t.Error(err)
	}
	s.sayRaw(data)
}

func (s *testSession) sayRaw(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ws.SetWriteDeadline(time.Now().Add(10 * time.Second))
	s.ws.WriteMessage(websocket.BinaryMessage, data) // a broken line shows in read
}

func (s *testSession) refuse(r *wire.Refuse) {
	s.say(&wire.Frame{Body: &wire.Frame_Refuse{Refuse: r}})
}

// read is the next frame, nil at the line's end.
func (s *testSession) read() *wire.Frame {
	_, data, err := s.ws.ReadMessage()
	if err != nil {
		return nil
	}
	f := new(wire.Frame)
	if wire.Unmarshal(data, f) != nil {
		return nil
	}
	return f
}
