// Package gateway accepts the sessions of agents: it proves the hub, admits the agent, carries results to the bus and calls
// from it. Each session is owned by one goroutine. What an agent sends is believed only after it was checked, and whatever it
// sends, it harms no other session.
package gateway

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/mark"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// pulseEvery is how often the fleet learns of round trips and last signs of life.
const pulseEvery = 5 * time.Second

// Options are what a gateway needs and does.
type Options struct {
	Bus      *bus.Bus
	Register *enrol.Register
	Presence *presence.Board
	// Key is the hub's, with the signatures by which earlier ones lead to it. It must be quick and may be called from many goroutines.
	Key func() (ed25519.PrivateKey, []*wire.Succession)
	// Desired is what is meant for an agent; nil = revision 0, the default checks. It must be quick and may be called from
	// many goroutines. Without the function, nothing is ever pushed.
	Desired func(fleet.Agent) *wire.Desired
	// Site answers for a part of a file of the site's repository. It must be quick and may be called from many goroutines; nil = there is none.
	Site       func(name string, offset int64) *wire.SitePiece
	Heartbeat  time.Duration // 0 = 10 s
	ConsoleURL string
	Addresses  []string // "ip:port", where agents may reach the hub without a name
	Log        *slog.Logger
}

// Gateway is an http.Handler for /agent/v1.
type Gateway struct {
	o        Options
	log      *slog.Logger
	notes    *mark.Notes
	upgrader websocket.Upgrader
	open     *door              // for everybody
	side     *door              // for those that are known, when the other is full
	stop     context.CancelFunc // of everything that runs here
	ctx      context.Context    // ends with stop: the lifetime of the gateway, not of a call

	mu       sync.Mutex // guards what follows
	sessions map[*session]struct{}
	closed   bool
	running  sync.WaitGroup // handlers past the door, and the pulse
}

// New makes a gateway, ready to serve.
func New(o Options) (*Gateway, error) {
	if o.Key == nil {
		return nil, errors.New("open gateway: it needs the hub's key")
	}
	o.Heartbeat = cmp.Or(o.Heartbeat, wire.HeartbeatEvery)
	g := &Gateway{
		o: o, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)),
		open: newDoor(maxHandshakes), side: newDoor(maxKnown),
		sessions: map[*session]struct{}{},
		upgrader: websocket.Upgrader{
			Subprotocols: []string{wire.Subprotocol}, HandshakeTimeout: wire.HandshakeStep,
			ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: new(sync.Pool),
			CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "" }, // no page may speak for an agent
		},
	}
	g.ctx, g.stop = context.WithCancel(context.Background())
	var err error
	if g.notes, err = mark.Open(g.ctx, o.Bus); err != nil {
		g.stop()
		return nil, fmt.Errorf("open gateway: %w", err)
	}
	if err := o.Register.Watch(g.ctx, g.forgotten); err != nil {
		g.stop()
		return nil, fmt.Errorf("open gateway: %w", err)
	}
	g.running.Add(1)
	go g.pulse()
	return g, nil
}

// ServeHTTP takes one agent's websocket and returns when its session has ended.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.enter() {
		refuseHTTP(w, http.StatusServiceUnavailable, "the hub is stopping")
		return
	}
	defer g.running.Done()
	if r.TLS != nil && r.TLS.Version < tls.VersionTLS13 {
		refuseHTTP(w, http.StatusUpgradeRequired, "agents need TLS 1.3")
		return
	}
	if !slices.Contains(websocket.Subprotocols(r), wire.Subprotocol) {
		refuseHTTP(w, http.StatusBadRequest, "agents speak the websocket subprotocol "+wire.Subprotocol)
		return
	}
	d := g.open
	leave, ok := d.enter()
	if !ok && g.knows(r) {
		d = g.side
		leave, ok = d.enter()
	}
	if !ok {
		sendAway(w, d.turn(time.Now()))
		return
	}
	g.serve(w, r, leave)
}

// serve has a place among the handshakes, and gives it back as soon as the agent is known.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, leave func()) {
	defer leave()
	conn, err := g.upgrader.Upgrade(w, r, nil)
	if err != nil {
		g.log.Debug("agent's websocket refused", "remote", r.RemoteAddr, "err", err)
		return
	}
	defer func() { _ = conn.Close() }()
	ln := &line{conn: conn, tls: r.TLS}
	s, err := g.handshake(ln)
	if err != nil {
		g.turnAway(ln, r.RemoteAddr, err)
		return
	}
	leave()
	s.run(g.ctx)
}

// turnAway tells the agent why, and the log.
func (g *Gateway) turnAway(ln *line, remote string, err error) {
	var refusal *refusal
	if errors.As(err, &refusal) {
		_ = ln.write(&wire.Frame{Body: &wire.Frame_Refuse{Refuse: &refusal.Refuse}})
		ln.close()
	}
	g.log.Info("agent refused", "remote", remote, "err", err)
}

// DesiredChanged makes every session compare what its agent runs with what is meant for it.
func (g *Gateway) DesiredChanged() {
	for _, s := range g.live() {
		select {
		case s.compare <- struct{}{}:
		default: // it is going to
		}
	}
}

// Close says goodbye to every agent ("stop"), waits for the sessions to end, and refuses new ones.
func (g *Gateway) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.stop()
	ended := make(chan struct{})
	go func() { g.running.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close gateway: %d sessions still ending: %w", len(g.live()), ctx.Err())
	}
}

// enter counts a handler in, unless the gateway is closed.
func (g *Gateway) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.running.Add(1)
	return true
}

func (g *Gateway) add(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sessions[s] = struct{}{}
}

func (g *Gateway) remove(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, s)
}

func (g *Gateway) live() []*session {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]*session, 0, len(g.sessions))
	for s := range g.sessions {
		out = append(out, s)
	}
	return out
}

// forgotten ends the session of an agent that was forgotten.
func (g *Gateway) forgotten(a enrol.Agent, gone bool) {
	if !gone {
		return
	}
	for _, s := range g.live() {
		if s.fingerprint == a.Fingerprint {
			s.end("deregister", "the agent was forgotten")
		}
	}
}

// pulse tells the fleet what no session writes down.
func (g *Gateway) pulse() {
	defer g.running.Done()
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-g.ctx.Done():
			return
		}
		pulses := make([]fleet.Pulse, 0, 256)
		for _, s := range g.live() {
			if s.apart.Load() {
				continue
			}
			pulses = append(pulses, s.vital())
		}
		for part := range slices.Chunk(pulses, 1000) {
			if err := fleet.TellPulses(g.o.Bus, g.o.Presence.Hub(), part); err != nil {
				g.log.Warn("fleet not told of pulses", "err", err)
			}
		}
	}
}

func refuseHTTP(w http.ResponseWriter, status int, text string) {
	http.Error(w, text, status)
}
