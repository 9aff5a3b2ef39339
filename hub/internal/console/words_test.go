package console

import (
	"bytes"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
)

func TestTimesInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "just now", 4 * time.Second: "just now", 59 * time.Second: "59 s ago", 61 * time.Second: "1 min ago", time.Hour: "1 h ago",
		47 * time.Hour: "47 h ago", 49 * time.Hour: "2 days ago", -time.Second: "just now", -90 * time.Minute: "in 1 h",
	} {
		if got := ago(d); got != want {
			t.Errorf("ago(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestAgentsLookLikeWhatIsWrongWithThem(t *testing.T) {
	for _, c := range []struct {
		agent                 fleet.Agent
		class, word, presence string
	}{
		{fleet.Agent{Presence: fleet.Online, State: "CRITICAL"}, "critical", "Critical", "online"},
		{fleet.Agent{Presence: fleet.Online}, "none", "No result", "online"},
		{fleet.Agent{Presence: fleet.Upgrading, State: "OK"}, "ok", "OK", "upgrading"},
		{fleet.Agent{Presence: fleet.Offline, Cause: "lost", State: "OK"}, "lost", "Lost", "lost"},
		{fleet.Agent{Presence: fleet.Offline, Cause: "shutdown", State: "CRITICAL"}, "none", "Away", "box shut down"},
		{fleet.Agent{Presence: fleet.Offline, Cause: "something-new"}, "none", "Away", "something-new"},
	} {
		if class, word, presence := agentClass(c.agent), agentWord(c.agent), presenceWord(c.agent); class != c.class || word != c.word || presence != c.presence {
			t.Errorf("%+v: %s, %s, %s", c.agent, class, word, presence)
		}
	}
}

func TestRowsAreWorstFirstAndFitTheSearch(t *testing.T) {
	agents := []fleet.Agent{
		{Name: "ok1", Presence: fleet.Online, State: "OK", Tags: []string{"web"}},
		{Name: "away", Presence: fleet.Offline, Cause: "stop", State: "CRITICAL"},
		{Name: "bad", Presence: fleet.Online, State: "CRITICAL", Addresses: []string{"192.0.2.9"}},
		{Name: "lost", Presence: fleet.Offline, Cause: "lost", State: "OK", Tags: []string{"web", "eu"}},
	}
	names := func(query, show string) (all []string) {
		for _, a := range rows(agents, query, show) {
			all = append(all, a.Name)
		}
		return all
	}
	for _, c := range []struct {
		query, show string
		want        []string
	}{
		{"", "", []string{"lost", "bad", "ok1", "away"}}, {"WEB", "", []string{"lost", "ok1"}}, {"web eu", "", []string{"lost"}},
		{"192.0", "", []string{"bad"}}, {"", "critical", []string{"bad"}}, {"web", "critical", nil},
	} {
		if got := names(c.query, c.show); !slices.Equal(got, c.want) {
			t.Errorf("%q %q: %v", c.query, c.show, got)
		}
	}
}

func TestSmallWords(t *testing.T) {
	if got := number(fleet.Number(math.NaN())); got != "not measured" {
		t.Error(got)
	}
	soft := &fleet.Standing{Attempt: 1, Attempts: 3, Flapping: true, FlapPercent: 31.6}
	if got := remarks(fleet.Result{Standing: soft}); len(got) != 1 || got[0] != "soft 1/3, flapping (32 %)" {
		t.Errorf("remarks %q", got)
	}
	if got := remarks(fleet.Result{Standing: &fleet.Standing{Hard: true}}); len(got) != 0 {
		t.Errorf("remarks %q", got)
	}
	if got := remarks(fleet.Result{TimedOut: true, Signal: "SIGKILL", Problems: []string{"p"}}); len(got) != 3 {
		t.Error(got)
	}
	if got := every(0) + every(30_000) + every(86_400_000); got != "by cronevery 30 severy 24 h" {
		t.Error(got)
	}
}

func newConsole(t *testing.T) *Console {
	t.Helper()
	c, err := New(Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestScriptsFindWhatTheyFill: a name that a script asks for and no page has is a mistake that no compiler sees.
func TestScriptsFindWhatTheyFill(t *testing.T) {
	c := newConsole(t)
	var pages bytes.Buffer
	entries, err := files.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := files.ReadFile("templates/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		pages.Write(text)
	}
	html := pages.String()
	for name, a := range c.assets {
		if !strings.HasSuffix(name, ".js") {
			continue
		}
		for _, m := range regexp.MustCompile(`\$\('([a-z-]+)'\)|stamp\('([a-z-]+)'\)`).FindAllSubmatch(a.body, -1) {
			if id := string(m[1]) + string(m[2]); !strings.Contains(html, `id="`+id+`"`) {
				t.Errorf("%s asks for #%s, which no page has", name, id)
			}
		}
		for _, m := range regexp.MustCompile(`field\([a-z.]+, '([a-z_]+)'\)`).FindAllSubmatch(a.body, -1) {
			key := string(m[1])
			if !strings.Contains(html, `data-f="`+key+`"`) && !slices.Contains([]string{"revision", "results", "last_seen", "offer", "update"}, key) {
				t.Errorf("%s asks for the field %s, which no page has", name, key)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?:style|onclick|onload)=`).FindAllString(html, -1) {
		t.Errorf("%s in a page: the content security policy refuses it", m)
	}
}

func TestPagesFetchNothingFromElsewhere(t *testing.T) {
	for name, a := range newConsole(t).assets {
		for _, m := range regexp.MustCompile(`https?://[^\s"')]+`).FindAllString(string(a.body), -1) {
			if m != "http://www.w3.org/2000/svg" {
				t.Errorf("%s names %s", name, m)
			}
		}
	}
}

func TestAssetsHaveTheirTypes(t *testing.T) {
	c := newConsole(t)
	mux := http.NewServeMux()
	c.Register(mux, func(h http.Handler) http.Handler { return h })
	for name, want := range map[string]string{"base.css": "text/css", "shell.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", "/assets/"+name, nil))
		body, _ := io.ReadAll(w.Body)
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), want) || len(body) == 0 {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
}
