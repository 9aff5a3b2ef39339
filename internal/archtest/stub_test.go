package archtest

import (
	"slices"
	"strings"
	"testing"
)

// refused are packages that must not be linked into the stub, by name; what each costs was measured
// (0.5 to 1.5 MB).
var refused = []string{"net", "net/http", "text/template", "html/template", "encoding/json", "log/slog", "log", "crypto/tls", "crypto/x509", "os/user", "os/exec", "regexp"}

// own is all that the stub may link beside the standard library.
var own = []string{
	"stub", "platforms", "platforms/boxfile", "platforms/confine", "platforms/fsys", "platforms/plain", "signing/tuf", "updater/boot", "updater/store",
}

// unlinked are packages that the standard library itself imports, so they are in the closure; what the
// linker takes of them is nothing as long as our own packages leave them alone (platforms/plain has
// what they would be used for). Together they are 170 kB.
var unlinked = []string{"fmt", "encoding/hex"}

// maxPackages caps the closure of the stub, the standard library's internal packages included. It
// was 118 to 130 when this was written; a new Go may need a few more, a careless import needs many.
const maxPackages = 135

func TestWhatTheStubLinks(t *testing.T) {
	for _, system := range systems {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			closure := list(t, system, "-deps", "./stub")
			if len(closure) > maxPackages {
				t.Errorf("%d packages, limit %d", len(closure), maxPackages)
			}
			found := 0
			for _, p := range closure {
				if slices.Contains(refused, p) {
					t.Errorf("links %s", p)
				}
				name, ours := cutModule(p)
				switch {
				case ours && slices.Contains(own, name):
					found++
				case ours:
					t.Errorf("links %s", p)
				case foreign(p) && !strings.HasPrefix(p, "golang.org/x/sys/"):
					t.Errorf("links %s", p)
				}
			}
			if found != len(own) {
				t.Errorf("links %d of our packages, not %d: the list in this test is out of date", found, len(own))
			}
		})
	}
}

func TestTheStubsOwnPackagesLeaveFmtAlone(t *testing.T) {
	for _, system := range systems {
		for _, p := range packages(t, system) {
			if !slices.Contains(own, p.path) {
				continue
			}
			for _, imported := range p.imports {
				if slices.Contains(unlinked, imported) {
					t.Errorf("%s imports %s on %s: see platforms/plain", p.path, imported, system)
				}
			}
		}
	}
}

func cutModule(path string) (string, bool) { return strings.CutPrefix(path, module+"/") }

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	said := map[string]bool{}
	exists := map[string]bool{}
	for _, system := range systems {
		for _, p := range packages(t, system) {
			if p.files == "" {
				continue // tests only, or nothing for this system
			}
			exists[p.path] = true
			said[p.path] = said[p.path] || p.doc != ""
		}
	}
	for path := range exists {
		if !said[path] {
			t.Errorf("%s has no package comment", path)
		}
	}
}

// The functions that the rules stand on tell one thing from another.
func TestMatching(t *testing.T) {
	for _, tt := range []struct {
		path, pattern string
		want          bool
	}{
		{"core", "core/...", true}, {"core/wire", "core/...", true}, {"corefoo", "core/...", false},
		{"core/wire", "core", false}, {"core", "core", true},
	} {
		if got := matches(tt.path, []string{tt.pattern}); got != tt.want {
			t.Errorf("%s %s: %v", tt.path, tt.pattern, got)
		}
	}
	for path, want := range map[string]bool{"net/http": false, "golang.org/x/sys/unix": true, "unsafe": false} {
		if foreign(path) != want {
			t.Errorf("%s: foreign is %v", path, !want)
		}
	}
	if _, ours := cutModule(module + "x/y"); ours {
		t.Error("a module whose name begins like ours is not ours")
	}
}
