package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// How long things are good.
const (
	codeLife    = 10 * time.Minute
	sessionLife = 30 * 24 * time.Hour // since the last day on which it was used
	refresh     = 24 * time.Hour      // how often a session in use is written anew
)

// Names.
const (
	cookieName  = "limpet_session"
	changeName  = "X-Limpet" // no form of another site can send it
	usedMark    = "used"
	secretBytes = 32
)

// identity says who asks.
type identity struct {
	admin   bool   // with the admin key
	session string // key of the session in its bucket, "" for the admin key
}

// by names who in words for people.
func (i identity) by() string {
	if i.admin {
		return "the admin key"
	}
	return "the console"
}

// guard knows who is signed in. Codes and sessions are 32 random bytes each, kept on the bus as hashes alone, so they survive
// a restart and a copy of the bus lets nobody in.
type guard struct {
	admin    [sha256.Size]byte
	codes    *bus.Bucket
	sessions *bus.Bucket
	failures failures
	now      func() time.Time
}

func openGuard(ctx context.Context, b *bus.Bus, adminKey string, now func() time.Time) (*guard, error) {
	codes, err := b.Bucket(ctx, "signin-codes", codeLife)
	if err != nil {
		return nil, fmt.Errorf("open sign-in links: %w", err)
	}
	sessions, err := b.Bucket(ctx, "signin-sessions", sessionLife)
	if err != nil {
		return nil, fmt.Errorf("open sign-in sessions: %w", err)
	}
	return &guard{admin: sha256.Sum256([]byte(adminKey)), codes: codes, sessions: sessions, now: now}, nil
}

func secret() string {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// createCode makes a sign-in code, good once.
func (g *guard) createCode(ctx context.Context) (code string, expires time.Time, err error) {
	code, expires = secret(), g.now().Add(codeLife)
	value, err := expires.UTC().MarshalText()
	if err != nil {
		return "", time.Time{}, err
	}
	if _, err := g.codes.Put(ctx, hashed(code), value); err != nil {
		return "", time.Time{}, fmt.Errorf("keep sign-in link: %w", err)
	}
	return code, expires, nil
}

var errCode = errors.New("no such code")

// redeem spends a code and gives a session for it. The code is marked as used before the session exists, so two who ask at
// once cannot both get one. errCode when it is not (or no longer) good.
func (g *guard) redeem(ctx context.Context, code string) (session string, err error) {
	e, err := g.codes.Get(ctx, hashed(code))
	if errors.Is(err, bus.ErrNone) {
		return "", errCode
	} else if err != nil {
		return "", err
	}
	var expires time.Time
	if expires.UnmarshalText(e.Value) != nil || !g.now().Before(expires) {
		return "", errCode
	}
	if _, err := g.codes.Update(ctx, e.Key, []byte(usedMark), e.Revision); errors.Is(err, bus.ErrConflict) {
		return "", errCode
	} else if err != nil {
		return "", err
	}
	session = secret()
	return session, g.keepSession(ctx, hashed(session))
}

func (g *guard) keepSession(ctx context.Context, key string) error {
	value, err := g.now().UTC().MarshalText()
	if err != nil {
		return err
	}
	if _, err := g.sessions.Put(ctx, key, value); err != nil {
		return fmt.Errorf("keep sign-in session: %w", err)
	}
	return nil
}

// identify says who asks, or refuses. Right credentials are never refused for the failures of others behind the same address;
// guessing 32 bytes is hopeless at any speed, what the limit saves is work and log lines.
func (g *guard) identify(r *http.Request) (identity, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		key, ok := strings.CutPrefix(header, "Bearer ")
		sum := sha256.Sum256([]byte(key))
		if ok && subtle.ConstantTimeCompare(sum[:], g.admin[:]) == 1 {
			return identity{admin: true}, nil
		}
		return identity{}, g.failed(r, "this key is not the hub's admin key", "it stands in the file admin.key of the hub's data folder; give it with --key-file, or the folder with --data")
	}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return identity{}, notSignedIn()
	}
	key := hashed(cookie.Value)
	e, err := g.sessions.Get(r.Context(), key)
	if errors.Is(err, bus.ErrNone) {
		return identity{}, notSignedIn()
	} else if err != nil {
		return identity{}, fmt.Errorf("read sign-in session: %w", err)
	}
	var used time.Time
	if used.UnmarshalText(e.Value) != nil || g.now().Sub(used) >= sessionLife {
		return identity{}, notSignedIn()
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Header.Get(changeName) == "" {
		return identity{}, &refusal{http.StatusForbidden, "a request with the console's cookie changes nothing without the header X-Limpet", "send X-Limpet: 1, or use the admin key", nil}
	}
	if g.now().Sub(used) >= refresh {
		if err := g.keepSession(r.Context(), key); err != nil {
			return identity{}, err
		}
	}
	return identity{session: key}, nil
}

func notSignedIn() error {
	return &refusal{http.StatusUnauthorized, "not signed in", "limpet-hub signin --data DIR prints a link for a browser; programs send the admin key as Authorization: Bearer KEY", nil}
}

// failed counts a wrong secret and refuses it.
func (g *guard) failed(r *http.Request, message, hint string) error {
	if !g.failures.allow(r.RemoteAddr, g.now()) {
		return &refusal{http.StatusTooManyRequests, "too many wrong keys or links from this address", "wait a minute", nil}
	}
	return &refusal{http.StatusUnauthorized, message, hint, nil}
}

// Limits of wrong secrets.
const (
	failureBurst = 10
	failureEvery = 6 * time.Second
	maxAddresses = 4096 // kept; a flood from more starts anew with all of them
)

// failures counts wrong secrets by address. The zero value is ready.
type failures struct {
	mu sync.Mutex // guards by
	by map[string]*rate.Limiter
}

func (f *failures) allow(remote string, now time.Time) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.by[host]
	if l == nil {
		if f.by == nil || len(f.by) >= maxAddresses {
			f.by = map[string]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Every(failureEvery), failureBurst)
		f.by[host] = l
	}
	return l.AllowN(now, 1)
}
