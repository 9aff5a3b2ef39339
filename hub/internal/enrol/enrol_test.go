package enrol_test

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

func open(t *testing.T) *enrol.Register {
	t.Helper()
	b, err := bus.Open(t.Context(), bus.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	r, err := enrol.Open(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newKey(t *testing.T) ed25519.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func create(t *testing.T, r *enrol.Register, q enrol.Request) trust.Token {
	t.Helper()
	shown, text, err := r.CreateToken(t.Context(), [32]byte{1}, q)
	if err != nil {
		t.Fatal(err)
	}
	token, err := trust.ParseToken(text)
	if err != nil {
		t.Fatal(err)
	}
	if token.ID() != shown.ID || token.DocumentHash() != [32]byte{1} {
		t.Fatalf("token %s names %s", token.ID(), shown.ID)
	}
	return token
}

func TestTokenRequestsAreBounded(t *testing.T) {
	r := open(t)
	for name, q := range map[string]enrol.Request{
		"uses below zero": {Uses: -1},
		"too many uses":   {Uses: 100_001},
		"over too soon":   {TTL: time.Millisecond},
		"for ever":        {TTL: 400 * 24 * time.Hour},
		"a negative life": {TTL: -time.Hour},
		"gone too soon":   {Ephemeral: time.Second},
		"gone too late":   {Ephemeral: 31 * 24 * time.Hour},
		"gone before":     {Ephemeral: -time.Hour},
		"a long note":     {Note: strings.Repeat("n", 201)},
	} {
		if _, _, err := r.CreateToken(t.Context(), [32]byte{}, q); !errors.Is(err, enrol.ErrRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	shown, _, err := r.CreateToken(t.Context(), [32]byte{}, enrol.Request{})
	if err != nil || shown.Uses != 1 || shown.UsesLeft != 1 || shown.Expires.Sub(shown.Created.Time) != 24*time.Hour {
		t.Errorf("default %+v, %v", shown, err)
	}
}

func TestATokenAdmitsAsOftenAsItSays(t *testing.T) {
	r := open(t)
	token := create(t, r, enrol.Request{Uses: 2, Note: "two"})
	first := newKey(t)
	for _, again := range []bool{false, true} { // the second time costs nothing
		a, err := r.Enrol(t.Context(), token.ID(), token.Secret(), first)
		if err != nil || a.Fingerprint != enrol.Fingerprint(first) || a.Token != token.ID() {
			t.Fatalf("again=%v: %+v, %v", again, a, err)
		}
	}
	if _, err := r.Enrol(t.Context(), token.ID(), token.Secret(), newKey(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Enrol(t.Context(), token.ID(), token.Secret(), newKey(t)); !errors.Is(err, enrol.ErrTokenUsed) {
		t.Errorf("third: %v", err)
	}
	tokens, err := r.Tokens(t.Context())
	if err != nil || len(tokens) != 1 || tokens[0].UsesLeft != 0 || tokens[0].Note != "two" || len(tokens[0].Agents) != 2 {
		t.Errorf("tokens %+v, %v", tokens, err)
	}
}

func TestBadTokensAreToldApartOnlyForWhoKnowsTheSecret(t *testing.T) {
	r := open(t)
	used, short, revoked := create(t, r, enrol.Request{}), create(t, r, enrol.Request{TTL: time.Second}), create(t, r, enrol.Request{})
	if _, err := r.Enrol(t.Context(), used.ID(), used.Secret(), newKey(t)); err != nil {
		t.Fatal(err)
	}
	if err := r.RevokeToken(t.Context(), revoked.ID()); err != nil {
		t.Fatal(err)
	}
	if err := r.RevokeToken(t.Context(), revoked.ID()); !errors.Is(err, enrol.ErrTokenUnknown) {
		t.Errorf("revoked twice: %v", err)
	}
	<-time.After(1100 * time.Millisecond) // the life of the short one is wall time
	for _, c := range []struct {
		name, id string
		secret   []byte
		cause    error
	}{
		{"used", used.ID(), used.Secret(), enrol.ErrTokenUsed},
		{"expired", short.ID(), short.Secret(), enrol.ErrTokenExpired},
		{"revoked", revoked.ID(), revoked.Secret(), enrol.ErrTokenUnknown},
		{"another's secret", used.ID(), short.Secret(), enrol.ErrTokenUnknown},
		{"no secret", used.ID(), nil, enrol.ErrTokenUnknown},
		{"no such id", "0123456789abcdef", used.Secret(), enrol.ErrTokenUnknown},
		{"an id that is none", "../../*.>", used.Secret(), enrol.ErrTokenUnknown},
		{"no id", "", used.Secret(), enrol.ErrTokenUnknown},
	} {
		if _, err := r.Enrol(t.Context(), c.id, c.secret, newKey(t)); !errors.Is(err, c.cause) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestManyAtOnceNeverExceedTheUses(t *testing.T) {
	r := open(t)
	token := create(t, r, enrol.Request{Uses: 7})
	var wg sync.WaitGroup
	var admitted atomic.Int32
	for range 20 {
		key := newKey(t)
		wg.Go(func() {
			switch _, err := r.Enrol(t.Context(), token.ID(), token.Secret(), key); {
			case err == nil:
				admitted.Add(1)
			case !errors.Is(err, enrol.ErrTokenUsed):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if admitted.Load() != 7 {
		t.Errorf("%d admitted", admitted.Load())
	}
}

func TestForgottenComesBackOnlyWithANewUse(t *testing.T) {
	r := open(t)
	token, key := create(t, r, enrol.Request{Uses: 1}), newKey(t)
	a, err := r.Enrol(t.Context(), token.ID(), token.Secret(), key)
	if err != nil {
		t.Fatal(err)
	}
	news := make(chan bool, 8)
	if err := r.Watch(t.Context(), func(_ enrol.Agent, gone bool) { news <- gone }); err != nil {
		t.Fatal(err)
	}
	if err := r.Forget(t.Context(), a.Fingerprint); err != nil {
		t.Fatal(err)
	}
	if there, gone := <-news, <-news; there || !gone {
		t.Errorf("watch said %v, %v", there, gone)
	}
	if _, err := r.Agent(t.Context(), a.Fingerprint); !errors.Is(err, enrol.ErrRevoked) {
		t.Errorf("looked up: %v", err)
	}
	if err := r.Forget(t.Context(), a.Fingerprint); !errors.Is(err, enrol.ErrUnknownAgent) {
		t.Errorf("forgotten twice: %v", err)
	}
	if _, err := r.Enrol(t.Context(), token.ID(), token.Secret(), key); !errors.Is(err, enrol.ErrTokenUsed) {
		t.Errorf("came back on the old use: %v", err)
	}
	fresh := create(t, r, enrol.Request{})
	if _, err := r.Enrol(t.Context(), fresh.ID(), fresh.Secret(), key); err != nil {
		t.Errorf("enrolled anew: %v", err)
	}
	if _, err := r.Agent(t.Context(), "none"); !errors.Is(err, enrol.ErrUnknownAgent) {
		t.Errorf("unknown: %v", err)
	}
}
