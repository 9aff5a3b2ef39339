//go:build unix

package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

var (
	// olds is how many versions before the newest are upgraded and go back.
	olds = flag.Int("olds", 2, "versions before the newest that are upgraded; `make test-upgrades` takes 6")
	// earlier is where builds of earlier commits lie, each in a folder named by its version, instead of the same code under another name.
	earlier = flag.String("earlier", "", "folder of earlier builds 0.1.0, 0.1.1 ...: limpet, limpet-fetch, limpet-core (`make test-earlier` builds some)")
)

// checks is how many run on each box, every second.
const checks = 4

// upgraded is a box on its way.
type upgraded struct {
	*rig.Agent
	book    *ledger.Ledger
	version string // that it was installed with
	counter uint64 // its release
	without int    // runs whose results the hub may never get: the core that came after them cannot read what lies in the buffer
}

// TestUpgradeMatrix: boxes that were installed, stub and all, when each of the last versions was the newest, go to the newest and back.
// Meanwhile the root has changed twice: the oldest stub knows the first one alone, whose keys can sign nothing any more. What a core could not deliver
// the next one does, whichever comes after the other.
func TestUpgradeMatrix(t *testing.T) {
	t.Parallel()
	s := newPublisher(t)
	began := time.Now()
	var versions []string
	boxes := map[string]*upgraded{}
	publish := func(version, online string, signers ...string) {
		s.signed(online, signers...)("publish", "--version", version, "--soak", "10s", "--plain", "--core", rig.Platform+"="+s.program("limpet-core", version))
	}
	for i := range *olds {
		versions = append(versions, fmt.Sprintf("0.1.%d", i))
		publish(versions[i], "timer", "ann", "cid")
	}
	s.must(os.Symlink("publisher", s.path("release")))
	s.starts()
	s.must(s.hub.Apply(s.ctx, ledger.Checks(checks, 0)))
	for i, version := range versions {
		boxes[version] = s.installed(version, uint64(i+1))
	}
	three := people("bob", "cid", "dot")
	s.signed("timer", "bob", "cid")("rotate", "--role", "root=2:"+three, "--role", "targets=2:"+three, "--role", "stable=2:"+three)
	s.signed("timer2", "bob", "dot")("rotate", "--role", "snapshot=1:"+people("online2"), "--role", "timestamp=1:"+people("online2"))
	newest := fmt.Sprintf("0.1.%d", *olds)
	publish(newest, "timer2", "cid", "dot")
	tests := map[string]func(t *testing.T){}
	for _, version := range versions {
		tests[version+" to "+newest+" and back"] = func(t *testing.T) { s.upAndBack(t, boxes[version], newest) }
	}
	sideBySide(t, tests)
	if t.Failed() {
		return
	}
	s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks: []\n"))
	for _, version := range versions {
		s.counted(boxes[version], time.Since(began)+time.Minute)
	}
}

// installed is a box as an installer made it of a version: programs of the stub, and the core that the box file pins.
func (s *publisherSite) installed(version string, counter uint64) *upgraded {
	s.t.Helper()
	a := &upgraded{Agent: s.NewAgent("box-" + version), version: version, counter: counter}
	var err error
	a.book, err = ledger.New(s.path("book-"+version), "2")
	s.must(err)
	s.must(os.MkdirAll(filepath.Join(a.Root, "etc"), 0o755))
	s.must(a.box(s.hub.URL(), "pin = "+version))
	s.must(a.Bootstrap(s.ctx, s.hub))
	for _, name := range []string{"limpet", "limpet-fetch"} {
		data, err := os.ReadFile(s.program(name, version))
		s.must(err)
		s.must(os.WriteFile(filepath.Join(a.Root, "bin", name), data, 0o755))
	}
	if roots, err := os.ReadFile(filepath.Join(a.Root, "state", "trust", "core", "root.json")); err != nil || !strings.Contains(string(roots), `"version":1`) {
		s.t.Fatalf("the box of %s does not trust the first root: %v", version, err)
	}
	return a
}

// box writes its box file.
func (a *upgraded) box(hub string, more ...string) error {
	return a.Box(append(more, "hub = "+hub, "plugin_dirs = "+a.book.Plugins())...)
}

func (s *publisherSite) upAndBack(t *testing.T, a *upgraded, newest string) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.StartInstalled())
	s.t.Cleanup(func() { a.Stop() })
	s.runs(t, a, a.counter, a.version)
	must(a.box(s.hub.URL()))
	must(a.Reload())
	s.runs(t, a, uint64(*olds+1), newest)
	if root, err := os.ReadFile(filepath.Join(a.Root, "state", "trust", "core", "root.json")); err != nil || !strings.Contains(string(root), `"version":3`) {
		t.Errorf("it did not follow to the third root: %v", err)
	}
	_, err := s.Run(s.ctx, "limpet", "rollback", "--root", a.Root, a.version)
	must(err)
	s.runs(t, a, a.counter, a.version)
	if bars := a.Record().Barred[0]; bars.Counter != 0 {
		t.Errorf("barred: release %d", bars.Counter)
	}
	s.offline(t, a)
	own := a.format()
	must(a.StartInstalled())
	s.runs(t, a, uint64(*olds+1), newest)
	s.delivered(t, a)
	n := s.offline(t, a, "pin = "+a.version)
	if a.format() != own {
		a.without = n // docs/buffer-format.md, "Format 1"
	}
	newer, _ := filepath.Glob(filepath.Join(a.Root, "ver", fmt.Sprintf("%d-*", *olds+1)))
	for _, dir := range newer {
		must(os.RemoveAll(dir))
	}
	must(a.StartInstalled())
	s.runs(t, a, a.counter, a.version)
	var log []struct{ Kind, Fingerprint, Text string }
	must(s.hub.Get(s.ctx, "/api/v1/log?limit=1000", &log))
	for _, e := range log {
		if e.Fingerprint == a.Fingerprint() && (e.Kind == "gap" || e.Kind == "lost-run") {
			t.Errorf("%s: %s", e.Kind, e.Text)
		}
	}
}

