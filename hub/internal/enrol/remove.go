package enrol

import (
	"context"
	"errors"
	"fmt"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// Remove takes an ephemeral agent out of the fleet. Its key stays good: a box that comes back needs no token (Return). changed is false for one that is
// out already, was forgotten, or is not ephemeral. ErrUnknownAgent.
func (r *Register) Remove(ctx context.Context, fingerprint string) (changed bool, err error) {
	changed, err = r.change(ctx, fingerprint, func(a *Agent) bool {
		if a.EphemeralMS == 0 || !a.Removed.IsZero() || !a.Forgotten.IsZero() {
			return false
		}
		a.Removed = now()
		return true
	})
	if err != nil {
		return false, fmt.Errorf("remove agent %.12s: %w", fingerprint, err)
	}
	return changed, nil
}

// Return takes an agent that was removed into the fleet again. changed is false for one that is in it. ErrUnknownAgent.
func (r *Register) Return(ctx context.Context, fingerprint string) (changed bool, err error) {
	changed, err = r.change(ctx, fingerprint, func(a *Agent) bool {
		was := a.Removed
		a.Removed = journal.Time{}
		return !was.IsZero()
	})
	if err != nil {
		return false, fmt.Errorf("take back agent %.12s: %w", fingerprint, err)
	}
	return changed, nil
}

// change lets fn alter an agent, and writes it where fn says that it did.
func (r *Register) change(ctx context.Context, fingerprint string, fn func(*Agent) bool) (changed bool, err error) {
	for range retries {
		a, revision, err := r.agent(ctx, fingerprint)
		if err != nil || !fn(&a) {
			return false, err
		}
		if err := r.writeAgent(ctx, a, revision); !errors.Is(err, bus.ErrConflict) {
			return err == nil, err
		}
	}
	return false, bus.ErrConflict
}
