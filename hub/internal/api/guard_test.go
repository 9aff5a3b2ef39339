package api

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// clock is a time of day that tests set; the zero value stands still now.
type clock struct{ ahead time.Duration }

func (c *clock) now() time.Time { return time.Now().Add(c.ahead) }

const adminKey = "0123456789abcdef0123456789abcdef"

func testGuard(t *testing.T) (*guard, *clock) {
	t.Helper()
	b, err := bus.Open(t.Context(), bus.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &clock{}
	g, err := openGuard(t.Context(), b, adminKey, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return g, c
}

// asked is a request with these headers: name, value, name, value.
func asked(t *testing.T, method string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), method, "https://hub/api/v1/hub", nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// statusOf is what a refusal answers with, 0 without an error.
func statusOf(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var ref *refusal
	if !errors.As(err, &ref) {
		t.Fatalf("no refusal: %v", err)
	}
	if ref.message == "" || ref.hint == "" {
		t.Errorf("a refusal without words: %+v", ref)
	}
	return ref.status
}

func TestALinkIsGoodOnceAndForTenMinutes(t *testing.T) {
	g, c := testGuard(t)
	late, expires, err := g.createCode(t.Context())
	if err != nil || expires.Sub(c.now()).Round(time.Second) != codeLife {
		t.Fatalf("expires %s, %v", expires, err)
	}
	c.ahead = codeLife + time.Second
	if _, err := g.redeem(t.Context(), late); !errors.Is(err, errCode) {
		t.Errorf("a link older than ten minutes: %v", err)
	}
	c.ahead = 0
	code, _, err := g.createCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var (
		all    sync.WaitGroup
		mu     sync.Mutex // guards sessions
		passed []string
	)
	for range 8 {
		all.Go(func() {
			session, err := g.redeem(t.Context(), code)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				passed = append(passed, session)
			} else if !errors.Is(err, errCode) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(passed) != 1 {
		t.Fatalf("one link let %d in", len(passed))
	}
	for _, wrong := range []string{"", "x", hashed(code), usedMark} {
		if _, err := g.redeem(t.Context(), wrong); !errors.Is(err, errCode) {
			t.Errorf("code %q: %v", wrong, err)
		}
	}
}

func TestASessionLivesAsLongAsItIsUsed(t *testing.T) {
	g, c := testGuard(t)
	code, _, err := g.createCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	session, err := g.redeem(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	cookie := "limpet_session=" + session
	for _, step := range []struct {
		name   string
		wait   time.Duration
		status int
	}{
		{"at once", 0, 0},
		{"after 29 days", 29 * 24 * time.Hour, 0},
		{"29 days after that", 29 * 24 * time.Hour, 0}, // it was written anew when it was used
		{"unused for a month", sessionLife, 401},
	} {
		c.ahead += step.wait
		if _, err := g.identify(asked(t, "GET", "Cookie", cookie)); statusOf(t, err) != step.status {
			t.Errorf("%s: %v", step.name, err)
		}
	}
}

func TestWhoMayWhat(t *testing.T) {
	g, _ := testGuard(t)
	code, _, err := g.createCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	session, err := g.redeem(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	cookie := "limpet_session=" + session
	for _, q := range []struct {
		name, method string
		headers      []string
		status       int
	}{
		{"nothing", "GET", nil, 401},
		{"key", "POST", []string{"Authorization", "Bearer " + adminKey}, 0},
		{"wrong key", "GET", []string{"Authorization", "Bearer x"}, 401},
		{"key in another scheme", "GET", []string{"Authorization", "Basic " + adminKey}, 401},
		{"wrong key beside a good cookie", "GET", []string{"Authorization", "Bearer x", "Cookie", cookie}, 401},
		{"cookie reads", "GET", []string{"Cookie", cookie}, 0},
		{"cookie alone changes nothing", "POST", []string{"Cookie", cookie}, 403},
		{"cookie with the header changes", "DELETE", []string{"Cookie", cookie, "X-Limpet", "1"}, 0},
		{"hash of the session", "GET", []string{"Cookie", "limpet_session=" + hashed(session)}, 401},
		{"empty cookie", "GET", []string{"Cookie", "limpet_session="}, 401},
		{"header alone", "POST", []string{"X-Limpet", "1"}, 401},
	} {
		if _, err := g.identify(asked(t, q.method, q.headers...)); statusOf(t, err) != q.status {
			t.Errorf("%s: %v", q.name, err)
		}
	}
}

func TestWrongKeysAreLimitedByAddress(t *testing.T) {
	g, c := testGuard(t)
	try := func(addr, key string) int {
		r := asked(t, "GET", "Authorization", "Bearer "+key)
		r.RemoteAddr = addr
		_, err := g.identify(r)
		return statusOf(t, err)
	}
	for i := range failureBurst {
		if got := try("192.0.2.1:1000", "wrong"); got != 401 {
			t.Fatalf("try %d: %d", i, got)
		}
	}
	for port, want := range map[string]int{"192.0.2.1:1001": 429, "192.0.2.2:1000": 401, "[2001:db8::1]:1": 401} {
		if got := try(port, "wrong"); got != want {
			t.Errorf("%s: %d, want %d", port, got, want)
		}
	}
	if got := try("192.0.2.1:1000", adminKey); got != 0 {
		t.Errorf("the right key behind a guesser's address: %d", got)
	}
	c.ahead = failureEvery + time.Second
	if got := try("192.0.2.1:1000", "wrong"); got != 401 {
		t.Errorf("after a wait: %d", got)
	}
	for i := range 2 * maxAddresses { // a flood costs bounded memory
		g.failures.allow(time.Duration(i).String()+":1", c.now())
	}
	if n := len(g.failures.by); n > maxAddresses {
		t.Errorf("%d addresses are kept", n)
	}
}
