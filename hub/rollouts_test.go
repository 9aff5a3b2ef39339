package main

import (
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/hub/internal/rollout"
)

// TestRolloutIsStopped: three agents over real sessions say that a release failed there; the page, the interface and the list of holds say
// what the hub made of it, and take it back by hand.
func TestRolloutIsStopped(t *testing.T) {
	data := filepath.Join(t.TempDir(), "hub")
	release := filepath.Join(filepath.Dir(data), "release")
	if err := os.Mkdir(release, 0o755); err != nil {
		t.Fatal(err)
	}
	publishedIn(t, release, "0.2.0")
	h := startHub(t, data)
	token := h.token(t, 4)
	h.enrolled(t, token, facts("idle"))
	var d struct{ Offer struct{ Hash string } }
	h.get(t, "/agents/idle", &d)
	if raw, err := hex.DecodeString(d.Offer.Hash); err != nil || len(raw) != 32 {
		t.Fatalf("offered %q", d.Offer.Hash)
	}
	// Bars of other releases come first: a list as long as a stub keeps them is read to its end.
	bars := strings.Repeat(strings.Repeat("cd", 32)+":regressed,", 15) + d.Offer.Hash + ":hang"
	for _, host := range []string{"one", "two", "three"} {
		f := facts(host)
		f.More = map[string]string{"barred": bars, "why": "barred", "why_text": "it_failed_here", "offered": d.Offer.Hash}
		h.enrolled(t, token, f)
	}
	var answer struct {
		Limit    rollout.Limit
		Rollouts []rollout.Rollout
	}
	await(t, "the rollout is stopped", func() bool {
		h.get(t, "/rollouts", &answer)
		return len(answer.Rollouts) == 1 && !answer.Rollouts[0].Stopped.IsZero()
	})
	const why = "it failed on 3 of 3 agents that tried it (the limit is 3, and 5 %)"
	if r := answer.Rollouts[0]; r.Version != "0.2.0" || r.Why != why || r.Tally != (rollout.Tally{Tried: 3, Failed: 3}) || answer.Limit != rollout.DefaultLimit {
		t.Errorf("%+v", answer)
	}
	if _, body := h.ask(t, "GET", "/release/hold", ""); body != "0.2.0\n" {
		t.Errorf("held: %q", body)
	}
	cookie := h.cookie(t)
	page := func() string {
		_, body := h.ask(t, "GET", "/", "", cookie...)
		return body
	}
	if body := page(); !strings.Contains(body, why) || strings.Contains(body, `id="stopped" class="card wrong" hidden`) {
		t.Error("the page does not say that a rollout is stopped")
	}
	await(t, "the offer says why", func() bool {
		_, body := h.ask(t, "GET", "/api/v1/agents/idle", "", h.bearer(t)...)
		return strings.Contains(body, "the hub stopped its rollout: "+why)
	})
	if answer, body := h.ask(t, "PUT", "/api/v1/rollouts/limit", `{"hosts":0}`, h.bearer(t)...); answer.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a limit of no host: %s %s", answer.Status, body)
	}
	if answer, _ := h.ask(t, "POST", "/api/v1/rollouts/0.2.0/resume", "", cookie...); answer.StatusCode == http.StatusNoContent {
		t.Error("a page of somebody else can resume a rollout")
	}
	if answer, body := h.ask(t, "POST", "/api/v1/rollouts/0.2.0/resume", "", append(cookie, "X-Limpet", "1")...); answer.StatusCode != http.StatusNoContent {
		t.Errorf("resume: %s %s", answer.Status, body)
	}
	if body := page(); strings.Contains(body, why) {
		t.Error("the page still says that it is stopped")
	}
	if _, body := h.ask(t, "GET", "/release/hold", ""); body != "" {
		t.Errorf("held: %q", body)
	}
	var log []struct{ Kind, Cause, Text string }
	await(t, "the log has both", func() bool {
		h.get(t, "/log?limit=50", &log)
		causes := ""
		for _, e := range log {
			if e.Kind == "rollout" {
				causes += e.Cause + " "
			}
		}
		return causes == "resumed stopped "
	})
}
