// Package enrol admits agents: it keeps the tokens and the register of who was admitted. Of tokens it keeps the hash of the
// secret, of agents the public key.
package enrol

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// Errors a caller may branch on.
var (
	ErrTokenUnknown = errors.New("no such token")
	ErrTokenExpired = errors.New("token has expired")
	ErrTokenUsed    = errors.New("token is used up")
	ErrUnknownAgent = errors.New("no such agent")
	ErrRevoked      = errors.New("the agent was forgotten") // it was admitted once
)

// retries bounds how often a write is tried again because another hub wrote between read and write.
const retries = 64

// Agent is one admitted agent.
type Agent struct {
	Fingerprint string            `json:"fingerprint"` // SHA-256 of PublicKey, hex
	PublicKey   ed25519.PublicKey `json:"public_key"`
	Enrolled    journal.Time      `json:"enrolled"`
	Token       string            `json:"token"` // ID of the token it came with
	ClonedFrom  string            `json:"cloned_from,omitempty"`
	Forgotten   journal.Time      `json:"forgotten"`              // zero while it is admitted
	EphemeralMS int64             `json:"ephemeral_ms,omitempty"` // as its token's
	Removed     journal.Time      `json:"removed"`                // when an ephemeral one was taken out of the fleet, zero while it is in it
}

// Fingerprint names a public key: its SHA-256, hex.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

// Register holds tokens and agents. Its methods may be called from anywhere.
type Register struct {
	bus    *bus.Bus
	tokens *bus.Bucket
	agents *bus.Bucket
	redeem sync.Mutex // one redemption at a time in this hub: many at once on one token would only refuse each other
}

// Open opens the register on the bus.
func Open(ctx context.Context, b *bus.Bus) (*Register, error) {
	tokens, err := b.Bucket(ctx, "tokens", 0)
	if err != nil {
		return nil, fmt.Errorf("open register: %w", err)
	}
	agents, err := b.Bucket(ctx, "agents", 0)
	if err != nil {
		return nil, fmt.Errorf("open register: %w", err)
	}
	return &Register{bus: b, tokens: tokens, agents: agents}, nil
}

// Agent is an admitted agent. ErrUnknownAgent, ErrRevoked.
func (r *Register) Agent(ctx context.Context, fingerprint string) (Agent, error) {
	a, _, err := r.agent(ctx, fingerprint)
	if err != nil {
		return Agent{}, err
	}
	if !a.Forgotten.IsZero() {
		return Agent{}, fmt.Errorf("look up agent %.12s: %w", fingerprint, ErrRevoked)
	}
	return a, nil
}

// Enrol admits the key if the token is good, and counts one use; a key that is already admitted costs none. One use admits one
// key, however many ask at once, and a hub that dies in the middle has it again for the same key. ErrTokenUnknown,
// ErrTokenExpired, ErrTokenUsed.
func (r *Register) Enrol(ctx context.Context, id string, secret []byte, key ed25519.PublicKey) (Agent, error) {
	fingerprint := Fingerprint(key)
	known, revision, err := r.agent(ctx, fingerprint)
	if err == nil && known.Forgotten.IsZero() {
		return known, nil
	}
	if err != nil && !errors.Is(err, ErrUnknownAgent) {
		return Agent{}, err
	}
	t, err := r.spend(ctx, id, secret, fingerprint)
	if err != nil {
		return Agent{}, fmt.Errorf("enrol %.12s: %w", fingerprint, err)
	}
	a := Agent{Fingerprint: fingerprint, PublicKey: key, Enrolled: now(), Token: id, ClonedFrom: t.CloneOf, EphemeralMS: t.EphemeralMS}
	if err := r.writeAgent(ctx, a, revision); err != nil && !errors.Is(err, bus.ErrConflict) {
		return Agent{}, fmt.Errorf("enrol %.12s: %w", fingerprint, err)
	}
	return r.Agent(ctx, fingerprint) // whoever wrote it
}

// Forget ends an admission: its key is refused until it enrols again. ErrUnknownAgent.
func (r *Register) Forget(ctx context.Context, fingerprint string) error {
	for range retries {
		a, revision, err := r.agent(ctx, fingerprint)
		if err == nil && !a.Forgotten.IsZero() {
			err = ErrUnknownAgent
		}
		if err != nil {
			return fmt.Errorf("forget agent %.12s: %w", fingerprint, err)
		}
		// First, so that the old use of its token cannot bring it back.
		if err := r.unlist(ctx, a.Token, fingerprint); err != nil {
			return fmt.Errorf("forget agent %.12s: %w", fingerprint, err)
		}
		a.Forgotten = now()
		err = r.writeAgent(ctx, a, revision)
		if errors.Is(err, bus.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("forget agent %.12s: %w", fingerprint, err)
		}
		return journal.Write(ctx, r.bus, journal.Event{Kind: journal.Forgotten, Fingerprint: fingerprint, Text: "forgotten"})
	}
	return fmt.Errorf("forget agent %.12s: %w", fingerprint, bus.ErrConflict)
}

// Watch gives every agent to fn, then every change until ctx ends; gone = forgotten (one that was removed is not). fn must be quick.
func (r *Register) Watch(ctx context.Context, fn func(a Agent, gone bool)) error {
	return r.agents.Watch(ctx, func(e bus.Entry) {
		var a Agent
		if e.Deleted || json.Unmarshal(e.Value, &a) != nil {
			a = Agent{Fingerprint: e.Key, Forgotten: now()}
		}
		fn(a, !a.Forgotten.IsZero())
	})
}

// agent reads an agent, forgotten or not, and the revision to write it with.
func (r *Register) agent(ctx context.Context, fingerprint string) (Agent, uint64, error) {
	e, err := r.agents.Get(ctx, fingerprint)
	if errors.Is(err, bus.ErrNone) {
		return Agent{}, 0, fmt.Errorf("look up agent %.12s: %w", fingerprint, ErrUnknownAgent)
	}
	if err != nil {
		return Agent{}, 0, err
	}
	var a Agent
	if err := json.Unmarshal(e.Value, &a); err != nil {
		return Agent{}, 0, fmt.Errorf("read agent %.12s: %w", fingerprint, err)
	}
	return a, e.Revision, nil
}

func (r *Register) writeAgent(ctx context.Context, a Agent, revision uint64) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if revision == 0 {
		_, err = r.agents.Create(ctx, a.Fingerprint, data)
	} else {
		_, err = r.agents.Update(ctx, a.Fingerprint, data, revision)
	}
	return err
}
