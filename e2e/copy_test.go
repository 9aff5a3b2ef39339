//go:build unix

package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// TestACopiedRootIsAnotherAgent copies the folder of a running agent and starts the copy beside it, on the same machine: both run, the later one
// under a key and a name of its own, and of both every result is at the hub once. Started again, each is who it was.
func TestACopiedRootIsAnotherAgent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	books := map[string]*ledger.Ledger{}
	for _, name := range []string{"first", "second"} {
		book, err := ledger.New(filepath.Join(s.Dir, "ledger-"+name), "0.2")
		s.must(err)
		books[name] = book
	}
	first := s.agent("first", "plugin_dirs = "+books["first"].Plugins())
	s.must(s.hub.Apply(s.ctx, ledger.Checks(6, 2)))
	s.await("runs of every check", func() bool { return books["first"].Began() == 8 && presence(s, first) == "online" })

	second := s.NewAgent("second")
	s.must(copyTree(first.Root, second.Root))
	s.must(os.WriteFile(filepath.Join(second.Root, "etc", "limpet.conf"), []byte("hub = "+s.hub.URL()+"\nplugin_dirs = "+books["second"].Plugins()+"\n"), 0o644))
	if second.Fingerprint() != first.Fingerprint() {
		t.Fatal("no copy")
	}
	s.must(second.Start())
	t.Cleanup(func() { second.Stop() })
	s.await("the copy under another name", func() bool {
		return second.Fingerprint() != first.Fingerprint() && presence(s, second) == "online"
	})
	s.await("runs of the copy", func() bool { return books["second"].Began() == 8 })
	if presence(s, first) != "online" {
		t.Error("the first one was thrown out")
	}
	names := map[string]string{"first": first.Fingerprint(), "second": second.Fingerprint()}
	for _, a := range []*rig.Agent{first, second} { // each life has its own generation, and what the one before left
		s.must(a.Stop())
		s.must(a.Start())
	}
	s.await("both again", func() bool { return presence(s, first) == "online" && presence(s, second) == "online" })
	s.holds(6*time.Second, "both are there", func() bool { return presence(s, first) == "online" && presence(s, second) == "online" })
	if first.Fingerprint() != names["first"] || second.Fingerprint() != names["second"] {
		t.Errorf("they are others now: %s, %s", first.Fingerprint(), second.Fingerprint())
	}
	shown, _ := get[struct {
		Name       string
		ClonedFrom string `json:"cloned_from"`
	}](s, "/api/v1/agents/"+second.Fingerprint())
	host, _ := os.Hostname()
	if shown.ClonedFrom != first.Fingerprint() || shown.Name != host+"~"+second.Fingerprint()[:6] {
		t.Errorf("the copy is shown as %+v", shown)
	}
	s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks: []\n"))
	for name, a := range map[string]*rig.Agent{"first": first, "second": second} {
		s.must(ledger.Settle(s.ctx, s.Rig, a))
		tally, err := books[name].Count(s.ctx, s.hub, a.Fingerprint(), time.Hour)
		s.must(err)
		t.Logf("%s: %d ran, %d arrived, %d told as lost", name, tally.Ran, tally.Arrived, tally.Told)
		// Runs of the first were under way when it was copied: the copy tells them as lost, too.
		if len(tally.Lost)+len(tally.Doubled)+len(tally.Strange) > 0 {
			t.Errorf("%s: lost %v, doubled %v, strange %v", name, tally.Lost, tally.Doubled, tally.Strange)
		}
		if tally.Arrived < 30 {
			t.Errorf("%s: only %d results", name, tally.Arrived)
		}
	}
}

// copyTree copies a folder whose files may change or go meanwhile, as a person's cp does; sockets and pipes stay behind.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(name string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, name)
		target := filepath.Join(to, rel)
		switch {
		case os.IsNotExist(err):
			return nil
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Type()&os.ModeSymlink != 0:
			link, err := os.Readlink(name)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, info.Mode().Perm())
	})
}
