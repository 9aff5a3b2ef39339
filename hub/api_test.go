package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/trouble"
)

// link asks for a sign-in link and gives its path.
func (h *testHub) link(t *testing.T) string {
	t.Helper()
	answer, body := h.ask(t, "POST", "/api/v1/signin", "", h.bearer(t)...)
	var made struct{ URL string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("signin: %s %s", answer.Status, body)
	}
	return strings.TrimPrefix(made.URL, h.url)
}

// cookie signs in and gives the header a browser sends from then on.
func (h *testHub) cookie(t *testing.T) []string {
	t.Helper()
	answer, _ := h.ask(t, "GET", h.link(t), "")
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" || len(answer.Cookies()) != 1 {
		t.Fatalf("sign in: %s %v", answer.Status, answer.Header)
	}
	c := answer.Cookies()[0]
	if c.Name != "limpet_session" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" {
		t.Errorf("cookie %v", c)
	}
	return []string{"Cookie", c.Name + "=" + c.Value}
}

func TestNobodyGetsInWithoutAKey(t *testing.T) {
	h := startHub(t, "")
	for _, path := range []string{"/api/v1/agents", "/api/v1/events", "/api/v1/desired", "/api/v1/nothing", "/", "/checks", "/tokens", "/log", "/agents/x", "/nothing"} {
		for name, headers := range map[string][]string{"nothing": nil, "a wrong key": {"Authorization", "Bearer no"}, "a wrong cookie": {"Cookie", "limpet_session=no"}} {
			answer, body := h.ask(t, "GET", path, "", headers...)
			limited := name == "a wrong key" && answer.StatusCode == http.StatusTooManyRequests
			if answer.StatusCode != http.StatusUnauthorized && !limited {
				t.Errorf("%s with %s: %s", path, name, answer.Status)
			}
			if strings.HasPrefix(path, "/api/") && (!strings.Contains(body, `"error":"`) || !strings.Contains(body, `"hint":"`)) {
				t.Errorf("%s with %s: %s", path, name, body)
			} else if !strings.HasPrefix(path, "/api/") && !strings.Contains(body, "limpet-hub signin") {
				t.Errorf("%s with %s does not say how to sign in", path, name)
			}
		}
	}
	// Wrong keys of others do not lock the right one out.
	if answer, body := h.ask(t, "GET", "/api/v1/hub", "", h.bearer(t)...); answer.StatusCode != http.StatusOK {
		t.Errorf("the right key: %s %s", answer.Status, body)
	}
}

func TestWrongSecretsAreLimited(t *testing.T) {
	h := startHub(t, "")
	began := time.Now()
	for i := 0; i < 30+int(time.Since(began)/time.Second); i++ { // however slowly they come
		answer, _ := h.ask(t, "GET", "/api/v1/hub", "", "Authorization", "Bearer no")
		if answer.StatusCode == http.StatusTooManyRequests {
			if i < 10 || answer.Header.Get("Retry-After") == "" {
				t.Errorf("refused after %d, Retry-After %q", i, answer.Header.Get("Retry-After"))
			}
			return
		}
	}
	t.Error("thirty wrong keys in a row, and one more every second, were all looked at")
}

func TestSignInLinkIsGoodOnce(t *testing.T) {
	h := startHub(t, "")
	link := h.link(t)
	if answer, _ := h.ask(t, "HEAD", link, ""); answer.StatusCode != http.StatusOK {
		t.Errorf("looking at a link: %s", answer.Status)
	}
	if answer, _ := h.ask(t, "GET", link, ""); answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("first use: %s", answer.Status)
	}
	if answer, body := h.ask(t, "GET", link, ""); answer.StatusCode != http.StatusForbidden || len(answer.Cookies()) > 0 || !strings.Contains(body, "used already") {
		t.Errorf("second use: %s", answer.Status)
	}
	if answer, _ := h.ask(t, "GET", "/signin?code=abc", ""); answer.StatusCode != http.StatusForbidden {
		t.Errorf("an invented code: %s", answer.Status)
	}
	cookie := h.cookie(t)
	if answer, _ := h.ask(t, "POST", "/api/v1/signin", "", append(cookie, "X-Limpet", "1")...); answer.StatusCode != http.StatusForbidden {
		t.Errorf("a cookie made a link: %s", answer.Status)
	}
}

