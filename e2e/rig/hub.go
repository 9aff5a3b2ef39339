//go:build unix

package rig

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Hub is one hub, its data kept over restarts.
type Hub struct {
	rig     *Rig
	Address string // host:port
	Data    string
	More    []string // arguments of `serve` beside those that it needs
	process *Process
	client  *http.Client
}

// NewHub names a hub; it is started with Start.
func (r *Rig) NewHub() (*Hub, error) {
	addr, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	// The certificate is the hub's own and is checked by the agents; here only answers matter.
	insecure := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 8}
	return &Hub{rig: r, Address: addr, Data: r.path("hub"), client: &http.Client{Transport: insecure}}, nil
}

// URL is where it answers.
func (h *Hub) URL() string { return "https://" + h.Address }

// Start starts it and waits until it answers.
func (h *Hub) Start(ctx context.Context) error {
	args := append([]string{"serve", "--data", h.Data, "--listen", h.Address, "--release", h.rig.path("release")}, h.More...)
	p, err := h.rig.Start("hub.log", "limpet-hub", args...)
	if err != nil {
		return err
	}
	h.process = p
	h.client.CloseIdleConnections() // to the one before
	return Await(ctx, Patience, "the hub's health", func(ctx context.Context) (bool, error) {
		select {
		case <-p.done:
			text, _ := os.ReadFile(p.Log)
			return false, fmt.Errorf("the hub ended: %s", text)
		default:
		}
		resp, err := h.request(ctx, http.MethodGet, "/healthz", nil)
		if err != nil {
			return false, nil
		}
		resp.Body.Close()
		_, err = os.Stat(filepath.Join(h.Data, "hub.addr")) // else it is another one that answers there, and this one ends for it
		return resp.StatusCode == http.StatusOK && err == nil, nil
	})
}

// Kill ends it with SIGKILL.
func (h *Hub) Kill() { h.process.Kill() }

// Process is the hub's.
func (h *Hub) Process() *Process { return h.process }

// Stop ends it as an init system would.
func (h *Hub) Stop() error { return h.process.Stop(stopTime) }

// Token makes an enrolment token.
func (h *Hub) Token(ctx context.Context, args ...string) (string, error) {
	out, err := h.rig.Run(ctx, "limpet-hub", append([]string{"token", "create", "--json", "--data", h.Data}, args...)...)
	if err != nil {
		return "", err
	}
	var t struct{ Token string }
	if err := json.Unmarshal([]byte(out), &t); err != nil || t.Token == "" {
		return "", fmt.Errorf("read token from %q: %w", out, err)
	}
	return t.Token, nil
}

// Get reads one resource of the API into v.
func (h *Hub) Get(ctx context.Context, path string, v any) error {
	resp, err := h.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s: %s", path, resp.Status, body)
	}
	return json.Unmarshal(body, v)
}

// Every gives each result of an agent that the bus got in the last while to fn, one JSON object each.
func (h *Hub) Every(ctx context.Context, agent string, back time.Duration, fn func(line []byte) error) error {
	resp, err := h.request(ctx, http.MethodGet, "/api/v1/agents/"+agent+"/results?since="+back.String(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("every result of %s: %s", agent, resp.Status)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if err := fn(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// Apply gives the hub a desired state.
func (h *Hub) Apply(ctx context.Context, yaml string) error {
	resp, err := h.request(ctx, http.MethodPut, "/api/v1/desired", strings.NewReader(yaml))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("apply: %s: %s", resp.Status, body)
	}
	return nil
}

// RunNow starts a run and returns the stream of its answer, to be closed by the caller.
func (h *Hub) RunNow(ctx context.Context, agent, check string) (io.ReadCloser, error) {
	resp, err := h.request(ctx, http.MethodPost, "/api/v1/agents/"+agent+"/checks/"+check+"/run", nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("run %s: %s: %s", check, resp.Status, body)
	}
	return resp.Body, nil
}

func (h *Hub) request(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, h.URL()+path, body)
	if err != nil {
		return nil, err
	}
	if key, err := os.ReadFile(h.Data + "/admin.key"); err == nil {
		req.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(key)))
	}
	return h.client.Do(req)
}
