// Package enrol admits agents: it keeps the tokens and the register of who was admitted. Of tokens it keeps the hash of the
// secret, of agents the public key.
package enrol

import (
	"context"
	"crypto/ed25519"
	"errors"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// Errors a caller may branch on.
var (
	ErrTokenUnknown = errors.New("no such token")
	ErrTokenExpired = errors.New("token has expired")
	ErrTokenUsed    = errors.New("token is used up")
	ErrUnknownAgent = errors.New("no such agent")
)

// Token is what the hub shows of a token. The secret is not among it.
type Token struct {
	ID       string       `json:"id"`
	Note     string       `json:"note"`
	Created  journal.Time `json:"created"`
	Expires  journal.Time `json:"expires"`
	Uses     int          `json:"uses"`
	UsesLeft int          `json:"uses_left"`
	Agents   []string     `json:"agents"` // fingerprints admitted with it, newest last, at most 100
}

// Request is what a new token may do. Uses 1 to 100,000 (0 = 1), TTL one second to a year (0 = 24 h), Note at most 200 bytes.
type Request struct {
	Uses int
	TTL  time.Duration
	Note string
}

// Agent is one admitted agent.
type Agent struct {
	Fingerprint string            `json:"fingerprint"` // SHA-256 of PublicKey, hex
	PublicKey   ed25519.PublicKey `json:"public_key"`
	Enrolled    journal.Time      `json:"enrolled"`
	Token       string            `json:"token"` // ID of the token it came with
	ClonedFrom  string            `json:"cloned_from,omitempty"`
}

// Fingerprint names a public key: its SHA-256, hex.
func Fingerprint(key ed25519.PublicKey) string { return "" }

// Register holds tokens and agents. Its methods may be called from anywhere.
type Register struct{}

// Open opens the register on the bus.
func Open(ctx context.Context, b *bus.Bus) (*Register, error) { return nil, nil }

// CreateToken makes a token naming the trust document, and returns with it the string for a person to carry: shown once, kept
// nowhere. An error with Problem says what is wrong with the request.
func (r *Register) CreateToken(ctx context.Context, document [32]byte, q Request) (Token, string, error) {
	return Token{}, "", nil
}

// Tokens is every token that was not revoked, newest first; expired ones disappear a week later.
func (r *Register) Tokens(ctx context.Context) ([]Token, error) { return nil, nil }

// RevokeToken ends a token. ErrTokenUnknown.
func (r *Register) RevokeToken(ctx context.Context, id string) error { return nil }

// Enrol admits the key if the token is good, and counts one use; a key that is already admitted costs none. One use admits one
// key, however many ask at once. ErrTokenUnknown, ErrTokenExpired, ErrTokenUsed.
func (r *Register) Enrol(ctx context.Context, id string, secret []byte, key ed25519.PublicKey) (Agent, error) {
	return Agent{}, nil
}

// Agent is an admitted agent. ErrUnknownAgent.
func (r *Register) Agent(ctx context.Context, fingerprint string) (Agent, error) { return Agent{}, nil }

// Forget ends an admission: its session is closed, and its key refused until it enrols again. ErrUnknownAgent.
func (r *Register) Forget(ctx context.Context, fingerprint string) error { return nil }

// Watch gives every agent to fn, then every change until ctx ends; gone = forgotten, with only the fingerprint set.
func (r *Register) Watch(ctx context.Context, fn func(a Agent, gone bool)) error { return nil }