func TestSessionSurvivesARestartAndEndsWithSignOut(t *testing.T) {
	h := startHub(t, "")
	cookie := h.cookie(t)
	h.stop()
	h = startHub(t, h.data)
	if answer, _ := h.ask(t, "GET", "/api/v1/hub", "", cookie...); answer.StatusCode != http.StatusOK {
		t.Fatalf("after a restart: %s", answer.Status)
	}
	if answer, body := h.ask(t, "DELETE", "/api/v1/session", "", cookie...); answer.StatusCode != http.StatusForbidden || !strings.Contains(body, "X-Limpet") {
		t.Errorf("a change without X-Limpet: %s %s", answer.Status, body)
	}
	if answer, _ := h.ask(t, "DELETE", "/api/v1/session", "", append(cookie, "X-Limpet", "1")...); answer.StatusCode != http.StatusNoContent {
		t.Errorf("sign out: %s", answer.Status)
	}
	if answer, _ := h.ask(t, "GET", "/api/v1/hub", "", cookie...); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("after sign-out: %s", answer.Status)
	}
}

func TestEveryAnswerForbidsWhatABrowserMustNotDo(t *testing.T) {
	h := startHub(t, "")
	for _, path := range []string{"/", "/api/v1/agents", "/assets/base.css", "/healthz", "/release/x", "/signin"} {
		answer, _ := h.ask(t, "GET", path, "")
		csp := answer.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "script-src 'self';") || strings.Contains(csp, "unsafe") ||
			answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, answer.Header)
		}
	}
}

func TestPagesRender(t *testing.T) {
	h := startHub(t, "")
	cookie := h.cookie(t)
	if _, body := h.ask(t, "GET", "/", "", cookie...); !strings.Contains(body, "No agent yet") || !strings.Contains(body, "limpet-hub token create --data "+h.data) {
		t.Error("the empty page does not say how to add a box")
	}
	a := h.enrolled(t, h.token(t, 1), facts("web1", "<b>web</b>"))
	a.report(result("disk", wire.State_STATE_CRITICAL, "DISK CRITICAL <script>alert(1)</script>"), result("cpu", wire.State_STATE_OK, "CPU OK"))
	fp := h.fingerprint(t, "web1")
	await(t, "the result", func() bool { return len(h.problems(t)) == 1 })
	await(t, "the log", func() bool { return h.logged(t, "enrolled", "") && h.logged(t, "state", "CRITICAL") })
	for path, want := range map[string][]string{
		"/":                     {"web1", "DISK CRITICAL &lt;script&gt;", "&lt;b&gt;web&lt;/b&gt;", `data-fp="` + fp + `"`},
		"/?q=web&show=critical": {`href="/agents/` + fp + `"`},
		"/?q=nothing":           {"No agent fits"},
		"/agents/" + fp:         {"DISK CRITICAL &lt;script&gt;", "debian 13.1", `data-check="cpu"`},
		"/checks":               {"Nothing applied yet"}, "/tokens": {"Revoke"}, "/log": {"enrolled"}, "/log?show=state": {"CRITICAL"},
	} {
		answer, body := h.ask(t, "GET", path, "", cookie...)
		if answer.StatusCode != http.StatusOK || strings.Contains(body, "<script>alert") {
			t.Errorf("%s: %s", path, answer.Status)
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s does not hold %q", path, w)
			}
		}
	}
	if answer, _ := h.ask(t, "GET", "/agents/web1", "", cookie...); answer.Header.Get("Location") != "/agents/"+fp {
		t.Errorf("by hostname: %s %v", answer.Status, answer.Header)
	}
	for _, path := range []string{"/agents/nobody", "/nothing"} {
		if answer, _ := h.ask(t, "GET", path, "", cookie...); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
	if answer, _ := h.ask(t, "GET", "/assets/shell.js", "", "If-None-Match", h.etag(t, "/assets/shell.js")); answer.StatusCode != http.StatusNotModified {
		t.Errorf("an asset that did not change: %s", answer.Status)
	}
}

