package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/hub/internal/desired"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
)

const oneCheck = "checks:\n  - name: web\n    plugin: check_http\n    on: {tags: [web]}\n"

func TestADocumentIsAppliedWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	token := h.token(t, 2)
	web := h.enrolled(t, token, facts("web", "web"))
	h.enrolled(t, token, facts("mail"))
	await(t, "both agents", func() bool {
		var list []fleet.Agent
		h.get(t, "/agents", &list)
		return len(list) == 2 && list[0].Hostname == "mail" && list[1].Hostname == "web"
	})
	var d map[string]any
	h.get(t, "/desired", &d)
	fields(t, "desired", d, "revision text applied by")
	if d["revision"] != 0.0 || d["text"] != "" || d["applied"] != nil {
		t.Errorf("before any document: %v", d)
	}
	var bad struct{ Problems []desired.Problem }
	if err := json.Unmarshal([]byte(h.admin(t, 422, "PUT", "/desired", "checks:\n  - name: web\n    plugin: check_http\n    evry: 1m\n")), &bad); err != nil {
		t.Fatal(err)
	}
	if len(bad.Problems) != 1 || bad.Problems[0].Line != 4 || bad.Problems[0].Column != 5 || !strings.Contains(bad.Problems[0].Text, "every") {
		t.Errorf("problems %+v", bad.Problems)
	}
	for _, step := range []struct {
		path     string
		revision int
		changed  int
	}{{"/desired?dry-run=1", 1, 1}, {"/desired", 1, 1}, {"/desired", 1, 0}} {
		var o map[string]any
		if err := json.Unmarshal([]byte(h.admin(t, 200, "PUT", step.path, oneCheck)), &o); err != nil {
			t.Fatal(err)
		}
		fields(t, "outcome", o, "revision agents changed notes")
		if o["revision"] != float64(step.revision) || o["agents"] != 2.0 || o["changed"] != float64(step.changed) {
			t.Errorf("%s: %v", step.path, o)
		}
		h.get(t, "/desired", &d)
		if applied := d["revision"] != 0.0; applied == strings.Contains(step.path, "dry") {
			t.Errorf("%s left %v", step.path, d)
		}
	}
	if d["text"] != oneCheck || d["by"] == "" || d["applied"] == nil {
		t.Errorf("applied %v", d)
	}
	if got := receive(t, web.desired); got.GetRevision() != 1 || len(got.GetChecks()) == 0 {
		t.Errorf("the agent got %v", got)
	}
	await(t, "a log entry", func() bool {
		var log []fleet.Event
		h.get(t, "/log?limit=20", &log)
		return strings.Contains(fmt.Sprint(log), "revision 1 applied")
	})
	h.admin(t, 413, "PUT", "/desired", strings.Repeat("#", desired.MaxText+1))
	h.admin(t, 200, "PUT", "/desired?dry-run=1", strings.Repeat("#", desired.MaxText))
}

func TestTokens(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	if body := h.admin(t, 200, "GET", "/tokens", ""); body != "[]\n" {
		t.Errorf("no tokens: %s", body)
	}
	body := h.admin(t, 200, "POST", "/tokens", `{"uses":3,"ttl_ms":60000,"note":"for <racks>"}`)
	var made map[string]any
	if err := json.Unmarshal([]byte(body), &made); err != nil {
		t.Fatal(err)
	}
	fields(t, "made", made, "id token expires uses_left install")
	token := made["token"].(string)
	if made["uses_left"] != 3.0 || !strings.Contains(made["install"].(string), token) || !strings.Contains(made["install"].(string), h.url) {
		t.Errorf("made %v", made)
	}
	listed := h.admin(t, 200, "GET", "/tokens", "")
	secret := token[strings.LastIndexAny(token, ".-_")+1:]
	if strings.Contains(listed, token) || strings.Contains(listed, secret) || strings.Contains(listed, "secret") {
		t.Errorf("the secret is shown again: %s", listed)
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(listed), &list); err != nil || len(list) != 1 {
		t.Fatalf("%s: %v", listed, err)
	}
	fields(t, "listed", list[0], "id note created expires uses uses_left agents")
	for body, status := range map[string]int{
		`{"uses":-1}`: 400, `{"uses":1000000}`: 400, `{"ttl_ms":-1}`: 400, `{"ttl_ms":1}`: 400, `{"ttl_ms":9000000000000}`: 400, `{"use":1}`: 400, ``: 400, `[]`: 400,
		`{"note":"` + strings.Repeat("x", 300) + `"}`: 400, `{"note":"` + strings.Repeat("x", 5000) + `"}`: 413,
	} {
		h.admin(t, status, "POST", "/tokens", body)
	}
	h.admin(t, 204, "DELETE", "/tokens/"+made["id"].(string), "")
	for _, id := range []string{made["id"].(string), "none", "%2e%2e", strings.Repeat("a", 3000)} {
		h.admin(t, 404, "DELETE", "/tokens/"+id, "")
	}
}
