//go:build unix

package main

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
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// scriptedHub is a hub for one agent as docs/wire.md wants it, swaps included: a second session is let in beside the first only under
// the nonce that the first announced. It keeps what a bus would, and what came of each session.
type scriptedHub struct {
	t        *testing.T
	server   *httptest.Server
	key      ed25519.PrivateKey
	document []byte
	token    trust.Token

	mu       sync.Mutex // guards what follows
	desired  *wire.Desired
	open     []*hubSession
	main     *hubSession // nil: the agent is away
	nonce    string      // announced last
	away     []string    // why there was no session at all, each time
	refused  int
	actives  int
	counts   map[uint64]bool // session counts seen
	bus      map[uint64][]wire.Record
	arrivals int               // records
	more     map[string]string // of the newest facts

	collectors []*wire.CollectorState // of them, too
	ephemeral  bool                   // what it welcomes agents as
	wrong      uint64                 // a revision that agents reject
}

type hubSession struct {
	hub   *scriptedHub
	ws    *websocket.Conn
	nonce string

	welcomed, active bool       // the hub's mu guards them
	mu               sync.Mutex // guards writing
}

func newScriptedHub(t *testing.T) *scriptedHub {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca, leaf := testAuthority(t)
	h := &scriptedHub{t: t, key: key, bus: map[uint64][]wire.Record{}, counts: map[uint64]bool{}}
	document := trust.Document{HubKey: key.Public().(ed25519.PublicKey), CA: ca, CoreRoot: []byte("{}"), SiteRoot: []byte("{}")}
	if h.document, err = document.Marshal(); err != nil {
		t.Fatal(err)
	}
	if h.token, err = trust.NewToken(trust.Hash(h.document)); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc(wire.Path, h.serve)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("/trust/", func(w http.ResponseWriter, r *http.Request) { w.Write(h.document) })
	h.server = httptest.NewUnstartedServer(mux)
	h.server.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS13}
	h.server.StartTLS()
	t.Cleanup(h.server.Close)
	return h
}

// testAuthority is a CA and a certificate of it for 127.0.0.1.
func testAuthority(t *testing.T) (caPEM string, leaf tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test hub CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, server, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (h *scriptedHub) serve(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	s := &hubSession{hub: h, ws: ws}
	if s.meet(r) {
		h.leave(s, s.loop())
	}
}

func (s *hubSession) meet(r *http.Request) bool {
	hello := s.read().GetHello()
	if hello == nil {
		return false
	}
	h := s.hub
	t := wire.Transcript{AgentNonce: hello.GetNonce(), HubNonce: wire.NewNonce(), AgentKey: hello.GetPublicKey(), HubKey: h.key.Public().(ed25519.PublicKey)}
	t.Binding, _ = wire.Binding(*r.TLS)
	signature, err := t.SignHub(h.key)
	if err != nil {
		return false
	}
	s.say(&wire.Frame{Body: &wire.Frame_Challenge{Challenge: &wire.Challenge{
		Protocol: wire.ProtocolMax, Nonce: t.HubNonce, HubKey: t.HubKey, Signature: signature, TlsBound: true,
	}}})
	proof := s.read().GetProof()
	if proof == nil || t.VerifyAgent(proof.GetSignature()) != nil {
		return false
	}
	if !h.enter(s, proof) {
		s.say(&wire.Frame{Body: &wire.Frame_Refuse{Refuse: &wire.Refuse{Code: wire.RefuseClone}}})
		return false
	}
	s.say(&wire.Frame{Body: &wire.Frame_Welcome{Welcome: &wire.Welcome{
		SessionId: "s", Name: "box", HeartbeatMs: 20_000, Watermarks: h.watermarks(proof.GetGenerations()), Ephemeral: h.ephemeral,
	}}})
	return true
}

// enter lets a session in that is the only one, or the announced successor of the only one.
func (h *scriptedHub) enter(s *hubSession, proof *wire.Proof) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.open) > 1 || len(h.open) == 1 && (proof.GetStandbyNonce() == "" || proof.GetStandbyNonce() != h.nonce) {
		h.refused++
		return false
	}
	if h.counts[proof.GetSessionCount()] {
		h.t.Errorf("session count %d came twice", proof.GetSessionCount())
	}
	h.counts[proof.GetSessionCount()] = true
	s.nonce = proof.GetStandbyNonce()
	h.open = append(h.open, s)
	if len(h.open) == 1 {
		h.main = s
	}
	return true
}

// leave takes a session out; the one that is left is the agent's.
func (h *scriptedHub) leave(s *hubSession, cause string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var left []*hubSession
	for _, x := range h.open {
		if x != s {
			left = append(left, x)
		}
	}
	h.open = left
	if h.main == s {
		h.main = nil
		if len(left) > 0 {
			h.main = left[0]
		}
	}
	if len(left) == 0 {
		h.away = append(h.away, cause)
	}
}

