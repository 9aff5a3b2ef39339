package api

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// clock is a time of day that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func testGuard(t *testing.T) (*guard, *clock) {
	t.Helper()
	b, err := bus.Open(t.Context(), bus.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	c := &clock{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	g, err := openGuard(t.Context(), b, "the-admin-key", c.now)
	if err != nil {
		t.Fatal(err)
	}
	return g, c
}

func (g *guard) let(session string) error {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(cookie(session, 1))
	_, err := g.identify(r)
	return err
}

func TestCodeIsGoodForTenMinutes(t *testing.T) {
	g, c := testGuard(t)
	early, _, err := g.createCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	late, expires, err := g.createCode(t.Context())
	if err != nil || !expires.Equal(c.at.Add(10*time.Minute)) {
		t.Fatal(expires, err)
	}
	c.at = expires.Add(-time.Millisecond)
	if _, err := g.redeem(t.Context(), early); err != nil {
		t.Errorf("just before its end: %v", err)
	}
	c.at = expires
	if _, err := g.redeem(t.Context(), late); !errors.Is(err, errCode) {
		t.Errorf("at its end: %v", err)
	}
}

func TestCodeGivesOneSessionHoweverManyAsk(t *testing.T) {
	g, _ := testGuard(t)
	code, _, err := g.createCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 8)
	for range cap(got) {
		go func() {
			_, err := g.redeem(t.Context(), code)
			got <- err
		}()
	}
	won := 0
	for range cap(got) {
		switch err := <-got; {
		case err == nil:
			won++
		case !errors.Is(err, errCode):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d sessions for one code", won)
	}
}

func TestSessionLivesAsLongAsItIsUsed(t *testing.T) {
	g, c := testGuard(t)
	code, _, err := g.createCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	session, err := g.redeem(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		c.at = c.at.Add(20 * 24 * time.Hour)
		if err := g.let(session); err != nil {
			t.Fatalf("used every 20 days: %v", err)
		}
	}
	c.at = c.at.Add(sessionLife)
	if g.let(session) == nil {
		t.Error("a session that lay unused for 30 days was let in")
	}
	if g.let("") == nil || g.let(hashed(session)) == nil {
		t.Error("what is kept on the bus was let in")
	}
}

func TestFailuresAreCountedByAddress(t *testing.T) {
	var f failures
	at := time.Unix(0, 0)
	for i := range failureBurst + 5 {
		if got, want := f.allow("192.0.2.1:99", at), i < failureBurst; got != want {
			t.Errorf("failure %d: %v", i, got)
		}
	}
	if !f.allow("192.0.2.2:99", at) {
		t.Error("another address pays for the first")
	}
	if !f.allow("192.0.2.1:99", at.Add(failureEvery)) {
		t.Error("it never ends")
	}
}
