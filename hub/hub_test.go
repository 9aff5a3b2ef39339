package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/client"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// testHub is the whole hub, wired as the program wires it, on a port of its own.
type testHub struct {
	data, url, release string
	roots              *x509.CertPool
	http               *http.Client
	stop               func() // as a signal does; returns when the hub has stopped
}

// startHub runs a hub on data until the test ends. An empty data makes a new one.
func startHub(t *testing.T, data string) *testHub {
	t.Helper()
	if data == "" {
		data = filepath.Join(t.TempDir(), "hub")
	}
	h := &testHub{data: data, release: filepath.Join(filepath.Dir(data), "release")}
	makeRelease(t, h.release)
	opened, err := open(t.Context(), serveOptions{data: data, listen: "127.0.0.1:0", release: h.release}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.url = opened.site.url
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := opened.serve(ctx); err != nil {
			t.Errorf("serve: %v", err)
		}
		opened.close()
	}()
	h.stop = func() { cancel(); <-done }
	t.Cleanup(h.stop)
	ca, err := os.ReadFile(filepath.Join(data, client.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	h.roots = x509.NewCertPool()
	h.roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: h.roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	h.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return h
}

// makeRelease makes a repository that lists nothing: its root is what tokens name.
func makeRelease(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(dir); err == nil {
		return
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	key, err := signing.Generate(true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repo.Create(fsys.Disk{}, dir, func(string) (signing.Key, error) { return key, nil }, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(time.Now()); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request; headers are name, value, name, value.
func (h *testHub) ask(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	answer := h.open(t, method, path, body, headers...)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(data)
}

func (h *testHub) open(t *testing.T, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	answer, err := h.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// bearer is the header of the admin key.
func (h *testHub) bearer(t *testing.T) []string {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(h.data, client.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	return []string{"Authorization", "Bearer " + strings.TrimSpace(string(key))}
}

// get decodes an answer of the interface, asked with the admin key.
func (h *testHub) get(t *testing.T, path string, into any) {
	t.Helper()
	answer, body := h.ask(t, "GET", "/api/v1"+path, "", h.bearer(t)...)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("get %s: %s %s", path, answer.Status, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("get %s: %v in %s", path, err, body)
	}
}

// token makes an enrolment token for that many boxes.
func (h *testHub) token(t *testing.T, uses int) string {
	t.Helper()
	answer, body := h.ask(t, "POST", "/api/v1/tokens", fmt.Sprintf(`{"uses":%d}`, uses), h.bearer(t)...)
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("token: %s %s", answer.Status, body)
	}
	return made.Token
}

// within bounds every wait of a test; nothing here takes that long unless it never comes.
const within = 2 * time.Minute

// await asks again and again until what is right.
func await(t *testing.T, what string, right func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !right() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come true", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// typed runs the program in this process.
func typed(t *testing.T, in string, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, streams{strings.NewReader(in), &stdout, &stderr})
	return code, stdout.String(), stderr.String()
}

func facts(host string, tags ...string) *wire.Facts {
	return &wire.Facts{Hostname: host, Addresses: []string{"192.0.2.7"}, Os: "linux", Arch: "amd64", Platform: "debian 13.1", Kernel: "6.12.57",
		MemoryBytes: 8 << 30, Cpus: 4, CoreVersion: "0.1.0", CoreHash: strings.Repeat("ab", 32), StubVersion: "0.1.0", Tags: tags, Trust: "hub",
		Plugins: []string{"check_http", "check_disk"}, MachineIdHash: host}
}

// insecure is a client for tests in which only answers matter.
func insecure(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
