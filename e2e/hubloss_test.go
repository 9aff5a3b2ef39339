//go:build unix

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
)

// TestHubThatLostWhatItConfirmed gives a hub its data of a while ago: restored from an older copy that was taken while it was off, or, copied
// between two of its writes, what a power cut leaves of a disk that had not synced. What it had confirmed since comes again from the agents: every result is there once.
func TestHubThatLostWhatItConfirmed(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T){}
	for _, tt := range []struct {
		name string
		off  bool // the hub is off while it is copied
	}{{"restored from an older copy", true}, {"its disk lost the last it wrote", false}} {
		tests[tt.name] = func(t *testing.T) {
			s := newSite(t)
			book, err := ledger.New(s.Dir, "0.2")
			s.must(err)
			a := s.agent("box", "plugin_dirs = "+book.Plugins())
			s.must(s.hub.Apply(s.ctx, ledger.Checks(10, 2)))
			s.await("runs of every check", func() bool { return book.Began() == 12 && presence(s, a) == "online" })
			results := func() int {
				shown, _ := get[struct{ Results int }](s, "/api/v1/agents/"+a.Fingerprint())
				return shown.Results
			}
			s.await("results", func() bool { return results() > 30 })
			older := filepath.Join(s.Dir, "older")
			if tt.off {
				s.must(s.hub.Stop())
				s.must(copyTree(s.hub.Data, older))
				s.must(s.hub.Start(s.ctx))
			} else { // one moment, as of a power cut: a copy that takes its time has one file from before another's change and one from after it
				s.stopped(s.hub.Process().Cmd.Process.Pid, func() { s.must(copyTree(s.hub.Data, older)) })
			}
			then := results()
			s.await("results that the copy has not", func() bool { return results() > then+60 })
			s.hub.Kill()
			s.must(os.RemoveAll(s.hub.Data))
			s.must(os.Rename(older, s.hub.Data))
			s.must(s.hub.Start(s.ctx))
			s.await("a session", func() bool { return presence(s, a) == "online" })
			s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks: []\n"))
			s.must(ledger.Settle(s.ctx, s.Rig, a))
			tally, err := book.Count(s.ctx, s.hub, a.Fingerprint(), time.Hour)
			s.must(err)
			t.Logf("%d ran, %d arrived, %d told as lost", tally.Ran, tally.Arrived, tally.Told)
			if len(tally.Lost)+len(tally.Doubled)+len(tally.Strange) > 0 {
				t.Errorf("lost %v, doubled %v, strange %v", tally.Lost, tally.Doubled, tally.Strange)
			}
			if log, err := os.ReadFile(filepath.Join(a.Root, "log", "core.log")); err != nil || !strings.Contains(string(log), "verdict=behind") {
				t.Errorf("the hub had lost nothing: %v", err)
			}
			if tally.Arrived < 60 { // the hub's own count has the default checks too, which the ledger does not know
				t.Errorf("only %d results", tally.Arrived)
			}
		}
	}
	sideBySide(t, tests)
}
