// Package gateway accepts the sessions of agents: it proves the hub, admits the agent, carries results to the bus and calls
// from it. Each session is owned by one goroutine. What an agent sends is believed only after it was checked, and whatever it
// sends, it harms no other session.
package gateway

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net/http"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// Options are what a gateway needs and does.
type Options struct {
	Bus      *bus.Bus
	Register *enrol.Register
	Presence *presence.Board
	Key      ed25519.PrivateKey // the hub's
	// Desired is what is meant for an agent; Revision 0 or nil = the default checks. It must be quick and may be called from
	// many goroutines.
	Desired    func(fleet.Agent) *wire.Desired
	Heartbeat  time.Duration // 0 = 10 s
	ConsoleURL string
	Addresses  []string // "ip:port", where agents may reach the hub without a name
	Log        *slog.Logger
}

// Gateway is an http.Handler for /agent/v1.
type Gateway struct{}

// New makes a gateway.
func New(o Options) (*Gateway, error) { return nil, nil }

// ServeHTTP takes one agent's websocket and returns when its session has ended.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// DesiredChanged makes every session compare what its agent runs with what is meant for it.
func (g *Gateway) DesiredChanged() {}

// Close says goodbye to every agent ("stop"), waits for the sessions to end, and refuses new ones.
func (g *Gateway) Close(ctx context.Context) error { return nil }
