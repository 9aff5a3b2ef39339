package gateway_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
)

// The view is judged here, over real sessions, because what it shows is what agents sent.

func TestPastIsReadFromTheStream(t *testing.T) {
	h := startHub(t, settings{})
	a, l := h.join()
	for i := range 250 {
		a.result(1, "disk", wire.State(i/100), fmt.Sprintf("%0*d", i%7+1, i))
		a.result(1, "other", wire.State_STATE_OK, "x")
	}
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	if err := l.drain(1, 40); err != nil {
		t.Fatal(err)
	}
	h.until("500 results", func() bool { d, _ := h.fleet.Agent(a.fingerprint()); return d.Results == 500 })
	ctx, fp := t.Context(), a.fingerprint()

	results, err := h.fleet.Results(ctx, fp, "disk", 10)
	if err != nil || len(results) != 10 || results[0].Seq != 499 || results[9].Seq != 481 || results[0].Long == "" || results[0].Epoch != 1 {
		t.Errorf("%d results, newest %+v, %v", len(results), results[0], err)
	}
	if all, err := h.fleet.Results(ctx, fp, "disk", 5000); err != nil || len(all) != 250 {
		t.Errorf("%d results, %v", len(all), err)
	}
	series, err := h.fleet.Series(ctx, fp, "disk", time.Now().Add(-time.Hour))
	if err != nil || len(series.Labels) != 1 || len(series.Labels[0].Points) != 250 || len(series.States) != 4 {
		t.Fatalf("series %+v, %v", series, err)
	}
	if line := series.Labels[0]; line.Label != "size" || line.Unit != "B" || line.Warn != "10" {
		t.Errorf("line %s %s %s", line.Label, line.Unit, line.Warn)
	}
	if later, err := h.fleet.Series(ctx, fp, "disk", time.Now().Add(time.Hour)); err != nil || len(later.Labels) != 0 || len(later.States) != 0 {
		t.Errorf("series of what is to come %+v, %v", later, err)
	}
	status, err := h.fleet.Check(ctx, fp, "disk")
	if err != nil || status.Last.Long != "long of "+status.Last.Text || status.State != "CRITICAL" || status.Plugin != "builtin:disk" {
		t.Errorf("check %+v, %v", status, err)
	}
	if _, err := h.fleet.Check(ctx, fp, "none"); !errors.Is(err, fleet.ErrUnknownCheck) {
		t.Errorf("unknown check: %v", err)
	}
	if _, err := h.fleet.Series(ctx, "none", "disk", time.Time{}); !errors.Is(err, fleet.ErrUnknownAgent) {
		t.Errorf("unknown agent: %v", err)
	}
}

func TestFind(t *testing.T) {
	h := startHub(t, settings{})
	names := []string{"web", "db", "db"}
	agents := make([]*agent, len(names))
	for i, name := range names {
		agents[i] = newAgent(t, h.token(enrol.Request{}))
		agents[i].hostname = name
		h.connect(agents[i])
		h.untilPresence(agents[i], fleet.Online, "")
	}
	for _, c := range []struct {
		name  string
		want  *agent
		cause error
	}{
		{"web", agents[0], nil},
		{agents[1].fingerprint(), agents[1], nil},
		{agents[2].fingerprint()[:12], agents[2], nil},
		{agents[2].fingerprint()[:3], nil, fleet.ErrUnknownAgent},
		{"db", nil, fleet.ErrAmbiguous},
		{"", nil, fleet.ErrUnknownAgent},
		{"mail", nil, fleet.ErrUnknownAgent},
	} {
		found, err := h.fleet.Find(c.name)
		if !errors.Is(err, c.cause) || (c.want != nil && found.Fingerprint != c.want.fingerprint()) {
			t.Errorf("%q: %s, %v", c.name, found.Fingerprint, err)
		}
	}
	list := h.fleet.Agents()
	if len(list) != 3 || list[0].Hostname != "db" || list[2].Hostname != "web" {
		t.Errorf("list %+v", list)
	}
}

