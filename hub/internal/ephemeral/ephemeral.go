// Package ephemeral takes agents that were enrolled to come and go out of the fleet: when they said that they go for good, and a stated time after they
// ended in any other way. What they sent stays on the bus, and their key stays good: the gateway takes one that comes back into the fleet
// again. Every hub on a bus may do this; whoever is first writes the entry of the log.
package ephemeral

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

const (
	lookEvery = 2 * time.Second
	within    = 5 * time.Second // of what is asked of the bus for one agent
)

// Options are what Run works with.
type Options struct {
	Bus      *bus.Bus
	Register *enrol.Register
	Presence *presence.Board
	Fleet    *fleet.Fleet
	Log      *slog.Logger
}

// Run goes over the fleet until ctx ends.
func Run(ctx context.Context, o Options) {
	began := time.Now()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			o.look(ctx, began, now)
		case <-ctx.Done():
			return
		}
	}
}

func (o Options) look(ctx context.Context, began, now time.Time) {
	o.Fleet.Each(func(a fleet.Agent, _ fleet.Facts) {
		why := due(a, began, now)
		if why == "" || ctx.Err() != nil {
			return
		}
		if err := o.remove(ctx, a, why); err != nil {
			o.Log.Error("ephemeral agent not removed", "agent", a.Fingerprint, "err", err)
		}
	})
}

// due says why an agent goes out of the fleet now, "" for one that stays. began is when this hub did: the time in which no hub was there to come back to
// does not count.
func due(a fleet.Agent, began, now time.Time) string {
	if a.EphemeralMS == 0 || a.Presence == fleet.Online || a.Presence == fleet.Upgrading {
		return ""
	}
	if a.Cause == "deregister" {
		return "removed: it is ephemeral, and said that it goes"
	}
	after := time.Duration(a.EphemeralMS) * time.Millisecond
	since := a.Since.Time
	if since.IsZero() { // it was enrolled and never had a session
		since = a.Enrolled.Time
	}
	if since.Before(began) {
		since = began
	}
	if now.Sub(since) < after {
		return ""
	}
	return fmt.Sprintf("removed: it is ephemeral, and has been gone for %s", after)
}

func (o Options) remove(ctx context.Context, a fleet.Agent, why string) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	changed, err := o.Register.Remove(ctx, a.Fingerprint)
	if err != nil || !changed {
		return err
	}
	last, err := o.Presence.Last(ctx, a.Fingerprint)
	if err == nil && last.Live() { // it came back between the two
		_, err = o.Register.Return(ctx, a.Fingerprint)
		return err
	}
	o.Log.Info("ephemeral agent removed", "agent", a.Fingerprint, "hostname", a.Hostname, "why", why)
	return journal.Write(ctx, o.Bus, journal.Event{Kind: journal.Removed, Fingerprint: a.Fingerprint, Hostname: a.Hostname, Cause: a.Cause, Text: why})
}
