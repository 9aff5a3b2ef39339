package offer

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

func TestWhy(t *testing.T) {
	const hub = "held by the hub"
	o := fleet.Offer{Version: "0.2.0", Hash: "abcdef0123456789", Counter: 2}
	online := fleet.Agent{Presence: fleet.Online, CoreHash: "old"}
	for _, c := range []struct {
		agent fleet.Agent
		more  map[string]string
		held  string
		want  string
	}{
		{fleet.Agent{Presence: fleet.Offline, CoreHash: o.Hash}, nil, hub, ""},
		{fleet.Agent{Presence: fleet.Offline, CoreHash: "old"}, nil, hub, "it has no session"},
		{online, map[string]string{"barred": "99999999,abcdef01"}, hub, "it was rejected there"},
		{online, map[string]string{"barred": "abcdef0123456789:exit"}, "", "it was rejected there"},
		{online, map[string]string{"offered": o.Hash, "why": "wave", "why_text": "its_wave_comes_later"}, "", "its wave comes later"},
		{online, map[string]string{"offered": "another", "why": "wave", "why_text": "its_wave_comes_later"}, "", "wave"},
		{online, map[string]string{"offered": o.Hash, "why": "held-by-mirror", "why_text": "the_mirror_holds_it_back"}, hub, "held by the hub"},
		{online, map[string]string{"offered": o.Hash, "why": "held-by-mirror", "why_text": "the_mirror_holds_it_back"}, "", "the mirror holds it back"},
		{online, map[string]string{"barred": "abc", "pin": "0.1.0"}, hub, "pinned to 0.1.0"},
		{online, map[string]string{"hold": "yes"}, hub, "held by the box"},
		{online, map[string]string{"why": "wave-not-open"}, hub, "held by the hub"},
		{online, map[string]string{"counter": "3", "why": "x"}, "", "it runs a later release than is listed"},
		{online, map[string]string{"counter": "1", "why": "wave-not-open", "phase": "soak"}, "", "wave not open"},
		{online, map[string]string{"phase": "fetch"}, "", "on its way: fetch"},
		{online, map[string]string{"phase": "idle", "pin": "0.2.0", "hold": "no"}, "", "it has not looked yet"},
	} {
		if got := why(c.agent, c.more, o, c.held, ""); got != c.want {
			t.Errorf("%v held %q: %q, want %q", c.more, c.held, got, c.want)
		}
	}
}

