//go:build unix

package try

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
)

// place is a folder with plugins, and what a command printed.
type place struct {
	dir            string
	stdout, stderr strings.Builder
}

func newPlace(t *testing.T) *place {
	p := &place{dir: t.TempDir()}
	t.Chdir(p.dir)
	return p
}

func (p *place) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	syscall.ForkLock.RLock() // no other test's fork may inherit the open file
	defer syscall.ForkLock.RUnlock()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func (p *place) try(t *testing.T, args ...string) int {
	t.Helper()
	p.stdout.Reset()
	p.stderr.Reset()
	return Main(t.Context(), args, Env{
		Stdout: &p.stdout, Stderr: &p.stderr, Runner: plugin.Runner{Dirs: []string{filepath.Join(p.dir, "plugins")}}, Builtins: []string{"disk"},
		Builtin: func(_ context.Context, c check.Check, _ check.Trigger, _ time.Time, out func(bool, []byte)) check.Result {
			return check.Result{Check: c.Name, State: check.Warning, Exit: 1, Text: c.Builtin + " " + strings.Join(c.Args, " "), Start: time.Now()}
		},
	})
}

const sample = `#!/bin/sh
echo "SAMPLE WARNING - $1 | /=2643MB;5948;@10:20;0;5968 'C: used'=5% lost=U bad=x"
echo "more"
echo "debug" >&2
exit 1
`

func TestTheHubsView(t *testing.T) {
	p := newPlace(t)
	p.write(t, "check_x.sh", sample, 0o755)
	if exit := p.try(t, "./check_x.sh", "arg"); exit != 1 {
		t.Errorf("exit %d: %s", exit, p.stderr.String())
	}
	got := regexp.MustCompile(`(?m)^took .*$`).ReplaceAllString(p.stdout.String(), "took    TIME")
	want := `ran     ` + p.dir + `/check_x.sh arg
state   WARNING
text    SAMPLE WARNING - arg
long    more
took    TIME

perfdata
  LABEL    VALUE  UNIT  WARN  CRIT    MIN  MAX
  /         2643  MB    5948  @10:20  0    5968
  C: used      5  %
  lost         U

warnings
  perfdata label "bad": bad value "x"

stderr (not sent to the hub)
  debug

note: to make a check of it, put it into a plugin directory (` + p.dir + `/plugins) and name it: plugin: check_x.sh
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestJSON(t *testing.T) {
	p := newPlace(t)
	p.write(t, "check_x.sh", sample, 0o755)
	if exit := p.try(t, "--json", "./check_x.sh", "<&>"); exit != 1 {
		t.Errorf("exit %d", exit)
	}
	var d document
	if err := json.Unmarshal([]byte(p.stdout.String()), &d); err != nil {
		t.Fatal(err)
	}
	if d.State != "WARNING" || d.Text != "SAMPLE WARNING - <&>" || d.Long != "more" || len(d.Perfdata) != 3 || d.Perfdata[2].Value != nil ||
		*d.Perfdata[0].Max != 5968 || len(d.Problems) != 1 || d.Stderr != "debug\n" || d.DurationMs <= 0 {
		t.Errorf("got %s", p.stdout.String())
	}
}

func TestEndings(t *testing.T) {
	p := newPlace(t)
	if err := os.Mkdir("plugins", 0o755); err != nil {
		t.Fatal(err)
	}
	p.write(t, "ok", "#!/bin/sh\necho fine\n", 0o755)
	p.write(t, "plugins/check_here", "#!/bin/sh\necho \"$1 $LIMPET_CHECK in $PWD\"\nexit 2\n", 0o755)
	p.write(t, "seven", "#!/bin/sh\necho odd\nexit 7\n", 0o755)
	p.write(t, "hang", "#!/bin/sh\nsleep 600\n", 0o755)
	p.write(t, "escape", "#!/bin/sh\nprintf '\\033[2Jgone\\n'\n", 0o755)
	p.write(t, "nointerpreter", "#!/usr/bin/nosuch\n", 0o755)
	p.write(t, "plain", "#!/bin/sh\necho fine\n", 0o644)
	for _, c := range []struct {
		args   string
		exit   int
		stdout string
		stderr string
	}{
		{"./ok", 0, "state   OK\ntext    fine", ""},
		{"check_here -x", 2, "text    -x check_here in /", ""},
		{"./plugins/check_here --json", 2, "text    --json check_here in /", ""},
		{"./seven", 3, "state   UNKNOWN (exit code 7)", ""},
		{"--timeout 200ms ./hang", 3, "state   UNKNOWN (timed out)\ntext    timed out after 200ms", ""},
		{"./escape", 0, `text    \x1b[2Jgone`, ""},
		{"./nointerpreter", 3, "state   UNKNOWN (it did not start)\ntext    cannot run ", ""},
		{"builtin:disk -w 5%", 1, "text    disk -w 5%", ""},
		{"--help", 0, "Exit codes: 0 OK", ""},
		{"", ExitUsage, "", "error: try: nothing named to run"},
		{"--nonsense", ExitUsage, "", "hint: limpet try --help"},
		{"--timeout 11m ./ok", ExitUsage, "", "timeout 11m0s is not between"},
		{"--timeout x ./ok", ExitUsage, "", "error: invalid value"},
		{"./none", ExitNoPlugin, "", "error: try ./none: there is no such file"},
		{"./plain", ExitNoPlugin, "", "error: try ./plain: the file is not executable\nhint: chmod +x ./plain"},
		{"./plugins", ExitNoPlugin, "", "it is no file that could be run"},
		{"builtin:dsk", ExitNoPlugin, "", "hint: there are disk"},
		{"check_none", ExitNoPlugin, "", "plugin check_none not found in " + p.dir + "/plugins"},
		{"ok", ExitNoPlugin, "", "hint: for the file in this folder: limpet try ./ok"},
	} {
		if exit := p.try(t, strings.Fields(c.args)...); exit != c.exit {
			t.Errorf("%s: exit %d, want %d", c.args, exit, c.exit)
		}
		if !strings.Contains(p.stdout.String(), c.stdout) || !strings.Contains(p.stderr.String(), c.stderr) || (c.stderr == "") != (p.stderr.Len() == 0) {
			t.Errorf("%s: printed %s and %s", c.args, p.stdout.String(), p.stderr.String())
		}
	}
	if exit := p.try(t, "./ok", strings.Repeat("x", check.MaxArg+1)); exit != ExitUsage || !strings.Contains(p.stderr.String(), "argument 1 has") {
		t.Errorf("a long argument: %d, %s", exit, p.stderr.String())
	}
}

func TestNameOf(t *testing.T) {
	for file, want := range map[string]string{"check_x.sh": "check_x.sh", "größe 1": "gr----e-1", strings.Repeat("a", 99): strings.Repeat("a", 64)} {
		if got := nameOf(file); got != want || !check.ValidName(got) {
			t.Errorf("%s: %s", file, got)
		}
	}
}
