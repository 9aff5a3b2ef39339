// Package fleet is the one view of all agents: their facts, presence, checks and log, as the bus tells it. It reads the bus
// alone, so every hub on one bus shows the same, and a hub that was killed shows what it would have shown had it lived.
//
// One goroutine owns the state; readers get immutable values and never wait for it.
package fleet

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// Errors of lookups.
var (
	ErrUnknownAgent = errors.New("no such agent")
	ErrAmbiguous    = errors.New("more than one agent is called that")
	ErrUnknownCheck = errors.New("no such check")
)

// Options are what Open needs beside the bus.
type Options struct {
	Log *slog.Logger
	// Wanted is the revision meant for an agent; nil = 0 for all. Called by the owning goroutine: it must be quick.
	Wanted func(Agent) uint64
}

// Fleet is the view. Its methods may be called from anywhere.
type Fleet struct{}

// Open rebuilds the view from what the bus holds and returns when everything that was on the bus at the call is in it.
func Open(ctx context.Context, b *bus.Bus, o Options) (*Fleet, error) { return nil, nil }

// Close saves the view and stops. Subscriptions end.
func (f *Fleet) Close() error { return nil }

// Agents is every agent, sorted by hostname, then fingerprint.
func (f *Fleet) Agents() []Agent { return nil }

// Find is the agent with this fingerprint, unique prefix of it of 4 characters or more, or hostname that only one has.
// ErrUnknownAgent, ErrAmbiguous.
func (f *Fleet) Find(name string) (Agent, error) { return Agent{}, nil }

// Agent is everything known of the agent with this whole fingerprint. ErrUnknownAgent.
func (f *Fleet) Agent(fingerprint string) (Detail, error) { return Detail{}, nil }

// Check is one check with its last result's long output, read from the stream. ErrUnknownAgent, ErrUnknownCheck.
func (f *Fleet) Check(ctx context.Context, fingerprint, check string) (CheckStatus, error) {
	return CheckStatus{}, nil
}

// Series is the values of one check since then, as far as the stream holds them. ErrUnknownAgent.
func (f *Fleet) Series(ctx context.Context, fingerprint, check string, since time.Time) (Series, error) {
	return Series{}, nil
}

// Results is the newest results of one check, newest first, with long output, at most limit and never more than 1,000.
// ErrUnknownAgent.
func (f *Fleet) Results(ctx context.Context, fingerprint, check string, limit int) ([]Result, error) {
	return nil, nil
}

// Log is the newest events, newest first, at most limit and never more than 1,000.
func (f *Fleet) Log(limit int) []Event { return nil }

// Recount asks Wanted anew for every agent: call it when desired state has changed.
func (f *Fleet) Recount() {}

// Subscription is one reader of changes.
type Subscription struct{}

// Subscribe begins a subscription: every change from now on, in order. A reader that falls 1,024 behind is closed: it reads
// the lists anew and subscribes again.
func (f *Fleet) Subscribe() *Subscription { return nil }

// C delivers the changes; closed when the subscription or the fleet is, or when the reader was too slow.
func (s *Subscription) C() <-chan Change { return nil }

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {}