func (h *testHub) etag(t *testing.T, path string) string {
	answer, _ := h.ask(t, "GET", path, "")
	return answer.Header.Get("ETag")
}

func (h *testHub) fingerprint(t *testing.T, host string) string {
	t.Helper()
	var a fleet.Agent
	h.get(t, "/agents/"+host, &a)
	return a.Fingerprint
}

func (h *testHub) problems(t *testing.T) []trouble.Problem {
	t.Helper()
	var list []trouble.Problem
	h.get(t, "/problems", &list)
	return list
}

// logged says whether the log, which a hub hears of by itself, has an entry of a kind: state is a check's new one, "" where it is about none.
func (h *testHub) logged(t *testing.T, kind, state string) bool {
	t.Helper()
	var log []journal.Event
	h.get(t, "/log?limit=50", &log)
	return slices.ContainsFunc(log, func(e journal.Event) bool { return e.Kind == kind && e.State == state })
}

func TestAgentsAsTheInterfaceShowsThem(t *testing.T) {
	h := startHub(t, "")
	var none []fleet.Agent
	if h.get(t, "/agents", &none); none == nil || len(none) > 0 {
		t.Errorf("no agents are %v, want []", none)
	}
	token := h.token(t, 2)
	web, db := h.enrolled(t, token, facts("web1", "web")), h.enrolled(t, token, facts("db1"))
	long := result("disk", wire.State_STATE_WARNING, "DISK WARNING", &wire.Perfdata{Label: "/", Value: 80, Unit: "%", Warn: "75", Crit: "90"})
	long.Long, long.DueNs = "one\ntwo", time.Now().UnixNano()
	web.report(result("cpu", wire.State_STATE_OK, "CPU OK"), long)
	db.report(result("cpu", wire.State_STATE_CRITICAL, "CPU CRITICAL"))
	await(t, "the results", func() bool { return len(h.problems(t)) == 2 })
	if p := h.problems(t); p[0].Name != "db1" || p[0].State != "CRITICAL" || p[1].Check != "disk" {
		t.Errorf("problems %+v", p)
	}
	if answer, body := h.ask(t, "GET", "/api/v1/problems?limit=1", "", h.bearer(t)...); answer.Header.Get("X-Total-Count") != "2" || strings.Contains(body, "disk") {
		t.Errorf("one problem: %s %s", answer.Header.Get("X-Total-Count"), body)
	}
	var list []fleet.Agent
	h.get(t, "/agents", &list)
	if len(list) != 2 || list[0].Hostname != "db1" || list[1].State != "WARNING" || list[1].Counts.OK != 1 {
		t.Errorf("agents %+v", list)
	}
	fp := h.fingerprint(t, "web1")
	var d fleet.Detail
	if h.get(t, "/agents/"+fp[:6], &d); len(d.Checks) != 2 || d.Checks[0].Check != "disk" || d.Facts.Kernel != "6.12.57" {
		t.Errorf("agent %+v", d)
	}
	var c fleet.CheckStatus
	if h.get(t, "/agents/web1/checks/disk", &c); c.Last.Long != "one\ntwo" {
		t.Errorf("check %+v", c)
	}
	var s fleet.Series
	if h.get(t, "/agents/web1/checks/disk/series?since=1h", &s); len(s.Labels) != 1 || len(s.Labels[0].Points) != 1 || s.Labels[0].Warn != "75" {
		t.Errorf("series %+v", s)
	}
	var r []fleet.Result
	if h.get(t, "/agents/web1/checks/disk/results?limit=5", &r); len(r) != 1 || r[0].Long != "one\ntwo" {
		t.Errorf("results %+v", r)
	}
	_, body := h.ask(t, "GET", "/api/v1/agents/web1/results", "", h.bearer(t)...)
	lines := strings.Split(strings.TrimSpace(body), "\n")
	for _, line := range lines {
		r[0] = fleet.Result{}
		if err := json.Unmarshal([]byte(line), &r[0]); err != nil {
			t.Errorf("line %q: %v", line, err)
		}
	}
	if len(lines) != 2 || r[0].Due.IsZero() {
		t.Errorf("every result: %s", body)
	}
	for path, status := range map[string]int{
		"/agents/web1/results?since=soon": 400, "/agents/nobody/results": 404,
		"/agents/nobody": 404, "/agents/web1/checks/none": 404, "/agents/web1/checks/disk/series?since=soon": 400, "/log?limit=-1": 400, "/nothing": 404,
	} {
		if answer, body := h.ask(t, "GET", "/api/v1"+path, "", h.bearer(t)...); answer.StatusCode != status || !strings.Contains(body, `"hint":"`) {
			t.Errorf("%s: %s %s", path, answer.Status, body)
		}
	}
	if answer, body := h.ask(t, "DELETE", "/api/v1/agents/db1", "", h.bearer(t)...); answer.StatusCode != http.StatusNoContent {
		t.Fatalf("forget: %s %s", answer.Status, body)
	}
	await(t, "its leaving", func() bool { h.get(t, "/agents", &list); return len(list) == 1 })
}

