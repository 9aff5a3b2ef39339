package main

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
)

// The fields of docs/api.md.
const (
	agentFields = "fingerprint name hostname addresses os arch platform kernel tags presence cause since last_seen core_version core_hash " +
		"stub_version revision wanted_revision revision_problems tls rtt_ms clock_offset_ms enrolled cloned_from development state counts results"
	checkFields  = "check plugin state text since last every_ms stale"
	resultFields = "check state text perfdata start duration_ms exit signal timed_out truncated trigger problems epoch seq received"
)

// fields wants exactly these fields.
func fields(t *testing.T, what string, got map[string]any, want string) {
	t.Helper()
	if have, want := slices.Sorted(maps.Keys(got)), slices.Sorted(slices.Values(strings.Fields(want))); !slices.Equal(have, want) {
		t.Errorf("%s has fields %v, want %v", what, have, want)
	}
}

func (a *scripted) fingerprint() string { return enrol.Fingerprint(a.key.Public().(ed25519.PublicKey)) }

// checksOf waits until the hub shows that many checks of an agent.
func (h *testHub) checksOf(t *testing.T, a *scripted, n int) {
	t.Helper()
	await(t, fmt.Sprintf("%d checks", n), func() bool {
		var list []fleet.CheckStatus
		h.get(t, "/agents/"+a.fingerprint()+"/checks", &list)
		var agent fleet.Agent
		h.get(t, "/agents/"+a.fingerprint(), &agent)
		return len(list) == n && agent.Hostname == a.facts.GetHostname()
	})
}

func TestWhatTheHubSaysOfAgents(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	if body := h.admin(t, 200, "GET", "/agents", ""); body != "[]\n" {
		t.Errorf("no agents: %s", body)
	}
	a := h.enrolled(t, h.token(t, 1), facts("alpha", "web"))
	sick := result("disk", wire.State_STATE_CRITICAL, "DISK CRITICAL", &wire.Perfdata{Label: "/ used", Value: 95, Unit: "%", Warn: "80", Crit: "90"})
	sick.Long = "every line\nof it"
	a.report(result("cpu", wire.State_STATE_OK, "CPU OK", &wire.Perfdata{Label: "load", Value: 1.5}), result("swap", wire.State_STATE_WARNING, "SWAP WARNING"), sick)
	h.checksOf(t, a, 3)

	var hub map[string]any
	h.get(t, "/hub", &hub)
	fields(t, "hub", hub, "version started agents online console_url development")
	if hub["agents"] != 1.0 || hub["online"] != 1.0 || hub["console_url"] != h.url || hub["development"] != true {
		t.Errorf("hub %v", hub)
	}
	var list []map[string]any
	h.get(t, "/agents", &list)
	fields(t, "agent", list[0], agentFields)
	fields(t, "counts", list[0]["counts"].(map[string]any), "ok warning critical unknown")
	if a := list[0]; a["presence"] != "online" || a["state"] != "CRITICAL" || a["tls"] != "bound" || a["hostname"] != "alpha" {
		t.Errorf("agent %v", a)
	}
	path := "/agents/" + a.fingerprint()
	var detail map[string]any
	h.get(t, path, &detail)
	fields(t, "agent alone", detail, agentFields+" checks facts")
	var checks []map[string]any
	h.get(t, path+"/checks", &checks)
	var names []any
	for _, c := range checks {
		fields(t, "check", c, checkFields)
		fields(t, "last", c["last"].(map[string]any), resultFields)
		names = append(names, c["check"])
	}
	if !slices.Equal(names, []any{"disk", "swap", "cpu"}) {
		t.Errorf("order %v", names)
	}
	var check map[string]any
	h.get(t, path+"/checks/disk", &check)
	last := check["last"].(map[string]any)
	fields(t, "check alone", last, resultFields+" long")
	fields(t, "perfdata", last["perfdata"].([]any)[0].(map[string]any), "label value unit warn crit min max")
	if last["long"] != sick.Long {
		t.Errorf("long output %q", last["long"])
	}
	h.admin(t, 404, "GET", path+"/checks/none", "")
}