// What a stop saves is what the next start shows, and nothing of the stream is counted twice.
func TestTheViewSurvivesAStop(t *testing.T) {
	dir := t.TempDir()
	h := startHub(t, settings{dir: dir})
	a, l := h.join()
	for range 30 {
		a.result(1, "disk", wire.State_STATE_WARNING, "full")
	}
	a.add(1, &wire.Item{Kind: &wire.Item_Gap{Gap: &wire.Gap{Epoch: 1, First: 4, Last: 9, Cause: "cap"}}})
	a.add(1, &wire.Item{Kind: &wire.Item_LostRun{LostRun: &wire.LostRun{Check: "web", StartNs: time.Now().UnixNano()}}})
	a.add(1, &wire.Item{Kind: &wire.Item_Event{Event: &wire.Event{Kind: "dns-ladder", Text: "lower rung", AtNs: time.Now().UnixNano()}}})
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	if err := l.drain(1, 7); err != nil {
		t.Fatal(err)
	}
	h.until("30 results", func() bool { d, _ := h.fleet.Agent(a.fingerprint()); return d.Results == 30 })
	h.until("six entries", func() bool { return len(h.fleet.Log(100)) == 6 })
	before, _ := h.fleet.Agent(a.fingerprint())
	h.stop()
	h = startHub(t, settings{dir: dir, key: h.key})
	after, err := h.fleet.Agent(a.fingerprint())
	if err != nil {
		t.Fatal(err)
	}
	if after.Results != 30 || len(after.Checks) != 1 || after.Checks[0].Text != before.Checks[0].Text ||
		!after.Checks[0].Since.Equal(before.Checks[0].Since.Time) || after.State != "WARNING" || after.Hostname != "box" {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if status, err := h.fleet.Check(t.Context(), a.fingerprint(), "disk"); err != nil || status.Last.Long != "long of full" {
		t.Errorf("long output after the restart: %q, %v", status.Last.Long, err)
	}
	kinds := map[string]int{}
	for _, e := range h.fleet.Log(100) {
		kinds[e.Kind]++
	}
	if fmt.Sprint(kinds) != "map[agent:1 came:1 enrolled:1 gap:1 left:1 lost-run:1 state:1]" {
		t.Errorf("log %v", kinds)
	}
}

// Backlog drains beside live results: it is counted, and changes nothing that is newer.
func TestOlderGenerationsDoNotOverwriteNewerResults(t *testing.T) {
	h := startHub(t, settings{})
	a, l := h.join()
	a.result(20, "disk", wire.State_STATE_OK, "now")
	a.result(10, "disk", wire.State_STATE_CRITICAL, "long ago")
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	for _, epoch := range []uint64{20, 10} {
		if err := l.drain(epoch, 1); err != nil {
			t.Fatal(err)
		}
	}
	h.until("two results", func() bool { d, _ := h.fleet.Agent(a.fingerprint()); return d.Results == 2 })
	if d, _ := h.fleet.Agent(a.fingerprint()); d.Checks[0].Text != "now" || d.State != "OK" {
		t.Errorf("shown: %+v", d.Checks)
	}
}

func TestAQuietCheckGoesStaleAndOneOfAnOlderRevisionGoes(t *testing.T) {
	h := startHub(t, settings{})
	a, l := h.join()
	for _, name := range []string{"disk", "web"} {
		a.add(1, &wire.Item{Kind: &wire.Item_Result{Result: &wire.Result{Check: name, StartNs: time.Now().UnixNano(), EveryMs: 100}}})
	}
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	if err := l.drain(1, 2); err != nil {
		t.Fatal(err)
	}
	h.until("stale", func() bool {
		d, _ := h.fleet.Agent(a.fingerprint())
		return len(d.Checks) == 2 && d.Checks[0].Stale && d.Checks[1].Stale
	})
	a.add(1, &wire.Item{Kind: &wire.Item_Result{Result: &wire.Result{Check: "disk", StartNs: time.Now().UnixNano(), EveryMs: 60_000, Revision: 2}}})
	if err := l.drain(1, 1); err != nil {
		t.Fatal(err)
	}
	h.until("fresh again", func() bool {
		d, _ := h.fleet.Agent(a.fingerprint())
		return !d.Checks[0].Stale || !d.Checks[1].Stale
	})
	if err := l.send(&wire.Frame{Body: &wire.Frame_RevisionReport{RevisionReport: &wire.RevisionReport{Revision: 2, Accepted: true}}}); err != nil {
		t.Fatal(err)
	}
	h.until("one check", func() bool {
		d, _ := h.fleet.Agent(a.fingerprint())
		return len(d.Checks) == 1 && d.Checks[0].Check == "disk"
	})
}

func TestASlowSubscriberIsClosed(t *testing.T) {
	h := startHub(t, settings{})
	slow := h.fleet.Subscribe()
	defer slow.Close()
	a, l := h.join()
	for range 1500 {
		a.result(1, "disk", wire.State_STATE_OK, "fine")
	}
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	if err := l.drain(1, 1500); err != nil {
		t.Fatal(err)
	}
	h.until("1500 results", func() bool { d, _ := h.fleet.Agent(a.fingerprint()); return d.Results == 1500 })
	h.fleet.Subscribe().Close() // the owner is behind its news
	heard := 0
	for range slow.C() {
		heard++
	}
	if heard != 1024 {
		t.Errorf("heard %d before it was closed", heard)
	}
}

func TestHostileResultsAreClipped(t *testing.T) {
	h := startHub(t, settings{})
	a, l := h.join()
	big := string(make([]byte, 20_000))
	r := &wire.Result{Check: big, State: 99, Text: big, Plugin: big, Signal: big, StartNs: math.MinInt64, DurationNs: math.MinInt64}
	for range 1000 {
		r.Perfdata = append(r.Perfdata, &wire.Perfdata{Label: "x", Value: math.NaN(), Max: new(float64)})
		r.Problems = append(r.Problems, big[:100])
	}
	a.add(1, &wire.Item{Kind: &wire.Item_Result{Result: r}})
	a.add(1, &wire.Item{}) // of a kind to come
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	if err := l.drain(1, 2); err != nil {
		t.Fatal(err)
	}
	h.until("a check", func() bool { d, _ := h.fleet.Agent(a.fingerprint()); return len(d.Checks) == 1 })
	d, _ := h.fleet.Agent(a.fingerprint())
	c := d.Checks[0]
	if len(c.Check) != 64 || len(c.Text) != 4096 || len(c.Last.Perfdata) != 256 || len(c.Last.Problems) != 20 || c.State != "UNKNOWN" {
		t.Errorf("check %d, text %d, perfdata %d, problems %d, state %s", len(c.Check), len(c.Text), len(c.Last.Perfdata), len(c.Last.Problems), c.State)
	}
}