func TestDesiredStateReachesWhomItIsMeantFor(t *testing.T) {
	h := startHub(t, "")
	token := h.token(t, 2)
	web, db := h.enrolled(t, token, facts("web1", "web")), h.enrolled(t, token, facts("db1"))
	const text = "checks:\n  - {name: web, plugin: check_http, every: 30s, on: {tags: [web]}}\n"
	answer, body := h.ask(t, "PUT", "/api/v1/desired?dry-run=1", text, h.bearer(t)...)
	if answer.StatusCode != http.StatusOK || !strings.Contains(body, `"revision":1,"agents":2,"changed":1`) {
		t.Errorf("dry run: %s %s", answer.Status, body)
	}
	if _, body := h.ask(t, "GET", "/api/v1/desired", "", h.bearer(t)...); !strings.Contains(body, `"revision":0,"text":"","applied":null`) {
		t.Errorf("after the dry run: %s", body)
	}
	if answer, body = h.ask(t, "PUT", "/api/v1/desired", text, h.bearer(t)...); answer.StatusCode != http.StatusOK {
		t.Fatalf("apply: %s %s", answer.Status, body)
	}
	if got := <-web.desired; got.GetRevision() != 1 || len(got.GetChecks()) != 1 || got.GetChecks()[0].GetEveryMs() != 30_000 {
		t.Errorf("web got %v", got)
	}
	select {
	case got := <-db.desired:
		t.Errorf("db got %v, though nothing is meant for it", got)
	default:
	}
	answer, body = h.ask(t, "PUT", "/api/v1/desired", "checks:\n  - {name: web, plugin: x, evry: 3s}\n", h.bearer(t)...)
	if answer.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `"problems":[{"line":2,"column":28,"text":"unknown key`) {
		t.Errorf("a mistake: %s %s", answer.Status, body)
	}
	if answer, _ := h.ask(t, "PUT", "/api/v1/desired", strings.Repeat("#", 2<<20), h.bearer(t)...); answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("two megabytes: %s", answer.Status)
	}
}

func TestRunStreamsWhatThePluginPrints(t *testing.T) {
	h := startHub(t, "")
	a := h.enrolled(t, h.token(t, 1), facts("web1"))
	go func() {
		run := <-a.runs
		say := func(data string, stderr bool) {
			a.send(&wire.Frame{Body: &wire.Frame_RunOutput{RunOutput: &wire.RunOutput{Call: run.GetCall(), Data: []byte(data), Stderr: stderr}}})
		}
		say("first \xe2\x82", false) // the euro sign comes in two pieces
		say("\xac\n", false)
		say("trouble\n", true)
		a.send(&wire.Frame{Body: &wire.Frame_RunEnd{RunEnd: &wire.RunEnd{Call: run.GetCall(), Result: result(run.GetCheck(), wire.State_STATE_WARNING, "first"), Joined: true}}})
	}()
	answer := h.open(t, "POST", "/api/v1/agents/web1/checks/web/run", "", h.bearer(t)...)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%s %v", answer.Status, answer.Header)
	}
	var stdout, stderr string
	ended := false
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		var l struct {
			Output         string
			Stderr, Joined bool
			Result         *fleet.Result
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		switch {
		case l.Result != nil:
			ended = l.Joined && l.Result.State == "WARNING"
		case l.Stderr:
			stderr += l.Output
		default:
			stdout += l.Output
		}
	}
	if stdout != "first €\n" || stderr != "trouble\n" || !ended {
		t.Errorf("stdout %q, stderr %q, ended %v", stdout, stderr, ended)
	}
}