// loop serves a session until its end, and says why it ended.
func (s *hubSession) loop() string {
	h := s.hub
	stop := make(chan struct{})
	defer close(stop)
	h.mu.Lock()
	s.welcomed = true // before that nothing may come between it and its welcome
	h.mu.Unlock()
	go func() {
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			s.say(&wire.Frame{Body: &wire.Frame_Heartbeat{Heartbeat: &wire.Heartbeat{SentNs: time.Now().UnixNano()}}})
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	s.pushDesired()
	for f := s.read(); f != nil; f = s.read() {
		switch b := f.GetBody().(type) {
		case *wire.Frame_Batch:
			if err := h.publish(b.Batch); err != nil {
				h.t.Error(err)
				return "bad batch"
			}
			s.say(&wire.Frame{Body: &wire.Frame_Ack{Ack: &wire.Ack{Epoch: b.Batch.GetEpoch(), Seq: b.Batch.GetLast()}}})
		case *wire.Frame_Generations:
			s.say(&wire.Frame{Body: &wire.Frame_Watermarks{Watermarks: &wire.Watermarks{Watermarks: h.watermarks(b.Generations.GetGenerations())}}})
		case *wire.Frame_Successor:
			h.mu.Lock()
			h.nonce = b.Successor.GetNonce()
			h.mu.Unlock()
		case *wire.Frame_Active:
			h.mu.Lock()
			h.main = s
			if !s.active {
				h.actives++
			}
			s.active = true
			h.mu.Unlock()
			s.pushDesired()
		case *wire.Frame_RevisionReport:
			h.mu.Lock()
			wrong := h.wrong
			h.mu.Unlock()
			if r := b.RevisionReport; r.GetAccepted() != (r.GetRevision() != wrong) {
				h.t.Errorf("revision %d: accepted %v, %v", r.GetRevision(), r.GetAccepted(), r.GetProblems())
			}
		case *wire.Frame_Facts:
			h.mu.Lock()
			h.more, h.collectors = b.Facts.GetMore(), b.Facts.GetCollectors()
			h.mu.Unlock()
		case *wire.Frame_Bye:
			return b.Bye.GetCause()
		}
	}
	return "lost"
}

// pushDesired sends the main session what is meant for the agent.
func (s *hubSession) pushDesired() {
	s.hub.mu.Lock()
	d := s.hub.desired
	is := s.hub.main == s && s.welcomed
	s.hub.mu.Unlock()
	if is && d != nil {
		s.say(&wire.Frame{Body: &wire.Frame_Desired{Desired: d}})
	}
}

// push changes the desired state and sends it.
func (h *scriptedHub) push(d *wire.Desired) {
	h.mu.Lock()
	h.desired = d
	s := h.main
	h.mu.Unlock()
	if s != nil {
		s.pushDesired()
	}
}

// tell sends a frame to the agent's session.
func (h *scriptedHub) tell(f *wire.Frame) {
	h.mu.Lock()
	s := h.main
	h.mu.Unlock()
	s.say(f)
}

func (h *scriptedHub) watermarks(kept []*wire.Generation) (marks []*wire.Watermark) {
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

func (h *scriptedHub) publish(b *wire.Batch) error {
	records, err := wire.Unpack(b)
	if err != nil {
		return fmt.Errorf("batch of %x: %w", b.GetEpoch(), err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range records {
		if have := h.bus[b.GetEpoch()]; len(have) == 0 || have[len(have)-1].Seq < r.Seq {
			h.bus[b.GetEpoch()] = append(have, r)
			h.arrivals++
		}
	}
	return nil
}

// items are all that came, by kind.
func (h *scriptedHub) items() (results map[string][]*wire.Result, lost map[string]int, events []*wire.Event, gaps int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	results, lost = map[string][]*wire.Result{}, map[string]int{}
	for _, epoch := range slices.Sorted(maps.Keys(h.bus)) { // as they were made
		for _, r := range h.bus[epoch] {
			i, err := r.Item()
			if err != nil {
				h.t.Error(err)
				continue
			}
			switch {
			case i.GetResult() != nil:
				results[i.GetResult().GetCheck()] = append(results[i.GetResult().GetCheck()], i.GetResult())
			case i.GetLostRun() != nil:
				lost[i.GetLostRun().GetCheck()]++
			case i.GetEvent() != nil:
				events = append(events, i.GetEvent())
			case i.GetGap() != nil:
				gaps++
			}
		}
	}
	return results, lost, events, gaps
}

func (s *hubSession) say(f *wire.Frame) {
	data, err := wire.Marshal(f)
	if err != nil {
		s.hub.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ws.SetWriteDeadline(time.Now().Add(settle))
	s.ws.WriteMessage(websocket.BinaryMessage, data) // a broken line shows in read
}

// read is the next frame, nil at the line's end.
func (s *hubSession) read() *wire.Frame {
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
