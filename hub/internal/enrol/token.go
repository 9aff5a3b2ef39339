package enrol

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// Limits of tokens.
const (
	maxUses = 100_000
	maxTTL  = 366 * 24 * time.Hour
	minTTL  = time.Second
	maxNote = 200 // bytes

	defaultTTL   = 24 * time.Hour
	minEphemeral = time.Minute
	maxEphemeral = 30 * 24 * time.Hour

	listed   = 100                // admitted agents that a token remembers
	shownFor = 7 * 24 * time.Hour // after its expiry, so that a late user is told why
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
	// EphemeralMS is not 0 where its boxes come and go: each is taken out of the fleet when its host goes down, or so long after it vanished.
	EphemeralMS int64 `json:"ephemeral_ms,omitempty"`
}

// stored is a token as the bucket holds it.
type stored struct {
	Token
	SecretHash []byte `json:"secret_hash"`
	CloneOf    string `json:"clone_of,omitempty"` // made for a copy of this agent, see Vouch
}

// Request is what a new token may do. Uses 1 to 100,000 (0 = 1), TTL one second to a year (0 = 24 h), Note at most 200 bytes,
// Ephemeral (Token.EphemeralMS) a minute to 30 days, 0 = its boxes stay.
type Request struct {
	Uses      int
	TTL       time.Duration
	Note      string
	Ephemeral time.Duration
}

// ErrRequest is the cause when a Request is out of its limits; the error says which.
var ErrRequest = errors.New("bad request")

func (q Request) check() error {
	switch {
	case q.Uses < 1 || q.Uses > maxUses:
		return fmt.Errorf("%w: uses must be 1 to %d, not %d", ErrRequest, maxUses, q.Uses)
	case q.TTL < minTTL || q.TTL > maxTTL:
		return fmt.Errorf("%w: a token must live between %s and a year, not %s", ErrRequest, minTTL, q.TTL)
	case q.Ephemeral != 0 && (q.Ephemeral < minEphemeral || q.Ephemeral > maxEphemeral):
		return fmt.Errorf("%w: a box that comes and goes is taken out a minute to 30 days after it vanished, not %s", ErrRequest, q.Ephemeral)
	case len(q.Note) > maxNote:
		return fmt.Errorf("%w: the note has %d bytes, at most %d", ErrRequest, len(q.Note), maxNote)
	}
	return nil
}

// CreateToken makes a token naming the trust document, and returns with it the string for a person to carry: shown once, kept
// nowhere. ErrRequest.
func (r *Register) CreateToken(ctx context.Context, document [32]byte, q Request) (Token, string, error) {
	q.Uses, q.TTL = cmp.Or(q.Uses, 1), cmp.Or(q.TTL, defaultTTL)
	if err := q.check(); err != nil {
		return Token{}, "", fmt.Errorf("create token: %w", err)
	}
	drawn, err := trust.NewToken(document)
	if err != nil {
		return Token{}, "", fmt.Errorf("create token: %w", err)
	}
	created := now()
	hash := drawn.SecretHash()
	t := stored{SecretHash: hash[:], Token: Token{
		ID: drawn.ID(), Note: q.Note, Created: created, Expires: journal.At(created.Add(q.TTL)), Uses: q.Uses, UsesLeft: q.Uses, Agents: []string{},
		EphemeralMS: q.Ephemeral.Milliseconds(),
	}}
	data, err := json.Marshal(t)
	if err != nil {
		return Token{}, "", fmt.Errorf("create token: %w", err)
	}
	if _, err := r.tokens.Create(ctx, t.ID, data); err != nil {
		return Token{}, "", fmt.Errorf("create token: %w", err)
	}
	return t.Token, drawn.String(), nil
}

