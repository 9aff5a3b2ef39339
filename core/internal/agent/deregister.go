package agent

import (
	"context"
	"errors"

	"github.com/limpet-monitoring/limpet/core/internal/session"
)

// deregister tells the hub that this box is about to be taken out, and ends the session for good: the core that does so is not
// meant to live on. An error when there was no session to say it in.
func (a *agent) deregister(ctx context.Context) ([]byte, error) {
	if a.session.Status().State != session.Connected {
		return nil, errors.New("deregister: there is no session with the hub")
	}
	a.session.Bye(ctx, "deregister", "")
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return []byte("deregistered\n"), nil
}
