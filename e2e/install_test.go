//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// The line that `limpet-hub token create` prints, typed into a shell; only where it installs to is the test's own.
func TestInstallerPutsABoxOnAHubAndTakesItAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	root := filepath.Join(s.Dir, "box")
	line := s.installLine(t)
	if !strings.Contains(line, "--pinnedpubkey 'sha256//") {
		t.Errorf("a hub with a CA of its own prints %q", line)
	}
	line += " -s -- --root " + root
	out, code := shell(t, s.Dir, line)
	if code != 3 || !strings.Contains(out, root+"/bin/limpet run --root "+root) {
		t.Fatalf("without a service manager: exit code %d\n%s", code, out)
	}
	limpet := filepath.Join(root, "bin", "limpet")
	before := written(t, limpet)
	if out, code = shell(t, s.Dir, regexp.MustCompile("TOKEN=[^ ]*").ReplaceAllString(line, "")); code != 3 { // again, without a token
		t.Fatalf("installed twice: exit code %d\n%s", code, out)
	}
	if written(t, limpet) != before {
		t.Error("a program that was there already was written again")
	}

	a := s.NewAgent("box")
	s.must(a.StartInstalled())
	t.Cleanup(func() { a.Stop() })
	s.await("first results", func() bool {
		agents, ok := get[[]struct{ Results int }](s, "/api/v1/agents")
		return ok && len(agents) == 1 && agents[0].Results > 0
	})
	key, err := os.ReadFile(filepath.Join(root, "etc", "agent.key"))
	s.must(err)
	if out, code = shell(t, s.Dir, limpet+" uninstall --root "+root); code != 0 {
		t.Fatalf("uninstall: exit code %d\n%s", code, out)
	}
	s.await("deregistration", func() bool {
		agents, ok := get[[]struct{ Cause string }](s, "/api/v1/agents")
		return ok && len(agents) == 1 && agents[0].Cause == "deregister"
	})
	if left := below(t, root); !slices.Equal(left, []string{"etc/agent.finger", "etc/agent.key"}) {
		t.Errorf("left behind: %v", left)
	}

	line = s.installLine(t) + " -s -- --root " + root // it comes back, and is the same box
	if out, code = shell(t, s.Dir, line); code != 3 {
		t.Fatalf("installed again: exit code %d\n%s", code, out)
	}
	if again, err := os.ReadFile(filepath.Join(root, "etc", "agent.key")); err != nil || !bytes.Equal(again, key) {
		t.Errorf("another key: %v", err)
	}
	s.must(os.RemoveAll(filepath.Join(root, "ver"))) // every core is gone: uninstalling works all the same
	if out, code = shell(t, s.Dir, limpet+" uninstall --purge --root "+root); code != 0 {
		t.Fatalf("purge: exit code %d\n%s", code, out)
	}
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", below(t, root))
	}
}

func TestHalfAnInstallerDoesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	script := s.script(t)
	token, err := s.hub.Token(s.ctx)
	s.must(err)
	for cut := 1; cut < len(script)-len("limpet_main"); cut += 97 {
		root := filepath.Join(s.Dir, "cut")
		cmd := exec.Command("sh", "-s", "--", "--root", root)
		cmd.Stdin = bytes.NewReader(script[:cut])
		cmd.Env = append(os.Environ(), "TOKEN="+token)
		out, _ := cmd.CombinedOutput()
		if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("cut at %d of %d it did something: %s", cut, len(script), out)
		}
	}
}

func TestInstallerRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	script := s.script(t)
	token, err := s.hub.Token(s.ctx)
	s.must(err)
	file := filepath.Join(s.Dir, "token")
	s.must(os.WriteFile(file, []byte(token), 0o600))
	named := "limpet_sha256="
	at := bytes.Index(script, []byte("\t\t"+named)) + len("\t\t"+named)
	wrong := append(bytes.Clone(script[:at]), bytes.Repeat([]byte("0"), 64)...)
	wrong = append(wrong, script[at+64:]...)
	for name, c := range map[string]struct {
		script []byte
		args   []string
		code   int
		text   string
	}{
		"other bytes than the script names": {wrong, []string{"--token-file", file}, 6, "is not the limpet"},
		"no token":                          {script, nil, 2, "no token was given"},
		"token in the arguments":            {script, []string{token}, 2, "never stands in a command line"},
		"no such token file":                {script, []string{"--token-file", file + ".none"}, 2, "cannot be read"},
		"half a token":                      {script, []string{"--token-file", halfToken(t, s.Dir)}, 6, "cut short"},
		"no programs for this system":       {bytes.ReplaceAll(script, []byte(rig.Platform+")"), []byte("plan9-mips)")), []string{"--token-file", file}, 1, "no programs for " + rig.Platform},
	} {
		root := filepath.Join(s.Dir, strings.ReplaceAll(name, " ", "-"))
		cmd := exec.Command("sh", append([]string{"-s", "--", "--root", root}, c.args...)...)
		cmd.Stdin = bytes.NewReader(c.script)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(out), c.text) {
			t.Errorf("%s: exit code %d, want %d\n%s", name, code, c.code, out)
		}
		if strings.Contains(string(out), token) {
			t.Errorf("%s: it prints the token", name)
		}
	}
}

// installLine is what a person is told to type.
func (s *site) installLine(t *testing.T) string {
	t.Helper()
	out, err := s.Run(s.ctx, "limpet-hub", "token", "create", "--json", "--data", s.hub.Data)
	s.must(err)
	var made struct{ Install string }
	s.must(json.Unmarshal([]byte(out), &made))
	lines := strings.Split(strings.TrimSpace(made.Install), "\n")
	return lines[len(lines)-1]
}

func (s *site) script(t *testing.T) []byte {
	t.Helper()
	out, code := shell(t, s.Dir, "curl -fsSk "+s.hub.URL()+"/install.sh")
	if code != 0 {
		t.Fatal(out)
	}
	return []byte(out)
}

// shell runs a line as a person would who types it into sh.
func shell(t *testing.T, dir, line string) (string, int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// below lists the files below a folder.
func below(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// written is when a file was.
func written(t *testing.T, name string) time.Time {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

// halfToken is a file with the beginning of a token.
func halfToken(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "half")
	if err := os.WriteFile(name, []byte("lt1_AAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
