package archtest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/limpet-monitoring/limpet"

// systems are those that the programs are built for.
var systems = []string{"linux", "windows", "darwin", "freebsd"}

// pkg is one package as the go command sees it for one system.
type pkg struct {
	path    string // below the module
	name    string
	files   string
	doc     string
	imports []string // direct ones, without those of its tests
}

// list runs `go list` for one system.
func list(t *testing.T, system string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if failed, ok := err.(*exec.ExitError); ok {
		t.Fatalf("go list for %s: %v\n%s", system, err, failed.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// packages lists those of the module. A package that a system cannot build (it is for others only)
// is listed with what it has there.
func packages(t *testing.T, system string) []pkg {
	t.Helper()
	const format = `{{.ImportPath}}|{{.Name}}|{{join .GoFiles ","}}|{{.Doc}}|{{join .Imports " "}}`
	var out []pkg
	for _, line := range list(t, system, "-e", "-f", format, "./...") {
		f := strings.SplitN(line, "|", 5)
		if len(f) != 5 {
			t.Fatalf("go list says %q", line)
		}
		path := strings.TrimPrefix(strings.TrimPrefix(f[0], module), "/")
		out = append(out, pkg{path, f[1], f[2], f[3], strings.Fields(f[4])})
	}
	if len(out) < 10 {
		t.Fatalf("%d packages in the module: the test looks in the wrong place", len(out))
	}
	return out
}

// matches reports whether a path is one of the patterns; "x/..." is x and all below it.
func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if below, ok := strings.CutSuffix(p, "/..."); ok {
			return path == below || strings.HasPrefix(path, below+"/")
		}
		return path == p
	})
}

// foreign is an import of another module, which has a dot in the first element of its path.
func foreign(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".")
}