func TestHistoryProblemsAndLog(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	a := h.enrolled(t, h.token(t, 1), facts("alpha"))
	a.report(result("disk", wire.State_STATE_OK, "first", &wire.Perfdata{Label: "used", Value: 1, Unit: "%"}))
	a.report(result("disk", wire.State_STATE_WARNING, "second", &wire.Perfdata{Label: "used", Value: 2, Unit: "%"}))
	h.checksOf(t, a, 1)
	path := "/agents/alpha/checks/disk"
	await(t, "the second result", func() bool {
		var c fleet.CheckStatus
		h.get(t, path, &c)
		return c.Text == "second"
	})
	var series struct {
		Check  string
		Labels []struct {
			Label, Unit string
			Points      [][2]float64
		}
		States [][2]float64
	}
	h.get(t, path+"/series?since=1h", &series)
	if len(series.Labels) != 1 || len(series.Labels[0].Points) != 2 || series.Labels[0].Points[0][1] != 1 || series.Labels[0].Points[1][1] != 2 {
		t.Errorf("series %+v", series)
	}
	if n := len(series.States); n != 2 || series.States[0][1] != 0 || series.States[1][1] != 1 {
		t.Errorf("states %v", series.States)
	}
	var results []fleet.Result
	h.get(t, path+"/results?limit=1", &results)
	if len(results) != 1 || results[0].Text != "second" {
		t.Errorf("newest result %+v", results)
	}
	for _, bad := range []string{"/series?since=x", "/series?since=-1h", "/series?since=900000h", "/results?limit=0", "/results?limit=x"} {
		h.admin(t, 400, "GET", path+bad, "")
	}
	h.admin(t, 400, "GET", "/log?limit=-1", "")
	var problems []map[string]any
	h.get(t, "/problems", &problems)
	if len(problems) != 1 || problems[0]["state"] != "WARNING" {
		t.Fatalf("problems %v", problems)
	}
	fields(t, "problem", problems[0], "fingerprint name check state text since")
	await(t, "a log of what came and changed", func() bool {
		var kinds []string
		var log []fleet.Event
		h.get(t, "/log", &log)
		for _, e := range log {
			kinds = append(kinds, e.Kind)
		}
		return slices.Contains(kinds, "enrolled") && slices.Contains(kinds, "came") && slices.Contains(kinds, "state")
	})
	var log []fleet.Event
	if h.get(t, "/log?limit=1", &log); len(log) != 1 {
		t.Errorf("%d events of 1", len(log))
	}
	_ = a.conn.Close()
	await(t, "lost", func() bool {
		h.get(t, "/problems", &problems)
		return len(problems) == 1 && problems[0]["state"] == "LOST"
	})
}

func TestNamesOfAgents(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	token := h.token(t, 3)
	a := h.enrolled(t, token, facts("alpha"))
	h.enrolled(t, token, facts("twin"))
	h.enrolled(t, token, facts("twin"))
	await(t, "three agents", func() bool {
		var list []fleet.Agent
		h.get(t, "/agents", &list)
		return len(list) == 3 && list[0].Hostname == "alpha" && list[2].Hostname == "twin"
	})
	whole := a.fingerprint()
	for name, status := range map[string]int{
		whole: 200, whole[:12]: 200, strings.ToUpper(whole[:12]): 200, "alpha": 200, "twin": 409, whole[:3]: 404, "none": 404, "alph": 404, "%20": 404,
		strings.Repeat("a", 5000): 404,
	} {
		h.admin(t, status, "GET", "/agents/"+name, "")
	}
}

func TestAForgottenAgentIsRefused(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	a := h.enrolled(t, h.token(t, 1), facts("alpha"))
	await(t, "the agent", func() bool {
		answer, _ := h.ask(t, "GET", "/api/v1/agents/alpha", "", h.bearer(t)...)
		return answer.StatusCode == http.StatusOK
	})
	h.admin(t, 204, "DELETE", "/agents/alpha", "")
	await(t, "the agent is gone", func() bool {
		answer, _ := h.ask(t, "GET", "/api/v1/agents/"+a.fingerprint(), "", h.bearer(t)...)
		return answer.StatusCode == http.StatusNotFound
	})
	h.admin(t, 404, "DELETE", "/agents/"+a.fingerprint(), "")
	receive(t, a.ended) // its session too
	var log []map[string]any
	if err := json.Unmarshal([]byte(h.admin(t, 200, "GET", "/log", "")), &log); err != nil || !slices.ContainsFunc(log, func(e map[string]any) bool { return e["kind"] == "forgotten" }) {
		t.Errorf("log %v, %v", log, err)
	}
}
