package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// everyPath is every method and path of docs/api.md below /api/v1.
var everyPath = []string{
	"GET /hub", "GET /agents", "GET /agents/A", "DELETE /agents/A", "GET /agents/A/checks", "GET /agents/A/checks/C",
	"GET /agents/A/checks/C/series", "GET /agents/A/checks/C/results", "POST /agents/A/checks/C/run", "GET /problems", "GET /events",
	"GET /log", "GET /desired", "PUT /desired", "GET /tokens", "POST /tokens", "DELETE /tokens/ID", "POST /signin", "DELETE /session",
	"GET /none", "POST /agents",
}

func TestNobodyIsAnsweredWithoutSigningIn(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	for _, p := range everyPath {
		method, path, _ := strings.Cut(p, " ")
		answer, body := h.ask(t, method, "/api/v1"+path, "")
		if answer.StatusCode != http.StatusUnauthorized || answer.Header.Get("WWW-Authenticate") == "" || answer.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s", p, answer.Status)
		}
		if said := refused(t, p, body); !strings.Contains(said.Hint, "limpet-hub signin") {
			t.Errorf("%s: hint %q", p, said.Hint)
		}
	}
	for _, page := range []string{"/", "/agents/A", "/checks", "/tokens", "/log", "/none"} {
		answer, body := h.ask(t, "GET", page, "")
		if answer.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "limpet-hub signin") {
			t.Errorf("%s: %s", page, answer.Status)
		}
	}
	answer, body := h.ask(t, "GET", "/api/v1/hub", "", "Authorization", "Bearer "+strings.Repeat("0", 64))
	if said := refused(t, "wrong key", body); answer.StatusCode != http.StatusUnauthorized || !strings.Contains(said.Hint, "admin.key") {
		t.Errorf("wrong key: %s %s", answer.Status, body)
	}
	if answer, body := h.ask(t, "GET", "/healthz", ""); answer.StatusCode != http.StatusOK || body != "ok\n" {
		t.Errorf("health: %s %q", answer.Status, body)
	}
}

// link makes a sign-in link and gives its path.
func (h *testHub) link(t *testing.T) string {
	t.Helper()
	var made struct {
		URL     string
		Expires time.Time
	}
	if err := json.Unmarshal([]byte(h.admin(t, 200, "POST", "/signin", "")), &made); err != nil {
		t.Fatal(err)
	}
	path, ok := strings.CutPrefix(made.URL, h.url)
	if left := time.Until(made.Expires); !ok || left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("link %s, good for %s", made.URL, left)
	}
	return path
}

// browser signs in and gives the header of the cookie.
func (h *testHub) browser(t *testing.T) []string {
	t.Helper()
	answer, _ := h.ask(t, "GET", h.link(t), "")
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" || len(answer.Cookies()) != 1 {
		t.Fatalf("sign in: %s %v", answer.Status, answer.Header)
	}
	c := answer.Cookies()[0]
	if c.Name != "limpet_session" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" {
		t.Errorf("cookie %+v", c)
	}
	return []string{"Cookie", c.Name + "=" + c.Value}
}

func TestALinkSignsOneBrowserIn(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	link := h.link(t)
	if answer, _ := h.ask(t, "HEAD", link, ""); answer.StatusCode != http.StatusOK {
		t.Errorf("look at a link: %s", answer.Status)
	}
	if answer, _ := h.ask(t, "GET", link, ""); answer.StatusCode != http.StatusSeeOther {
		t.Errorf("first use: %s", answer.Status)
	}
	answer, body := h.ask(t, "GET", link, "")
	if answer.StatusCode != http.StatusForbidden || !strings.Contains(body, "used already") || len(answer.Cookies()) != 0 {
		t.Errorf("second use: %s", answer.Status)
	}
	cookie := h.browser(t)
	change := append([]string{"X-Limpet", "1"}, cookie...)
	for _, c := range []struct {
		method, path string
		headers      []string
		status       int
	}{
		{"GET", "/", cookie, 200},
		{"GET", "/api/v1/agents", cookie, 200},
		{"PUT", "/api/v1/desired", cookie, 403},
		{"DELETE", "/api/v1/session", cookie, 403},
		{"PUT", "/api/v1/desired", change, 200},
		{"POST", "/api/v1/signin", change, 403}, // a cookie makes no other
	} {
		if answer, body := h.ask(t, c.method, c.path, "", c.headers...); answer.StatusCode != c.status {
			t.Errorf("%s %s: %s %s", c.method, c.path, answer.Status, body)
		}
	}
	h.stop()
	h = startHub(t, h.data)
	if answer, _ := h.ask(t, "GET", "/api/v1/agents", "", cookie...); answer.StatusCode != http.StatusOK {
		t.Errorf("after a restart: %s", answer.Status)
	}
	if answer, _ := h.ask(t, "GET", link, ""); answer.StatusCode != http.StatusForbidden {
		t.Errorf("a used link after a restart: %s", answer.Status)
	}
	if answer, _ := h.ask(t, "DELETE", "/api/v1/session", "", change...); answer.StatusCode != http.StatusNoContent || answer.Cookies()[0].MaxAge >= 0 {
		t.Errorf("sign out: %s", answer.Status)
	}
	if answer, _ := h.ask(t, "GET", "/api/v1/agents", "", cookie...); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("after signing out: %s", answer.Status)
	}
}

func TestGuessingLinksIsLimited(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	last := 0
	for range 20 {
		answer, _ := h.ask(t, "GET", "/signin?code="+strings.Repeat("0", 64), "")
		last = answer.StatusCode
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the 20th guess: %d", last)
	}
	answer, body := h.ask(t, "GET", "/api/v1/hub", "", "Authorization", "Bearer x")
	if answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" {
		t.Errorf("a wrong key after that: %s", answer.Status)
	}
	refused(t, "wrong key", body)
	h.browser(t) // a good link still works
}
