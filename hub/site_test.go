package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/hub/internal/client"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

func TestEveryAnswerBindsTheBrowser(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	for _, path := range []string{"/", "/signin", "/healthz", "/api/v1/hub", "/release/none", "/trust/none", "/assets/shell.js", "/agent/v1"} {
		answer, _ := h.ask(t, "GET", path, "")
		policy := answer.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s: %s %q", path, name, got)
			}
		}
	}
}

func TestTheTrustDocumentOfATokenIsServed(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	token, err := trust.ParseToken(h.token(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	hash := token.DocumentHash()
	answer, body := h.ask(t, "GET", "/trust/"+hex.EncodeToString(hash[:]), "")
	if answer.StatusCode != http.StatusOK || sha256.Sum256([]byte(body)) != hash {
		t.Errorf("trust document: %s %s", answer.Status, body)
	}
	for _, none := range []string{strings.Repeat("0", 64), "..", "%2e%2e%2fhub.key", "hub.key"} {
		if answer, body := h.ask(t, "GET", "/trust/"+none, ""); answer.StatusCode == http.StatusOK || strings.Contains(body, "PRIVATE") {
			t.Errorf("%s: %s", none, answer.Status)
		}
	}
}

// raw sends a path as it is, which http.Client would tidy up.
func (h *testHub) raw(t *testing.T, path string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(h.url, "https://"), &tls.Config{RootCAs: h.roots, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestTheReleaseFolderIsLeftByNoPath(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	key := strings.TrimPrefix(h.bearer(t)[1], "Bearer ")
	if answer := h.raw(t, "/release/timestamp.json"); !strings.HasPrefix(answer, "HTTP/1.1 200 ") || !strings.Contains(answer, `"_type":"timestamp"`) {
		t.Errorf("timestamp: %.300s", answer)
	}
	data := filepath.Base(h.data)
	for _, path := range []string{"/release/", "/release", "/release/../" + data + "/admin.key", "/release/%2e%2e/" + data + "/admin.key", "/release/..%2f" + data + "%2fadmin.key",
		"/release//../" + data + "/admin.key", "/release/..\\" + data + "\\admin.key", "/release/%00", "/release/" + h.data + "/admin.key"} {
		if answer := h.raw(t, path); strings.HasPrefix(answer, "HTTP/1.1 200 ") || strings.Contains(answer, key) || strings.Contains(answer, "timestamp.json") {
			t.Errorf("%s: %.300s", path, answer)
		}
	}
}

func TestStartsThatCannotBe(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	at := strings.TrimPrefix(h.url, "https://")
	fresh := filepath.Join(t.TempDir(), "hub")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o          serveOptions
		text, hint string
	}{
		"second hub":     {serveOptions{data: h.data, listen: "127.0.0.1:0", release: h.release}, h.data, "one data folder is for one hub"},
		"port in use":    {serveOptions{data: fresh, listen: at, release: h.release}, at + " is in use", "--listen"},
		"no release":     {serveOptions{data: fresh, listen: at, release: fresh + "/none"}, fresh + "/none", "limpet-release"},
		"data is a file": {serveOptions{data: file, listen: at, release: h.release}, file, "--data"},
		"no such host":   {serveOptions{data: fresh, listen: "192.0.2.1:0", release: h.release}, "no address 192.0.2.1:0", "--listen"},
	} {
		opened, err := open(t.Context(), c.o, slog.New(slog.DiscardHandler))
		var f *client.Fault
		if err == nil {
			opened.close()
			t.Errorf("%s: started", name)
		} else if !errors.As(err, &f) || !strings.Contains(f.Text, c.text) || !strings.Contains(f.Hint, c.hint) || strings.Contains(f.Text, "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.admin(t, 200, "GET", "/hub", "") // the first one did not notice
}

func TestPages(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	cookie := h.browser(t)
	page := func(path string, want int, holds string) {
		t.Helper()
		answer, body := h.ask(t, "GET", path, "", cookie...)
		if answer.StatusCode != want || !strings.Contains(body, holds) {
			t.Errorf("%s: %s without %q", path, answer.Status, holds)
		}
	}
	page("/", 200, "limpet-hub token create")
	a := h.enrolled(t, h.token(t, 1), facts("<script>alert(1)</script>"))
	await(t, "the agent's page", func() bool {
		answer, body := h.ask(t, "GET", "/agents/"+a.fingerprint(), "", cookie...)
		return answer.StatusCode == http.StatusOK && strings.Contains(body, "&lt;script&gt;alert(1)")
	})
	for _, path := range []string{"/", "/log", "/checks", "/tokens"} {
		if _, body := h.ask(t, "GET", path, "", cookie...); strings.Contains(body, "<script>alert") {
			t.Errorf("%s: a host's name is markup", path)
		}
		page(path, 200, "</html>")
	}
	if answer, _ := h.ask(t, "GET", "/agents/"+a.fingerprint()[:8], "", cookie...); answer.StatusCode != http.StatusFound || answer.Header.Get("Location") != "/agents/"+a.fingerprint() {
		t.Errorf("a short name: %s", answer.Status)
	}
	page("/agents/none", 404, "no such agent")
	page("/none", 404, "no such page")
	answer, _ := h.ask(t, "GET", "/assets/shell.js", "")
	if again, _ := h.ask(t, "GET", "/assets/shell.js", "", "If-None-Match", answer.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("an asset again: %s", again.Status)
	}
}
