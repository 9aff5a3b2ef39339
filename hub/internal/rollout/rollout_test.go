package rollout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// said is an agent with what its stub says.
func said(core string, more ...string) (fleet.Agent, fleet.Facts) {
	f := fleet.Facts{More: map[string]string{}}
	for i := 0; i+1 < len(more); i += 2 {
		f.More[more[i]] = more[i+1]
	}
	return fleet.Agent{OS: "linux", Arch: "amd64", CoreHash: core, Presence: fleet.Online}, f
}

// listed names cores as the repository of these tests does.
func listed(channel, platform, hash string) string {
	if platform != "linux-amd64" || channel == "beta" {
		return ""
	}
	return map[string]string{"old": "0.1.0", "new": "0.2.0", "newer": "0.3.0"}[hash]
}

func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		core string
		more []string
		want map[string]outcome
	}{
		"it runs":                       {"new", nil, map[string]outcome{"0.2.0": runs}},
		"placed, not started":           {"old", []string{"trial", "new", "starts", "0"}, map[string]outcome{"0.1.0": runs}},
		"on trial, good runs":           {"old", []string{"trial", "new", "starts", "1", "tries", "2"}, map[string]outcome{"0.1.0": runs, "0.2.0": onTrial}},
		"on trial, it runs":             {"new", []string{"trial", "new", "starts", "1"}, map[string]outcome{"0.2.0": runs}},
		"rejected":                      {"old", []string{"barred", "new:exit"}, map[string]outcome{"0.1.0": runs, "0.2.0": failed}},
		"two rejected, one of them old": {"old", []string{"barred", "gone:hang,newer:regressed"}, map[string]outcome{"0.1.0": runs, "0.3.0": failed}},
		"unbarred and on trial again":   {"old", []string{"trial", "new", "starts", "1", "barred", "newer:exit"}, map[string]outcome{"0.1.0": runs, "0.2.0": onTrial, "0.3.0": failed}},
		"demoted":                       {"old", []string{"barred", "new:demoted"}, map[string]outcome{"0.1.0": runs, "0.2.0": failed}},
		"set aside":                     {"old", []string{"why", "set-aside", "offered", "new"}, map[string]outcome{"0.1.0": runs, "0.2.0": failed}},
		"it waits for its wave":         {"old", []string{"why", "wave", "offered", "new"}, map[string]outcome{"0.1.0": runs}},
		"of another channel":            {"new", []string{"channel", "beta", "barred", "newer:exit"}, map[string]outcome{}},
		"it says nothing":               {"", nil, map[string]outcome{}},
	} {
		a, f := said(c.core, c.more...)
		if got := outcomes(a, f, listed); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestLimit(t *testing.T) {
	for _, c := range []struct {
		limit         Limit
		tried, failed int
		want          bool
	}{
		{DefaultLimit, 0, 0, false},
		{DefaultLimit, 2, 2, false},
		{DefaultLimit, 3, 3, true},
		{DefaultLimit, 60, 3, true},
		{DefaultLimit, 61, 3, false},
		{DefaultLimit, 10_000, 499, false},
		{DefaultLimit, 10_000, 500, true},
		{Limit{0, 1}, 5, 5, false},
		{Limit{100, 1}, 2, 1, false},
		{Limit{100, 1}, 2, 2, true},
		{Limit{1, 10}, 10, 9, false},
	} {
		if got := c.limit.Exceeded(Tally{Tried: c.tried, Failed: c.failed}); got != c.want {
			t.Errorf("%+v: %d of %d: %v", c.limit, c.failed, c.tried, got)
		}
	}
	for _, l := range []Limit{{-1, 3}, {101, 3}, {5, 0}} {
		if l.Sane() {
			t.Errorf("%+v is sane", l)
		}
	}
}

// site is a fleet whose agents say what a test has them say.
type site struct {
	t       *testing.T
	bus     *bus.Bus
	agents  map[string][]string // fingerprint → what it says, its core first
	looked  chan string
	changed int
}

func newSite(t *testing.T, dir string) *site {
	t.Helper()
	b, err := bus.Open(t.Context(), bus.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, bus: b, agents: map[string][]string{}, looked: make(chan string, 100)}
	return s
}

func (s *site) open() *Rollouts {
	s.t.Helper()
	r, err := Open(s.t.Context(), s.bus, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *site) watched() Watched {
	return Watched{
		Agents: func(fn func(fleet.Agent, fleet.Facts)) {
			for finger, words := range s.agents {
				a, f := said(words[0], words[1:]...)
				a.Fingerprint = finger
				fn(a, f)
			}
		},
		Versions: listed,
		Look:     func(_ context.Context, finger string) error { s.looked <- finger; return errors.New("it went away") },
		Changed:  func() { s.changed++ },
	}
}

// some makes so many agents say the same.
func (s *site) some(name string, n int, words ...string) {
	for i := range n {
		s.agents[fmt.Sprint(name, i)] = words
	}
}

func (s *site) logged() (texts []string) {
	err := s.bus.Scan(s.t.Context(), bus.Events, "", bus.Start{Seq: 1}, func(m bus.Message) error {
		e, err := journal.Read(m)
		if e.Kind == journal.Rollout {
			texts = append(texts, e.Cause+" "+e.Attributes["version"]+" "+e.Text)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return texts
}

// TestStopAndResume is the life of a rollout that fails, over a hub's end.
func TestStopAndResume(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, dir)
	r := s.open()
	s.some("idle", 40, "old")
	s.some("good", 10, "new")
	s.some("bad", 2, "old", "barred", "new:exit")
	s.some("trying", 5, "old", "trial", "new", "starts", "1")
	r.round(t.Context(), s.watched())
	if got := r.List(); len(got) != 2 || got[0] != (Rollout{Version: "0.2.0", Tally: Tally{17, 10, 2}}) || got[1] != (Rollout{Version: "0.1.0", Tally: Tally{47, 47, 0}}) {
		t.Fatalf("%+v", got)
	}
	s.some("bad", 3, "old", "barred", "new:exit")
	r.round(t.Context(), s.watched())
	const why = "it failed on 3 of 18 agents that tried it (the limit is 3, and 5 %)"
	if got := r.Stopped("0.2.0"); got != why || r.Stopped("0.1.0") != "" || strings.Join(r.Held(), " ") != "0.2.0" {
		t.Fatalf("stopped because %q, held %v", got, r.Held())
	}
	if len(s.looked) != 5 {
		t.Errorf("%d agents were told to look, those on trial are 5", len(s.looked))
	}
	if got := s.logged(); len(got) != 1 || got[0] != "stopped 0.2.0 the hub stopped the rollout of 0.2.0: "+why+"; limpet-hub resume 0.2.0 lets it go on" {
		t.Errorf("logged %q", got)
	}
	// Nobody fails any more: that lifts nothing.
	s.some("bad", 3, "old")
	r.round(t.Context(), s.watched())
	if r.Stopped("0.2.0") != why {
		t.Error("a stop ended by itself")
	}
	s.some("bad", 3, "old", "barred", "new:exit")

	if err := s.bus.Close(); err != nil {
		t.Fatal(err)
	}
	again := newSite(t, dir)
	again.agents = s.agents
	r = again.open()
	if got := r.Stopped("0.2.0"); got != why {
		t.Fatalf("a hub that starts again says %q", got)
	}
	r.announceAll(t.Context())
	if got := again.logged(); len(got) != 1 {
		t.Errorf("logged again: %q", got)
	}
	// Resumed before anything was counted: what had failed counts no more.
	if err := r.Resume(t.Context(), "0.2.0"); err != nil {
		t.Fatal(err)
	}
	if err := r.Resume(t.Context(), "0.2.0"); !errors.Is(err, ErrNotStopped) {
		t.Errorf("resumed twice: %v", err)
	}
	r.round(t.Context(), again.watched())
	if got := r.Stopped("0.2.0"); got != "" || len(r.Held()) != 0 {
		t.Fatalf("resumed, and stopped again: %q", got)
	}
	again.some("late", 2, "old", "barred", "new:hang")
	r.round(t.Context(), again.watched())
	if got := r.Stopped("0.2.0"); got != "" {
		t.Errorf("two more failed: %q", got)
	}
	// One that failed before is let try again, and fails again: it counts anew.
	again.some("bad", 1, "old")
	r.round(t.Context(), again.watched())
	again.some("bad", 1, "old", "barred", "new:exit")
	r.round(t.Context(), again.watched())
	if got := r.Stopped("0.2.0"); got != "it failed on 3 of 18 agents that tried it, and on 2 more before it was resumed (the limit is 3, and 5 %)" {
		t.Errorf("stopped because %q", got)
	}
	if got := again.logged(); len(got) != 3 || !strings.HasPrefix(got[1], "resumed 0.2.0 ") || !strings.HasPrefix(got[2], "stopped 0.2.0 ") {
		t.Errorf("logged %q", got)
	}
	if err := again.bus.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestALateWordChangesNothing: the bucket's word of what this hub wrote may come when it has written the next already.
func TestALateWordChangesNothing(t *testing.T) {
	s := newSite(t, t.TempDir())
	r := s.open()
	s.some("bad", 3, "old", "barred", "new:exit")
	word := func(key string) bus.Entry {
		t.Helper()
		e, err := r.bucket.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	r.round(t.Context(), s.watched())
	stopped := word(versionKey + "0.2.0")
	if err := errors.Join(r.Resume(t.Context(), "0.2.0"), r.SetLimit(t.Context(), Limit{10, 4})); err != nil {
		t.Fatal(err)
	}
	former := word(limitKey)
	if err := r.SetLimit(t.Context(), Limit{20, 5}); err != nil {
		t.Fatal(err)
	}
	r.take(stopped)
	r.take(former)
	if got := r.Stopped("0.2.0"); got != "" || r.Limit() != (Limit{20, 5}) {
		t.Errorf("stopped again because %q, with the limit %v", got, r.Limit())
	}
	if err := s.bus.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTwoHubs: what one decides the other one knows, and the log says it once.
func TestTwoHubs(t *testing.T) {
	s := newSite(t, t.TempDir())
	one, two := s.open(), s.open()
	s.some("bad", 3, "old", "barred", "new:exit")
	one.round(t.Context(), s.watched())
	<-two.news
	if one.Stopped("0.2.0") == "" || two.Stopped("0.2.0") != one.Stopped("0.2.0") {
		t.Errorf("one says %q, the other %q", one.Stopped("0.2.0"), two.Stopped("0.2.0"))
	}
	two.round(t.Context(), s.watched())
	two.announceAll(t.Context())
	if got := s.logged(); len(got) != 1 {
		t.Errorf("logged %q", got)
	}
	if err := two.SetLimit(t.Context(), Limit{10, 0}); !errors.Is(err, ErrLimit) {
		t.Errorf("a limit of no host: %v", err)
	}
	if err := two.SetLimit(t.Context(), Limit{10, 4}); err != nil {
		t.Fatal(err)
	}
	<-one.news
	for one.Limit() != (Limit{10, 4}) { // its own word may have come first
		<-one.news
	}
	if err := s.bus.Close(); err != nil {
		t.Fatal(err)
	}
}