// runs waits until the box runs a version, and the hub shows it.
func (s *publisherSite) runs(t *testing.T, a *upgraded, counter uint64, version string) {
	t.Helper()
	err := rig.AwaitPatiently(s.ctx, a.Root+" to run "+version+", and the hub to show it", func(ctx context.Context) (bool, error) {
		r := a.Record()
		var shown struct {
			Presence    string
			CoreVersion string `json:"core_version"`
			StubVersion string `json:"stub_version"`
		}
		err := s.hub.Get(ctx, "/api/v1/agents/"+a.Fingerprint(), &shown)
		return err == nil && r.Good.Counter == counter && r.Trial.None() && shown.Presence == "online" && shown.CoreVersion == version &&
			strings.HasPrefix(shown.StubVersion, a.version), nil
	})
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(a.Root, "log", "limpet.log"))
		t.Fatalf("%v\n%s", err, log)
	}
	var said string
	err = rig.AwaitPatiently(s.ctx, "status to say so", func(ctx context.Context) (bool, error) { // it gives the core a few seconds to answer
		out, err := s.Run(ctx, "limpet", "status", "--root", a.Root)
		if ctx.Err() == nil { // else it was cut off
			said = fmt.Sprint(out, err)
		}
		return err == nil && strings.Contains(out, "core "+version), nil
	})
	if err != nil {
		t.Errorf("%s: %v; it said last:\n%s", version, err, said)
	}
}

// format is the version of the newest segment in its buffer.
func (a *upgraded) format() byte {
	segments, _ := filepath.Glob(filepath.Join(a.Root, "state", "buffer", "*", "*.seg"))
	if len(segments) == 0 {
		return 0
	}
	data, _ := os.ReadFile(segments[len(segments)-1])
	return data[len("LIMPSEG")]
}

// offline has the core that runs collect results that it cannot deliver, and says of how many runs. Then the box is stopped, with these lines in its box
// file, and no record that holds: its stub starts the newest release that is in place.
func (s *publisherSite) offline(t *testing.T, a *upgraded, lines ...string) (runs int) {
	t.Helper()
	before := 0
	steps := []func() error{
		a.Stop,
		func() error { return a.box("https://nowhere.invalid:1") }, // whoever answers at an address that the core remembers is not that one
		a.StartInstalled,
		func() error {
			before = a.book.Ran()
			return rig.AwaitPatiently(s.ctx, "ten runs of each check without a hub", func(context.Context) (bool, error) { return a.book.Ran() >= before+10*checks, nil })
		},
		func() error {
			var shown struct{ Presence string }
			err := s.hub.Get(s.ctx, "/api/v1/agents/"+a.Fingerprint(), &shown)
			if err == nil && shown.Presence == "online" {
				err = errors.New("it has a session: what it collected is at the hub")
			}
			return err
		},
		a.Stop,
		func() error { return a.box(s.hub.URL(), lines...) },
		func() error { return a.spoil("rec0") },
		func() error { return a.spoil("rec1") },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return a.book.Ran() - before
}

// delivered waits until the core that runs has brought what the one before it could not. That one would bring it itself when it comes back.
func (s *publisherSite) delivered(t *testing.T, a *upgraded) {
	t.Helper()
	now, err := ledger.Uptime()
	s.must(err)
	var tally ledger.Tally
	err = rig.AwaitPatiently(s.ctx, "the results of the core before", func(context.Context) (bool, error) {
		tally, err = a.book.CountWith(s.ctx, s.hub, a.Fingerprint(), siteTime, new(ledger.Told))
		return !slices.ContainsFunc(tally.Lost, func(word string) bool { return ledger.When(word) < now }), err
	})
	if err != nil {
		t.Errorf("not at the hub: %v: %v", tally.Lost, err)
	}
}

// spoil makes a sector of its record none.
func (a *upgraded) spoil(sector string) error {
	return os.WriteFile(filepath.Join(a.Root, "state", sector), bytes.Repeat([]byte{0xff}, boot.Size), 0o644)
}

// counted holds what ran on a box against what the hub has of it.
func (s *publisherSite) counted(a *upgraded, back time.Duration) {
	s.t.Helper()
	s.must(ledger.Settle(s.ctx, s.Rig, a.Agent))
	tally, err := a.book.Count(s.ctx, s.hub, a.Fingerprint(), back)
	s.must(err)
	s.t.Logf("box of %s: %d runs, %d at the hub", a.version, tally.Ran, tally.Arrived)
	if len(tally.Lost) <= a.without {
		tally.Lost = nil
	}
	for what, list := range map[string][]string{"lost": tally.Lost, "more than once at the hub": tally.Doubled, "at the hub and never ran": tally.Strange} {
		if len(list) > 0 {
			s.t.Errorf("box of %s: %s: %v", a.version, what, list)
		}
	}
}
