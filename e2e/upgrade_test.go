//go:build unix

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// olds is how many versions before the newest are upgraded and go back.
var olds = flag.Int("olds", 2, "versions before the newest that are upgraded; `make test-upgrades` takes 6")

// TestUpgradeMatrix: boxes that were installed, stub and all, when each of the last versions was the newest, go to the newest and back.
// Meanwhile the root has changed twice: the oldest stub knows the first one alone, whose keys can sign nothing any more.
func TestUpgradeMatrix(t *testing.T) {
	s := newPublisher(t)
	var versions []string
	boxes := map[string]*rig.Agent{}
	publish := func(version, online string, signers ...string) {
		s.signed(online, signers...)("publish", "--version", version, "--soak", "10s", "--plain", "--core", rig.Platform+"="+s.program("limpet-core", version))
	}
	for i := range *olds {
		versions = append(versions, fmt.Sprintf("0.1.%d", i))
		publish(versions[i], "timer", "ann", "cid")
	}
	s.must(os.Symlink("publisher", s.path("release")))
	s.starts()
	for _, version := range versions {
		boxes[version] = s.installed(version)
	}
	three := people("bob", "cid", "dot")
	s.signed("timer", "bob", "cid")("rotate", "--role", "root=2:"+three, "--role", "targets=2:"+three, "--role", "stable=2:"+three)
	s.signed("timer2", "bob", "dot")("rotate", "--role", "snapshot=1:"+people("online2"), "--role", "timestamp=1:"+people("online2"))
	newest := fmt.Sprintf("0.1.%d", *olds)
	publish(newest, "timer2", "cid", "dot")
	for i, version := range versions {
		t.Run(version+" to "+newest+" and back", func(t *testing.T) {
			t.Parallel()
			s.upAndBack(t, boxes[version], uint64(i+1), version, newest)
		})
	}
}

// installed is a box as an installer made it of a version: programs of the stub, and the core that the box file pins.
func (s *publisherSite) installed(version string) *rig.Agent {
	s.t.Helper()
	a := s.NewAgent("box-" + version)
	s.must(os.MkdirAll(filepath.Join(a.Root, "etc"), 0o755))
	s.must(a.Configure("hub = "+s.hub.URL(), "pin = "+version))
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

func (s *publisherSite) upAndBack(t *testing.T, a *rig.Agent, counter uint64, version, newest string) {
	if err := a.StartInstalled(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Stop() })
	runs := func(counter uint64, version string) {
		t.Helper()
		err := rig.Await(s.ctx, 2*time.Minute, a.Root+" to run "+version+", and the hub to show it", func(ctx context.Context) (bool, error) {
			r := a.Record()
			var shown struct {
				Presence    string
				CoreVersion string `json:"core_version"`
				StubVersion string `json:"stub_version"`
			}
			err := s.hub.Get(ctx, "/api/v1/agents/"+a.Fingerprint(), &shown)
			return err == nil && r.Good.Counter == counter && r.Trial.None() && shown.Presence == "online" && shown.CoreVersion == version &&
				strings.HasPrefix(shown.StubVersion, filepath.Base(a.Root)[len("box-"):]), nil
		})
		if err != nil {
			log, _ := os.ReadFile(filepath.Join(a.Root, "log", "limpet.log"))
			t.Fatalf("%v\n%s", err, log)
		}
		if out, err := s.Run(s.ctx, "limpet", "status", "--root", a.Root); err != nil || !strings.Contains(out, "core "+version) {
			t.Errorf("%s: %v\n%s", version, err, out)
		}
	}
	runs(counter, version)
	conf := filepath.Join(a.Root, "etc", "limpet.conf")
	if err := os.WriteFile(conf, []byte("hub = "+s.hub.URL()+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	runs(uint64(*olds+1), newest)
	if root, err := os.ReadFile(filepath.Join(a.Root, "state", "trust", "core", "root.json")); err != nil || !strings.Contains(string(root), `"version":3`) {
		t.Errorf("it did not follow to the third root: %v", err)
	}
	if _, err := s.Run(s.ctx, "limpet", "rollback", "--root", a.Root, version); err != nil {
		t.Fatal(err)
	}
	runs(counter, version)
	if bars := a.Record().Barred[0]; bars.Counter != 0 {
		t.Errorf("barred: release %d", bars.Counter)
	}
	var log []struct{ Kind, Fingerprint, Text string }
	if err := s.hub.Get(s.ctx, "/api/v1/log?limit=1000", &log); err != nil {
		t.Fatal(err)
	}
	for _, e := range log {
		if e.Fingerprint == a.Fingerprint() && (e.Kind == "gap" || e.Kind == "lost-run") {
			t.Errorf("%s: %s", e.Kind, e.Text)
		}
	}
}
