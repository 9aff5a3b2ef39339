package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/mirror"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// publishedIn makes a release repository with one core.
func publishedIn(t *testing.T, dir, version string) {
	t.Helper()
	key, err := signing.Generate(true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repo.Create(fsys.Disk{}, dir, func(string) (signing.Key, error) { return key, nil }, true)
	if err != nil {
		t.Fatal(err)
	}
	rel := repo.Release{Channel: "stable", Version: version, Soak: 3 * time.Second, Contract: 1}
	if _, err := r.AddRelease(rel, map[string][]byte{"linux-amd64": []byte("core " + version)}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(time.Now()); err != nil {
		t.Fatal(err)
	}
}

// does runs a command of the program that must go well.
func (h *testHub) does(t *testing.T, args ...string) string {
	t.Helper()
	code, out, problem := typed(t, "", append(args, "--data", h.data)...)
	if code != 0 {
		t.Fatalf("%v: exit code %d, %s", args, code, problem)
	}
	return out
}

func TestLookHoldAndOffer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "hub")
	release := filepath.Join(filepath.Dir(data), "release")
	if err := os.Mkdir(release, 0o755); err != nil {
		t.Fatal(err)
	}
	publishedIn(t, release, "0.2.0")
	h := startHub(t, data)
	h.enrolled(t, h.token(t, 1), facts("web1"))
	why := func() string {
		var d fleet.Detail
		h.get(t, "/agents/web1", &d)
		if d.Offer.Version != "0.2.0" || d.Offer.Channel != "stable" || len(d.Offer.Hash) != 64 {
			t.Errorf("offered %+v", d.Offer)
		}
		return d.Offer.Why
	}
	await(t, "the agent is there", func() bool { return strings.Contains(h.does(t, "agents"), "0.2.0: it has not looked yet") })
	if w := why(); w != "it has not looked yet" {
		t.Errorf("why: %s", w)
	}
	if out := h.does(t, "look", "web1"); !strings.Contains(out, "web1 looks") {
		t.Errorf("look: %s", out)
	}
	if out := h.does(t, "look", "--all"); out != "1 agent told to look, 0 not connected\n" {
		t.Errorf("look: %s", out)
	}
	if code, _, _ := typed(t, "", "look", "nobody", "--data", h.data); code != exitNoFile {
		t.Errorf("look at nobody: exit code %d", code)
	}
	h.does(t, "hold", "0.2.0")
	await(t, "the offer says that it is held", func() bool { return why() == "held by the hub" }) // the fleet counts anew by itself
	if _, body := h.ask(t, "GET", "/release/hold", ""); body != "0.2.0\n" {
		t.Errorf("held: %q", body)
	}
	h.does(t, "unhold", "0.2.0")
	if code, _, _ := typed(t, "", "unhold", "0.2.0", "--data", h.data); code != exitNoFile {
		t.Errorf("unhold twice: exit code %d", code)
	}
	if _, body := h.ask(t, "GET", "/release/hold", ""); body != "" {
		t.Errorf("held: %q", body)
	}
	if code, _, problem := typed(t, "", "mirror", "add", release, "--data", h.data); code != exitFailed || !strings.Contains(problem, "without --release") {
		t.Errorf("mirror beside --release: exit code %d, %s", code, problem)
	}
}

// A release that is published into the folder a hub serves is told to every agent that is connected, once.
func TestAgentsAreToldOfANewRelease(t *testing.T) {
	data := filepath.Join(t.TempDir(), "hub")
	release := filepath.Join(filepath.Dir(data), "release")
	if err := os.Mkdir(release, 0o755); err != nil {
		t.Fatal(err)
	}
	publishedIn(t, release, "0.2.0")
	h := startHub(t, data)
	agents := []*scripted{h.enrolled(t, h.token(t, 1), facts("web1")), h.enrolled(t, h.token(t, 1), facts("web2"))}
	publishedIn(t, filepath.Join(t.TempDir(), "other"), "0.3.0") // elsewhere: no news here
	for _, a := range agents {
		select {
		case <-a.looks:
			t.Error("told of nothing")
		default:
		}
	}
	if err := os.RemoveAll(release); err != nil {
		t.Fatal(err)
	}
	publishedIn(t, release, "0.3.0")
	for _, a := range agents {
		select {
		case <-a.looks:
		case <-time.After(within):
			t.Error("not told")
		}
	}
}

// A hub that was given no repository copies one, and only then has something to make tokens and installers of.
func TestHubThatMirrors(t *testing.T) {
	publisher := t.TempDir()
	publishedIn(t, publisher, "0.3.0")
	data := filepath.Join(t.TempDir(), "hub")
	opened, err := open(t.Context(), serveOptions{data: data, listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = opened.serve(ctx); opened.close() }()
	t.Cleanup(func() { cancel(); <-done })
	h := &testHub{data: data, url: opened.site.url, http: insecure(t)}
	if answer, body := h.ask(t, "POST", "/api/v1/tokens", `{"uses":1}`, h.bearer(t)...); answer.StatusCode != http.StatusConflict {
		t.Errorf("a token for nothing: %s %s", answer.Status, body)
	}
	if out := h.does(t, "mirror", "add", publisher); !strings.Contains(out, "SHA-256") {
		t.Errorf("mirror add: %s", out)
	}
	await(t, "the copy is served", func() bool {
		answer, _ := h.ask(t, "GET", "/release/timestamp.json", "")
		return answer.StatusCode == http.StatusOK
	})
	await(t, "it says so", func() bool {
		var list []mirror.Place
		if err := json.Unmarshal([]byte(h.does(t, "mirror", "list", "--json")), &list); err != nil {
			t.Fatal(err)
		}
		return len(list) == 1 && !list[0].Fresh.IsZero() && list[0].Error == ""
	})
	if line := h.does(t, "token", "create"); !strings.Contains(line, h.url+"/install.sh | TOKEN=lt1_") || !strings.Contains(line, "--pinnedpubkey 'sha256//") {
		t.Errorf("token create: %s", line)
	}
	if answer, body := h.ask(t, "GET", "/install.sh", ""); answer.StatusCode != http.StatusOK || !strings.Contains(body, "limpet_hub='"+h.url+"'") {
		t.Errorf("install.sh: %s", answer.Status)
	}
	for _, hidden := range []string{"/release/.trust/root.json", "/release/.part/x"} {
		if answer, _ := h.ask(t, "GET", hidden, ""); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", hidden, answer.Status)
		}
	}
	h.does(t, "mirror", "remove", publisher)
}
