// Package rpc calls agents: it finds the session of an agent by subject, on whatever hub that lives, and brings back what the
// run prints and how it ends.
package rpc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// Errors a caller may branch on.
var (
	ErrOffline = errors.New("the agent has no session")
	ErrLost    = errors.New("the session ended before the run")
)

// Limits of a call.
const (
	maxWaiting = 4 << 20 // bytes of output that wait for a slow reader
	maxFrames  = 4096    // of them, too

	// silence is more than a live session ever says nothing of an open call: it does with each heartbeat, every 10 s unless the
	// hub was told otherwise. Beyond it the hub that the session lived on is gone.
	silence = 90 * time.Second
)

// Output takes what a run prints, in order. It may be slow: beyond 4 MiB waiting, output is dropped and a line says so.
type Output func(data []byte, stderr bool)

// Caller makes calls. Its methods may be called from anywhere.
type Caller struct{ bus *bus.Bus }

// New makes a caller on the bus.
func New(b *bus.Bus) *Caller { return &Caller{bus: b} }

// RunNow has the agent run a check now, and waits for its end. A nil error comes with a RunEnd, which may say in Error why
// nothing ran. ErrOffline, ErrLost, or ctx's error; after that the run goes on without listeners.
func (c *Caller) RunNow(ctx context.Context, fingerprint, check string, out Output) (*wire.RunEnd, error) {
	call := rand.Text()
	q := newQueue()
	inbox := c.bus.Inbox()
	stop, err := c.bus.Listen(inbox, q.hear)
	if err != nil {
		return nil, fmt.Errorf("run %s now: %w", check, err)
	}
	defer stop()
	subject := bus.CallSubject + fingerprint
	if err := c.tell(subject, inbox, &wire.Frame{Body: &wire.Frame_RunNow{RunNow: &wire.RunNow{Call: call, Check: check}}}); err != nil {
		return nil, fmt.Errorf("run %s now: %w", check, err)
	}
	end, err := wait(ctx, q, out)
	if err != nil {
		if ctx.Err() != nil {
			_ = c.tell(subject, "", &wire.Frame{Body: &wire.Frame_CancelRun{CancelRun: &wire.CancelRun{Call: call}}})
		}
		return nil, fmt.Errorf("run %s now: %w", check, err)
	}
	return end, nil
}

func (c *Caller) tell(subject, reply string, f *wire.Frame) error {
	data, err := wire.Marshal(f)
	if err != nil {
		return err
	}
	return c.bus.Tell(subject, reply, data)
}

// wait gives output to out until the call ends.
func wait(ctx context.Context, q *queue, out Output) (*wire.RunEnd, error) {
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	for {
		select {
		case <-q.ready:
		case <-quiet.C:
			return nil, ErrLost
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		quiet.Reset(silence)
		for _, p := range q.take() {
			switch {
			case p.err != nil:
				return nil, p.err
			case p.end != nil:
				return p.end, nil
			case out != nil && len(p.data) > 0:
				out(p.data, p.stderr)
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
}
