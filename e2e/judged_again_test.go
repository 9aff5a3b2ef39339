//go:build unix

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The box file changes its mind about a revision that runs, and again: each time the hub hears what became of it, and nobody has to come again for that.
func TestABoxFileThatIsReadAgainJudgesTheRevision(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.agent("box")
	s.must(s.hub.Apply(s.ctx, "checks:\n  - {name: again, builtin: uptime, every: 1s}\n"))
	type detail struct {
		Revision         uint64
		RevisionProblems []string `json:"revision_problems"`
	}
	s.await("a session", func() bool { return presence(s, a) == "online" })
	path := "/api/v1/agents/" + a.Fingerprint()
	runs := func() bool {
		var now scheduled
		if !s.status(a, &now) {
			return false
		}
		shown := slices.ContainsFunc(now.Core.Problems, func(p string) bool { return strings.Contains(p, "rejected") })
		for _, c := range now.Core.Checks {
			if c.Name == "again" {
				return !shown
			}
		}
		return false
	}
	s.await("the revision taken", func() bool {
		d, ok := get[detail](s, path)
		return ok && d.Revision > 0 && len(d.RevisionProblems) == 0 && runs()
	})
	conf := filepath.Join(a.Root, "etc", "limpet.conf")
	text, err := os.ReadFile(conf)
	s.must(err)
	for range 2 {
		s.must(a.Configure("never = again"))
		s.must(a.Reload())
		s.await("the hub to hear that it does not run any more", func() bool {
			d, ok := get[detail](s, path)
			return ok && strings.Contains(strings.Join(d.RevisionProblems, "\n"), "never = again")
		})
		s.must(os.WriteFile(conf, text, 0o644))
		s.must(a.Reload())
		s.await("the hub to hear that it runs again", func() bool {
			d, ok := get[detail](s, path)
			return ok && len(d.RevisionProblems) == 0 && runs()
		})
	}
}