// Tokens is every token that was not revoked, newest first; those that expired a week ago are removed.
func (r *Register) Tokens(ctx context.Context) ([]Token, error) {
	tokens, old := []Token{}, []string{}
	err := r.tokens.List(ctx, func(e bus.Entry) {
		var t stored
		switch {
		case json.Unmarshal(e.Value, &t) != nil, time.Since(t.Expires.Time) > shownFor:
			old = append(old, e.Key)
		default:
			tokens = append(tokens, t.Token)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	for _, id := range old {
		if err := r.tokens.Delete(ctx, id); err != nil {
			return nil, fmt.Errorf("remove old token: %w", err)
		}
	}
	slices.SortFunc(tokens, func(a, b Token) int {
		return cmp.Or(b.Created.Compare(a.Created.Time), cmp.Compare(a.ID, b.ID))
	})
	return tokens, nil
}

// RevokeToken ends a token; agents that came with it stay. ErrTokenUnknown.
func (r *Register) RevokeToken(ctx context.Context, id string) error {
	if _, _, err := r.token(ctx, id); err != nil {
		return fmt.Errorf("revoke token %.16s: %w", id, err)
	}
	if err := r.tokens.Delete(ctx, id); err != nil {
		return fmt.Errorf("revoke token %.16s: %w", id, err)
	}
	return nil
}

// spend counts one use of a token for an agent, and gives what the token says of it.
func (r *Register) spend(ctx context.Context, id string, secret []byte, fingerprint string) (stored, error) {
	r.redeem.Lock()
	defer r.redeem.Unlock()
	for range retries {
		t, revision, err := r.token(ctx, id)
		if err != nil {
			return stored{}, err
		}
		if again, err := t.admits(secret, fingerprint, time.Now()); err != nil || again {
			return t, err
		}
		t.UsesLeft--
		t.Agents = append(t.Agents, fingerprint)
		t.Agents = t.Agents[max(0, len(t.Agents)-listed):]
		if err := r.writeToken(ctx, t, revision); !errors.Is(err, bus.ErrConflict) {
			return t, err
		}
	}
	return stored{}, bus.ErrConflict
}

// admits decides whether the token lets this agent in; again = it has counted that already.
func (t stored) admits(secret []byte, fingerprint string, at time.Time) (again bool, err error) {
	hash := sha256.Sum256(secret)
	switch {
	case subtle.ConstantTimeCompare(hash[:], t.SecretHash) != 1:
		return false, ErrTokenUnknown // whoever guesses learns nothing about its id
	case slices.Contains(t.Agents, fingerprint):
		return true, nil
	case !at.Before(t.Expires.Time):
		return false, ErrTokenExpired
	case t.UsesLeft <= 0:
		return false, ErrTokenUsed
	}
	return false, nil
}

// unlist makes a token forget that it admitted an agent. The use stays counted.
func (r *Register) unlist(ctx context.Context, id, fingerprint string) error {
	for range retries {
		t, revision, err := r.token(ctx, id)
		if errors.Is(err, ErrTokenUnknown) {
			return nil
		}
		if err != nil {
			return err
		}
		t.Agents = slices.DeleteFunc(t.Agents, func(f string) bool { return f == fingerprint })
		if err := r.writeToken(ctx, t, revision); !errors.Is(err, bus.ErrConflict) {
			return err
		}
	}
	return bus.ErrConflict
}

func (r *Register) token(ctx context.Context, id string) (stored, uint64, error) {
	if !validID(id) {
		return stored{}, 0, ErrTokenUnknown
	}
	e, err := r.tokens.Get(ctx, id)
	if errors.Is(err, bus.ErrNone) {
		return stored{}, 0, ErrTokenUnknown
	}
	if err != nil {
		return stored{}, 0, err
	}
	var t stored
	if err := json.Unmarshal(e.Value, &t); err != nil {
		return stored{}, 0, fmt.Errorf("read token %s: %w", id, err)
	}
	return t, e.Revision, nil
}

func (r *Register) writeToken(ctx context.Context, t stored, revision uint64) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = r.tokens.Update(ctx, t.ID, data, revision)
	return err
}

// validID keeps out what is no token's name before it becomes a key of the bucket.
func validID(id string) bool {
	return len(id) == 16 && !slices.ContainsFunc([]byte(id), func(c byte) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'f')
	})
}

func now() journal.Time { return journal.At(time.Now()) }
