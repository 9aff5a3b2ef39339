package enrol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// Limits of copies of one agent.
const (
	maxCopies = 1000             // admitted, at any time
	maxOpen   = 64               // tokens that wait for their copy
	vouchFor  = 10 * time.Minute // in which a copy makes its key and comes again
)

// ErrCopies is the cause when there are too many copies of an agent already.
var ErrCopies = errors.New("too many copies of one agent")

// Vouch makes a token of one use for a copy of an admitted agent: the caller has seen it prove the agent's key. Whoever is admitted with it is
// marked as cloned from that agent. ErrCopies.
func (r *Register) Vouch(ctx context.Context, fingerprint string) (id string, secret []byte, err error) {
	if err := r.roomForCopy(ctx, fingerprint); err != nil {
		return "", nil, fmt.Errorf("vouch for a copy of %.12s: %w", fingerprint, err)
	}
	drawn, err := trust.NewToken([32]byte{}) // the copy has the document
	if err != nil {
		return "", nil, fmt.Errorf("vouch for a copy of %.12s: %w", fingerprint, err)
	}
	created, hash := now(), drawn.SecretHash()
	of, err := r.Agent(ctx, fingerprint)
	if err != nil {
		return "", nil, fmt.Errorf("vouch for a copy of %.12s: %w", fingerprint, err)
	}
	data, err := json.Marshal(stored{SecretHash: hash[:], CloneOf: fingerprint, Token: Token{
		ID: drawn.ID(), Note: fmt.Sprintf("for a copy of %.12s", fingerprint), Created: created, Expires: journal.At(created.Add(vouchFor)),
		Uses: 1, UsesLeft: 1, Agents: []string{}, EphemeralMS: of.EphemeralMS,
	}})
	if err == nil {
		_, err = r.tokens.Create(ctx, drawn.ID(), data)
	}
	if err != nil {
		return "", nil, fmt.Errorf("vouch for a copy of %.12s: %w", fingerprint, err)
	}
	return drawn.ID(), drawn.Secret(), nil
}

func (r *Register) roomForCopy(ctx context.Context, fingerprint string) error {
	open, copies := 0, 0
	err := r.tokens.List(ctx, func(e bus.Entry) {
		var t stored
		if json.Unmarshal(e.Value, &t) == nil && t.CloneOf == fingerprint && t.UsesLeft > 0 && time.Now().Before(t.Expires.Time) {
			open++
		}
	})
	if err != nil {
		return err
	}
	err = r.agents.List(ctx, func(e bus.Entry) {
		var a Agent
		if json.Unmarshal(e.Value, &a) == nil && a.ClonedFrom == fingerprint && a.Forgotten.IsZero() {
			copies++
		}
	})
	if err != nil {
		return err
	}
	if open >= maxOpen || copies >= maxCopies {
		return fmt.Errorf("%w: %d are admitted, %d are on their way", ErrCopies, copies, open)
	}
	return nil
}