func TestShelfFollowsTheRepository(t *testing.T) {
	dir := t.TempDir()
	key, err := signing.Generate(true)
	if err != nil {
		t.Fatal(err)
	}
	shelf := Open(dir, func(string, string) string { return "" }, slog.New(slog.DiscardHandler))
	a := fleet.Agent{Presence: fleet.Online, OS: "linux", Arch: "amd64", CoreHash: "old"}
	if o := shelf.For(a, fleet.Facts{}); o.Version != "" || o.Why != "" || o.Channel != "stable" {
		t.Errorf("nothing is listed: %+v", o)
	}
	changed, published := make(chan struct{}, 1), atomic.Int32{}
	go shelf.Run(t.Context(), func() { changed <- struct{}{} }, func() { published.Add(1) })
	r, err := repo.Create(fsys.Disk{}, dir, func(string) (signing.Key, error) { return key, nil }, true)
	if err != nil {
		t.Fatal(err)
	}
	rel := repo.Release{Channel: "stable", Version: "0.2.0", Counter: 7, Soak: 3 * time.Second, Contract: 1}
	if _, err := r.AddRelease(rel, map[string][]byte{"linux-amd64": []byte("core")}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(time.Now()); err != nil {
		t.Fatal(err)
	}
	<-changed
	for shelf.Set() == nil { // its first look may have found half of it
		<-changed
	}
	o := shelf.For(a, fleet.Facts{})
	if v := shelf.Version("", "linux-amd64", o.Hash); v != "0.2.0" || shelf.Version("beta", "linux-amd64", o.Hash) != "" {
		t.Errorf("the core is called %q", v)
	}
	if o.Version != "0.2.0" || o.Counter != 7 || o.Why != "it has not looked yet" {
		t.Errorf("offered %+v", o)
	}
	a.CoreHash = o.Hash
	if o := shelf.For(a, fleet.Facts{}); o.Why != "" {
		t.Errorf("runs it, and %q", o.Why)
	}
	a.Arch = "mips"
	if o := shelf.For(a, fleet.Facts{}); o.Version != "" || o.Why != "no release is listed for linux-mips in channel stable" {
		t.Errorf("another platform is offered %+v", o)
	}

	// What is signed anew is no news; another release is.
	told := func(want int32) {
		t.Helper()
		for deadline := time.After(time.Minute); published.Load() < want; {
			select {
			case <-changed:
			case <-time.After(lookEvery / 10):
			case <-deadline:
				t.Fatalf("told of %d releases, want %d", published.Load(), want)
			}
		}
		if got := published.Load(); got > want {
			t.Errorf("told of %d releases, want %d", got, want)
		}
	}
	commit := func() {
		t.Helper()
		before := shelf.Set()
		if _, err := r.Commit(time.Now()); err != nil {
			t.Fatal(err)
		}
		for shelf.Set() == before {
			<-changed
		}
	}
	told(1)
	r.Refresh(time.Now())
	commit()
	rel.Version, rel.Counter = "0.3.0", 8
	if _, err := r.AddRelease(rel, map[string][]byte{"linux-amd64": []byte("newer core")}); err != nil {
		t.Fatal(err)
	}
	commit()
	told(2)
}

// What is published between Open and Run, while a hub starts, is noticed as what comes later.
func TestWhatIsPublishedMeanwhileIsNoticed(t *testing.T) {
	dir := t.TempDir()
	key, err := signing.Generate(true)
	if err != nil {
		t.Fatal(err)
	}
	shelf := Open(dir, func(string, string) string { return "" }, slog.New(slog.DiscardHandler))
	r, err := repo.Create(fsys.Disk{}, dir, func(string) (signing.Key, error) { return key, nil }, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(time.Now()); err != nil {
		t.Fatal(err)
	}
	ctx, noticed := context.WithCancel(t.Context())
	never := time.AfterFunc(time.Minute, noticed)
	shelf.Run(ctx, func() {}, noticed)
	if !never.Stop() || shelf.Set() == nil {
		t.Error("it was never noticed")
	}
}

// The hub says of a box what limpet-release waves says of it: in which cohort it is, and when its wave opens.
func TestWavesOfAnAgent(t *testing.T) {
	dir := t.TempDir()
	key, err := signing.Generate(true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repo.Create(fsys.Disk{}, dir, func(string) (signing.Key, error) { return key, nil }, true)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	waves := []tuf.Wave{{From: now.Add(-time.Hour), Percent: 10}, {From: now.Add(time.Hour), Percent: 50}}
	rel := repo.Release{Channel: "stable", Version: "0.2.0", Soak: 10 * time.Second, Contract: 1, Waves: waves}
	if _, err := r.AddRelease(rel, map[string][]byte{"linux-amd64": []byte("core")}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(now); err != nil {
		t.Fatal(err)
	}
	shelf := Open(dir, func(string, string) string { return "" }, slog.New(slog.DiscardHandler))
	for finger, want := range map[string]struct { // the cohorts are those of the published function, computed elsewhere
		cohort int
		opens  time.Time
		why    string
	}{
		strings.Repeat("ab", 32):        {845, waves[0].From, "it has not looked yet"},
		strings.Repeat("0", 63) + "1":   {5351, time.Time{}, "its wave is not planned yet"},
		strings.Repeat("00", 31) + "07": {},
	} {
		a := fleet.Agent{Fingerprint: finger, Presence: fleet.Online, OS: "linux", Arch: "amd64", CoreHash: "old"}
		o := shelf.For(a, fleet.Facts{})
		if want.why == "" { // whatever its cohort is, the three agree
			opens, some := tuf.OpensTo(waves, o.Cohort)
			if o.Cohort != tuf.Cohort(finger, "0.2.0") || !o.Opens.Equal(opens) || some && opens.After(now) != strings.Contains(o.Why, "its wave opens at "+opens.Format(time.RFC3339)) {
				t.Errorf("%s: %+v", finger, o)
			}
			continue
		}
		if o.Cohort != want.cohort || !o.Opens.Equal(want.opens) || o.Why != want.why {
			t.Errorf("%s: %+v, want %+v", finger, o, want)
		}
	}
	spoken := fleet.Facts{More: map[string]string{"why": "wave", "why_text": "its_wave_comes_later"}}
	a := fleet.Agent{Fingerprint: strings.Repeat("0", 63) + "1", Presence: fleet.Online, OS: "linux", Arch: "amd64", CoreHash: "old"}
	if o := shelf.For(a, spoken); o.Why != "its wave is not planned yet" {
		t.Errorf("the box says it waits for its wave, the hub %q", o.Why)
	}
}
