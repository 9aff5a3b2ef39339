package gateway_test

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/gateway"
	"github.com/limpet-monitoring/limpet/hub/internal/mark"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
	"github.com/limpet-monitoring/limpet/hub/internal/rpc"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// hub is the hub's parts around a gateway, real ones.
type hub struct {
	t        testing.TB
	bus      *bus.Bus
	register *enrol.Register
	board    *presence.Board
	gateway  *gateway.Gateway
	fleet    *fleet.Fleet
	calls    *rpc.Caller
	server   *httptest.Server
	key      ed25519.PrivateKey
	stopped  bool
}

// settings are what tests change of a hub.
type settings struct {
	dir       string
	key       ed25519.PrivateKey
	heartbeat time.Duration // 0 = so seldom that an agent that is busy elsewhere is not taken for dead
	desired   func(fleet.Agent) *wire.Desired
	plain     bool // TLS ends before the hub
	site      func(string, int64) *wire.SitePiece
}

func startHub(t testing.TB, s settings) *hub {
	t.Helper()
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	if s.key == nil {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		s.key = key
	}
	h := &hub{t: t, key: s.key}
	s.heartbeat = cmp.Or(s.heartbeat, wire.MaxHeartbeat)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	h.bus, err = bus.Open(t.Context(), bus.Options{Dir: s.dir})
	check(err)
	h.register, err = enrol.Open(t.Context(), h.bus)
	check(err)
	h.board, err = presence.Open(t.Context(), h.bus)
	check(err)
	h.fleet, err = fleet.Open(t.Context(), h.bus, fleet.Options{Register: h.register, Presence: h.board})
	check(err)
	h.gateway, err = gateway.New(gateway.Options{
		Bus: h.bus, Register: h.register, Presence: h.board, Key: fixed(s.key), Desired: s.desired, Site: s.site, Heartbeat: s.heartbeat,
	})
	check(err)
	h.calls = rpc.New(h.bus)
	h.server = httptest.NewUnstartedServer(h.gateway)
	if s.plain {
		h.server.Start()
	} else {
		h.server.StartTLS()
	}
	t.Cleanup(h.stop)
	return h
}

// stop ends the hub in the order in which its main does.
func (h *hub) stop() {
	if h.stopped {
		return
	}
	h.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for _, err := range []error{h.gateway.Close(ctx), h.fleet.Close()} {
		if err != nil {
			h.t.Error(err)
		}
	}
	h.server.Close()
	if err := h.bus.Close(); err != nil {
		h.t.Error(err)
	}
}

func (h *hub) at() where {
	w := where{url: "ws" + strings.TrimPrefix(h.server.URL, "http"), key: h.key.Public().(ed25519.PublicKey)}
	if c := h.server.Certificate(); c != nil {
		w.pool = x509.NewCertPool()
		w.pool.AddCert(c)
	}
	return w
}

// token makes a token.
func (h *hub) token(q enrol.Request) *trust.Token {
	h.t.Helper()
	_, text, err := h.register.CreateToken(h.t.Context(), sha256.Sum256([]byte("document")), q)
	if err != nil {
		h.t.Fatal(err)
	}
	token, err := trust.ParseToken(text)
	if err != nil {
		h.t.Fatal(err)
	}
	return &token
}

// join enrols a new agent and begins its session.
func (h *hub) join() (*agent, *link) {
	h.t.Helper()
	a := newAgent(h.t, h.token(enrol.Request{}))
	return a, h.connect(a)
}

// connect begins a session of an agent, which comes again by itself where that does not come about in time.
func (h *hub) connect(a *agent) *link {
	h.t.Helper()
	l, err := a.connect(h.t.Context(), h.at())
	for limit := time.Now().Add(within); comesAgain(err) && time.Now().Before(limit); {
		l, err = a.connect(h.t.Context(), h.at())
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(l.cut)
	return l
}

// until waits for the view to be as it should. What is no news to subscribers (a count that rose) is looked at now and then.
func (h *hub) until(what string, ok func() bool) {
	h.t.Helper()
	s := h.fleet.Subscribe()
	defer func() { s.Close() }()
	limit := time.NewTimer(within)
	defer limit.Stop()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case _, open := <-s.C():
			if !open { // more news at once than a subscription holds
				s = h.fleet.Subscribe()
			}
		case <-limit.C:
			h.t.Fatalf("never: %s", what)
		}
	}
}

// untilPresence waits for an agent's presence and cause.
func (h *hub) untilPresence(a *agent, p fleet.Presence, cause string) {
	h.t.Helper()
	h.until(fmt.Sprintf("%s %s", p, cause), func() bool {
		d, err := h.fleet.Agent(a.fingerprint())
		return err == nil && d.Presence == p && d.Cause == cause
	})
}

// onTheBus counts how often each record of an agent is in the stream.
func onTheBus(t testing.TB, b *bus.Bus, fingerprint string) map[uint64]map[uint64]int {
	t.Helper()
	out := map[uint64]map[uint64]int{}
	err := b.Scan(t.Context(), bus.Results, mark.Subjects(fingerprint)+"*", bus.Start{}, func(m bus.Message) error {
		var batch wire.Batch
		if err := wire.Unmarshal(m.Data, &batch); err != nil {
			return err
		}
		records, err := wire.Unpack(&batch)
		if err != nil {
			return err
		}
		if out[batch.GetEpoch()] == nil {
			out[batch.GetEpoch()] = map[uint64]int{}
		}
		for _, r := range records {
			out[batch.GetEpoch()][r.Seq]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// exactlyOnce says whether the stream holds every record of an agent's buffer once.
func exactlyOnce(t testing.TB, b *bus.Bus, a *agent) {
	t.Helper()
	there := onTheBus(t, b, a.fingerprint())
	for epoch, g := range a.gens {
		for i := range g.records {
			if n := there[epoch][uint64(i+1)]; n != 1 {
				t.Errorf("record %d of epoch %d is there %d times", i+1, epoch, n)
			}
		}
		if len(there[epoch]) != len(g.records) {
			t.Errorf("epoch %d has %d records, %d written", epoch, len(there[epoch]), len(g.records))
		}
	}
}

// fixed is a hub's key that never had another before it.
func fixed(key ed25519.PrivateKey) func() (ed25519.PrivateKey, []*wire.Succession) {
	return func() (ed25519.PrivateKey, []*wire.Succession) { return key, nil }
}
