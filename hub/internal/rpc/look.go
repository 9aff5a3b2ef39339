package rpc

import (
	"context"
	"fmt"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// lookWithin bounds how long a session may take to pass a word on.
const lookWithin = 10 * time.Second

// Look tells the agent to look for a newer release now, and returns when its session has passed that on. ErrOffline, ErrLost, or
// ctx's error. What the agent finds shows in its facts.
func (c *Caller) Look(ctx context.Context, fingerprint string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lookWithin, ErrLost)
	defer cancel()
	answers := make(chan bus.Note, 1)
	inbox := c.bus.Inbox()
	stop, err := c.bus.Listen(inbox, func(n bus.Note) {
		select {
		case answers <- n:
		default: // the first one counts
		}
	})
	if err != nil {
		return fmt.Errorf("tell the agent to look: %w", err)
	}
	defer stop()
	if err := c.tell(bus.CallSubject+fingerprint, inbox, &wire.Frame{Body: &wire.Frame_Look{Look: &wire.Look{}}}); err != nil {
		return fmt.Errorf("tell the agent to look: %w", err)
	}
	select {
	case n := <-answers:
		err = passedOn(n)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("tell the agent to look: %w", err)
	}
	return nil
}

func passedOn(n bus.Note) error {
	f := new(wire.Frame)
	switch {
	case n.Nobody:
		return ErrOffline
	case wire.Unmarshal(n.Data, f) != nil || f.GetLook() == nil:
		return ErrLost
	}
	return nil
}
