package desired

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/site"
)

func openBus(t *testing.T, dir string) *bus.Bus {
	t.Helper()
	b, err := bus.Open(t.Context(), bus.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func openStore(t *testing.T, b *bus.Bus, changed func()) *Store {
	t.Helper()
	s, err := Open(t.Context(), b, changed, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Store) must(t *testing.T, target Target) *wire.Desired {
	t.Helper()
	part, err := s.For(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return part
}

func apply(t *testing.T, s *Store, text string, targets ...Target) Outcome {
	t.Helper()
	o, err := s.Apply(t.Context(), []byte(text), "test", time.Unix(1, 0), targets)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

var (
	web = Target{Fingerprint: strings.Repeat("aa", 32), Hostname: "web1", OS: "linux", Tags: []string{"web"}}
	db  = Target{Fingerprint: strings.Repeat("bb", 32), Hostname: "db1", OS: "linux", Tags: []string{"db"}}
)

const webOnly = "checks:\n  - {name: web, plugin: check_http, on: {tags: [web]}}\n"

func TestNext(t *testing.T) {
	a, b := []byte("a"), []byte("b")
	for _, c := range []struct {
		name     string
		last     given
		hash     []byte
		document uint64
		want     uint64
	}{
		{"defaults alone from the start", given{}, defaultsAlone, 7, 0},
		{"first part of its own", given{}, a, 7, 7},
		{"facts changed it before any document", given{}, a, 0, 1},
		{"nothing changed", given{5, a}, a, 7, 5},
		{"the document changed it", given{5, a}, b, 7, 7},
		{"facts changed it under the same document", given{7, a}, b, 7, 8},
		{"back to the defaults rises too", given{7, a}, defaultsAlone, 7, 8},
	} {
		if got := next(c.last, c.hash, c.document); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestStoreNumbersRiseForWhomSomethingChanged(t *testing.T) {
	b := openBus(t, t.TempDir())
	var changes atomic.Int32
	s := openStore(t, b, func() { changes.Add(1) })
	if got := s.must(t, web); got.Revision != 0 || got.NoDefaults || len(got.Checks) > 0 {
		t.Fatalf("before any document: %v", got)
	}
	o := apply(t, s, webOnly, web, db)
	if o.Revision != 1 || o.Agents != 2 || o.Changed != 1 || len(o.Notes) > 0 {
		t.Errorf("outcome %+v", o)
	}
	if changes.Load() != 1 {
		t.Errorf("changed was called %d times", changes.Load())
	}
	if got := s.must(t, web); got.Revision != 1 || len(got.Checks) != 1 {
		t.Errorf("web: %v", got)
	}
	if got := s.must(t, db); got.Revision != 0 {
		t.Errorf("db: %v", got)
	}
	// The box file gives db the tag: its part changes under the same document.
	tagged := db
	tagged.Tags = []string{"db", "web"}
	if got := s.Revision(tagged); got != 1 {
		t.Errorf("tagged: revision %d", got)
	}
	s.must(t, tagged)
	if got := s.must(t, db); got.Revision != 2 || len(got.Checks) > 0 {
		t.Errorf("the tag taken away again: %v", got)
	}
	// The next document is above every number that was ever given.
	if o := apply(t, s, webOnly+"disable: [swap]\n", web, db); o.Revision != 3 || o.Changed != 2 {
		t.Errorf("outcome %+v", o)
	}
	if o := apply(t, s, webOnly+"disable: [swap]\n", web, db); o.Revision != 3 || o.Changed != 0 {
		t.Errorf("the same again: %+v", o)
	}
}

func TestStoreGoesOnAfterAStop(t *testing.T) {
	dir := t.TempDir()
	b := openBus(t, dir)
	s := openStore(t, b, func() {})
	apply(t, s, webOnly, web)
	before := s.must(t, web)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = openBus(t, dir)
	s = openStore(t, b, func() { t.Error("reading at start is no change") })
	if a := s.Current(); a.Revision != 1 || a.Text != webOnly || a.By != "test" || !a.At.Equal(time.Unix(1, 0)) {
		t.Errorf("current %+v", a)
	}
	if after := s.must(t, web); after.Revision != before.Revision {
		t.Errorf("revision %d, before the stop %d", after.Revision, before.Revision)
	}
}

func TestStoreRefusesMistakesAndKeepsWhatWas(t *testing.T) {
	s := openStore(t, openBus(t, t.TempDir()), func() {})
	apply(t, s, webOnly, web)
	var invalid *Invalid
	_, err := s.Apply(t.Context(), []byte("checks:\n  - {name: x}\n"), "test", time.Now(), nil)
	if !errors.As(err, &invalid) || len(invalid.Problems) != 1 || invalid.Problems[0].Line != 2 {
		t.Errorf("error %v", err)
	}
	if _, err := s.Check([]byte("checks: 3"), nil); !errors.As(err, &invalid) {
		t.Errorf("error %v", err)
	}
	if s.Current().Text != webOnly {
		t.Errorf("current %+v", s.Current())
	}
}

func TestTwoHubsSeeTheSame(t *testing.T) {
	b := openBus(t, t.TempDir())
	heard := make(chan struct{}, 8)
	one, two := openStore(t, b, func() {}), openStore(t, b, func() { heard <- struct{}{} })
	apply(t, one, webOnly, web)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case <-heard:
	case <-ctx.Done():
		t.Fatal("the other hub never heard of it")
	}
	if got := two.must(t, web); got.Revision != 1 || len(got.Checks) != 1 {
		t.Errorf("the other hub gives %v", got)
	}
}

func TestNotesSayWhatWasHardlyMeant(t *testing.T) {
	s := openStore(t, openBus(t, t.TempDir()), func() {})
	o, err := s.Check([]byte(`
checks:
  - {name: disk, builtin: disk}
  - {name: disk, builtin: disk, on: {tags: [web, db]}}
  - {name: bsd, plugin: x, on: {os: [freebsd]}}
`), []Target{web, db})
	want := []string{`check "disk" is meant twice for web1, db1; the later entry stands there`, `check "bsd" in line 5 fits no agent that is enrolled now`}
	if err != nil || !slices.Equal(o.Notes, want) || o.Changed != 2 || s.Current().Revision != 0 {
		t.Errorf("%+v %v", o, err)
	}
}

// What the site's owner signs counts into the parts of those whom it concerns, and of nobody else.
func TestTheSiteCountsIntoParts(t *testing.T) {
	b := openBus(t, t.TempDir())
	var changes atomic.Int32
	s := openStore(t, b, func() { changes.Add(1) })
	plain := Target{Fingerprint: strings.Repeat("1", 64), Hostname: "plain", OS: "linux", Arch: "amd64", Trust: "hub"}
	arm := Target{Fingerprint: strings.Repeat("2", 64), Hostname: "arm", OS: "linux", Arch: "arm64", Trust: "hub"}
	signed := Target{Fingerprint: strings.Repeat("3", 64), Hostname: "signed", OS: "linux", Arch: "amd64", Trust: "signed"}
	view := func(version uint64, plugins ...site.Plugin) *site.View {
		return &site.View{Version: version, Offline: true, Lines: map[string]bool{"builtin disk -w 5%": true}, Plugins: plugins}
	}
	all := site.Plugin{Name: "check_own", SHA256: strings.Repeat("aa", 32)}
	forARM := site.Plugin{Name: "check_own", Platform: "linux-arm64", SHA256: strings.Repeat("bb", 32)}
	s.SetSite(view(4))
	o := apply(t, s, `
checks:
  - {name: own, plugin: check_own, args: [a]}
  - {name: disk, builtin: disk, args: [-w, 5%]}
  - {name: cpu, builtin: cpu}
`, plain, arm, signed)
	if len(o.Notes) != 1 || !strings.Contains(o.Notes[0], `check "own" runs "plugin check_own a", which nobody signed for, and signed run only what is signed`) {
		t.Errorf("notes %q", o.Notes)
	}
	revisions := func() (out [3]uint64) {
		for i, target := range []Target{plain, arm, signed} {
			out[i] = s.must(t, target).Revision
		}
		return out
	}
	if got := revisions(); got != [3]uint64{1, 1, 1} {
		t.Errorf("revisions %v", got)
	}
	if p := s.must(t, plain); p.Site != 0 || len(p.Checks[0].PluginHash) > 0 {
		t.Errorf("nothing of the site is needed: %v", p)
	}
	if p := s.must(t, signed); p.Site != 4 {
		t.Errorf("signed: version %d", p.Site)
	}
	before := changes.Load()
	s.SetSite(view(5, all, forARM))
	if changes.Load() != before+1 {
		t.Error("nobody was told")
	}
	if got := revisions(); got != [3]uint64{2, 2, 2} {
		t.Errorf("a plugin came: revisions %v", got)
	}
	for _, c := range []struct {
		target  Target
		hash    string
		version uint64
	}{{plain, all.SHA256, 1}, {arm, forARM.SHA256, 1}, {signed, all.SHA256, 5}} {
		if p := s.must(t, c.target); hex.EncodeToString(p.Checks[0].PluginHash) != c.hash || p.Site != c.version {
			t.Errorf("%s: %x, version %d", c.target.Hostname, p.Checks[0].PluginHash, p.Site)
		}
	}
	s.SetSite(view(6, all, forARM, site.Plugin{Name: "other", SHA256: strings.Repeat("cc", 32)}))
	if got := revisions(); got != [3]uint64{2, 2, 3} {
		t.Errorf("something was signed that concerns nobody else: revisions %v", got)
	}
}

func TestLinesOfADocument(t *testing.T) {
	d, problems := Parse([]byte(`
checks:
  - {name: a, plugin: check_own, args: [x]}
  - {name: b, plugin: check_own, args: [x], on: {tags: [t]}}
  - {name: c, plugin: check_arm}
  - {name: d, builtin: disk, args: [-w, "a b"]}
`))
	if d == nil {
		t.Fatal(problems)
	}
	v := &site.View{Plugins: []site.Plugin{{Name: "check_own", SHA256: strings.Repeat("aa", 32)}, {Name: "check_arm", Platform: "linux-arm64", SHA256: strings.Repeat("bb", 32)}}}
	got, err := d.Lines(v)
	want := []string{"builtin disk -w 'a b'", "catalog check_arm", "catalog check_own x", "plugin check_arm"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	d, _ = Parse([]byte("checks:\n  - {name: a, plugin: p, args: [\"x\\ny\"]}\n"))
	if _, err := d.Lines(v); err == nil || !strings.Contains(err.Error(), `line 2: check "a"`) {
		t.Errorf("a line end in an argument: %v", err)
	}
}