func TestRunOnAnAgentThatIsAway(t *testing.T) {
	h := startHub(t, "")
	a := h.enrolled(t, h.token(t, 1), facts("web1"))
	_ = a.conn.Close()
	await(t, "the loss", func() bool { p := h.problems(t); return len(p) == 1 && p[0].State == trouble.Lost })
	answer, body := h.ask(t, "POST", "/api/v1/agents/web1/checks/disk/run", "", h.bearer(t)...)
	if answer.StatusCode != http.StatusConflict || !strings.Contains(body, "not connected") {
		t.Errorf("%s %s", answer.Status, body)
	}
}

func TestEventsTellWhatHappensAndNothingElse(t *testing.T) {
	h := startHub(t, "")
	token := h.token(t, 2)
	web := h.enrolled(t, token, facts("web1"))
	answer := h.open(t, "GET", "/api/v1/events?kinds=agent,check&agent="+h.fingerprint(t, "web1"), "", h.bearer(t)...)
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	next := func() (kind, data string) {
		for lines.Scan() {
			if k, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				kind = k
			}
			if d, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return kind, d
			}
		}
		return "ended", ""
	}
	if kind, data := next(); kind != "hello" || !strings.Contains(data, `"time":"20`) {
		t.Fatalf("first: %s %s", kind, data)
	}
	h.enrolled(t, token, facts("other")) // not asked for
	web.report(result("disk", wire.State_STATE_OK, "DISK OK"))
	for {
		kind, data := next()
		if kind == "ended" || kind == "log" || strings.Contains(data, "other") {
			t.Fatalf("got %s %s", kind, data)
		}
		if kind == "check" {
			if !strings.Contains(data, `"check":{"check":"disk"`) {
				t.Errorf("check: %s", data)
			}
			break
		}
	}
	h.stop() // ends the stream, and within the time a stop has
	for lines.Scan() {
	}
}

func TestTokens(t *testing.T) {
	h := startHub(t, "")
	answer, body := h.ask(t, "POST", "/api/v1/tokens", `{"uses":3,"ttl_ms":60000,"note":"lab"}`, h.bearer(t)...)
	var made struct {
		ID, Token, Install string
		UsesLeft           int `json:"uses_left"`
	}
	if err := json.Unmarshal([]byte(body), &made); err != nil || made.UsesLeft != 3 || !strings.Contains(made.Install, h.url+"/install.sh | TOKEN="+made.Token+" sh") {
		t.Fatalf("%s %s", answer.Status, body)
	}
	if _, list := h.ask(t, "GET", "/api/v1/tokens", "", h.bearer(t)...); !strings.Contains(list, made.ID) || strings.Contains(list, made.Token) {
		t.Errorf("list %s", list)
	}
	for body, status := range map[string]int{`{"uses":-1}`: 400, `{"color":1}`: 400, `nonsense`: 400, `{"ttl_ms":-5}`: 400, `{"note":"` + strings.Repeat("x", 5000) + `"}`: 413} {
		if answer, said := h.ask(t, "POST", "/api/v1/tokens", body, h.bearer(t)...); answer.StatusCode != status {
			t.Errorf("%.40s: %s %s", body, answer.Status, said)
		}
	}
	if answer, _ := h.ask(t, "DELETE", "/api/v1/tokens/"+made.ID, "", h.bearer(t)...); answer.StatusCode != http.StatusNoContent {
		t.Errorf("revoke: %s", answer.Status)
	}
	if answer, _ := h.ask(t, "DELETE", "/api/v1/tokens/"+made.ID, "", h.bearer(t)...); answer.StatusCode != http.StatusNotFound {
		t.Errorf("revoke again: %s", answer.Status)
	}
}

func TestStopSaysGoodbyeToAgents(t *testing.T) {
	h := startHub(t, "")
	a := h.enrolled(t, h.token(t, 1), facts("web1"))
	h.stop()
	if bye := <-a.bye; bye.GetCause() != "stop" {
		t.Errorf("bye %v", bye)
	}
}
