package nrpe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/imported"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
)

// TestMain has the home folder that NRPE finds for its user, whatever that of the shell is which started the test.
func TestMain(m *testing.M) {
	if u, err := user.Current(); err == nil {
		os.Setenv("HOME", u.HomeDir)
	}
	os.Exit(m.Run())
}

// Where make deps has unpacked Debian's NRPE, and where the plugins are.
var (
	nrpeRoot = cmp.Or(os.Getenv("LIMPET_TEST_NRPE"), "../../../.cache/nrpe")
	plugins  = cmp.Or(os.Getenv("LIMPET_TEST_PLUGINS"), "/usr/lib/nagios/plugins")
)

// realNRPE is Debian's daemon with a configuration, on a port of loopback.
type realNRPE struct {
	t    *testing.T
	port string
	env  []string
}

func startNRPE(t *testing.T, cfg string) *realNRPE {
	t.Helper()
	libs, err := filepath.Glob(nrpeRoot + "/usr/lib/*-linux-gnu*")
	if err != nil || len(libs) == 0 {
		t.Fatalf("no NRPE in %s: make deps unpacks it", nrpeRoot)
	}
	n := &realNRPE{t: t, env: append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libs, ":"))}
	for n.port == "" { // one that the system gives to nobody who asks for any: those begin at 32768
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 15_000+rand.N(15_000)))
		if err == nil {
			_, n.port, _ = net.SplitHostPort(l.Addr().String())
			l.Close()
		}
	}
	text, err := os.ReadFile(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cfg, append([]byte("server_address=127.0.0.1\nserver_port="+n.port+"\n"), text...), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), nrpeRoot+"/usr/sbin/nrpe", "-n", "-f", "-c", cfg)
	cmd.Env = n.env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for try := 0; ; try++ {
		c, err := net.Dial("tcp", "127.0.0.1:"+n.port)
		if err == nil {
			c.Close()
			return n
		}
		if try == 4000 {
			t.Fatalf("nrpe does not listen: %v", err)
		}
		<-time.After(25 * time.Millisecond)
	}
}

// ask has the daemon run a command.
func (n *realNRPE) ask(command string) (check.State, string) {
	n.t.Helper()
	cmd := exec.CommandContext(n.t.Context(), nrpeRoot+"/usr/lib/nagios/plugins/check_nrpe", "-n", "-H", "127.0.0.1", "-p", n.port, "-t", "60", "-c", command)
	cmd.Env = n.env
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		n.t.Fatal(err)
	}
	first, _, _ := strings.Cut(out.String(), "\n")
	return check.FromExit(cmd.ProcessState.ExitCode()), first
}

// unprivileged is a user that NRPE runs commands as, and its group. It runs nothing as root.
func unprivileged(t *testing.T) (name, group string) {
	t.Helper()
	if os.Geteuid() == 0 {
		return "nobody", "nogroup"
	}
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username, u.Gid
}

// shared makes a folder that other users can pass.
func shared(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; strings.HasPrefix(d, os.TempDir()+"/"); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runOwn runs what became of a command.
func runOwn(ctx context.Context, c imported.Check) (check.Result, error) {
	one, err := c.Check()
	if err != nil {
		return check.Result{}, err
	}
	return plugin.Runner{}.Run(ctx, one, check.Manual, time.Time{}, func(bool, []byte) {}), nil
}

// changing are the parts of an output that another run has otherwise.
var changing = regexp.MustCompile(`\b(0x)?[0-9a-f]{6,}\b|[0-9]+([.,][0-9]+)*`)

func alike(ours check.Result, state check.State, line string) error {
	text, _, _ := strings.Cut(line, "|")
	text = strings.TrimSpace(text)
	if strings.Contains(text, "NRPE: Unable to read output") { // nothing on stdout: UNKNOWN for NRPE, whatever the exit code; we say why
		silent := strings.HasPrefix(ours.Text, "(no output on stdout)")
		if !silent && !(ours.State == check.Unknown && strings.HasPrefix(ours.Text, "cannot run ")) {
			return fmt.Errorf("%s %q, NRPE has no output", ours.State, ours.Text)
		}
		return nil
	}
	if ours.TimedOut && ours.State == state && strings.HasPrefix(text, "NRPE: Command timed out after ") {
		return nil // in words of our own
	}
	if ours.State != state || changing.ReplaceAllString(strings.TrimSpace(ours.Text), "#") != changing.ReplaceAllString(text, "#") {
		return fmt.Errorf("%s %q, NRPE says %s %q", ours.State, ours.Text, state, line)
	}
	return nil
}

// TestAsNRPERunsThem asks a real daemon for each command of a configuration, and runs what the import makes of it.
func TestAsNRPERunsThem(t *testing.T) {
	dir := shared(t)
	name, group := unprivileged(t)
	script := filepath.Join(dir, "show.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nfor a in \"$@\"; do printf '[%s]' \"$a\"; done\necho \" $(id -un) $(id -Gn) $PWD ${NRPE_MULTILINESUPPORT-none}\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	cfg := filepath.Join(dir, "nrpe.cfg")
	text := "nrpe_user=" + name + "\nnrpe_group=" + group + "\nallowed_hosts=127.0.0.1\ncommand_timeout=30\ninclude_dir=" + dir + "/d\n"
	for i, line := range []string{
		script, script + " a 'b c' \"d e\"f '' \"\"", script + ` 'it''s' "x'y" 'a$b' 'a\b' a=b {} x#y`, script + " \"$HOME\" `echo sub` $((1+2))",
		script + " a | tr a-z A-Z", script + " cost$$5 $$HOME $USER$x", script + ` a\ b "c\"d" "e\f"`, script + " /etc/host*", script + " a # comment",
		script + " ~ ~root", "LANG=C " + script + " x", script + " a; exit 2", script + " a && exit 1", "exit 3", "exit 5", "echo x; exit 255", "/nonexistent/plugin a",
		"nonexistent_plugin", "/etc/passwd", "true", script + " >&2", script + " a 2>&1", "echo two; echo lines; exit 1", "echo 'perf|a=1;2;3'", script + " 'unterminated",
		script + "\ttab\t'x\ty'", "test -w / && echo may || echo may not", "sleep 0; echo late",
	} {
		text += fmt.Sprintf("command[c%d]=%s\n", i, line)
	}
	if err := os.WriteFile(cfg, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "d", "debian.cfg"), []byte(debianCommands(t)), 0o644); err != nil {
		t.Fatal(err)
	}
	sideBySide(t, cfg, 30)
}

// debianCommands are those that Debian's own nrpe.cfg comes with.
func debianCommands(t *testing.T) (text string) {
	t.Helper()
	b, err := os.ReadFile(nrpeRoot + "/etc/nagios/nrpe.cfg")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "command[") {
			text += strings.ReplaceAll(line, "/usr/lib/nagios/plugins", plugins)
		}
	}
	return text
}

// sideBySide compares all that is carried over from a configuration.
func sideBySide(t *testing.T, cfg string, atLeast int) {
	t.Helper()
	n := startNRPE(t, cfg)
	d, err := read(cfg)
	if err != nil {
		t.Fatal(err)
	}
	self, _ := unprivileged(t)
	p := converted(t, d, choice{every: map[string]time.Duration{"": time.Minute}, root: os.Geteuid() == 0, self: self})
	for _, x := range p.troubles {
		t.Errorf("not carried over: %s: %s", x.at, x.why)
	}
	if len(p.checks) < atLeast {
		t.Errorf("%d checks", len(p.checks))
	}
	for _, c := range p.checks {
		var err error
		for range 10 { // what is measured may change between the two
			state, line := n.ask(c.Name)
			var r check.Result
			if r, err = runOwn(t.Context(), c); err == nil {
				err = alike(r, state, line)
			}
			if err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("%s: %s: %v", c.Name, strings.Join(c.Command, " "), err)
		}
	}
	t.Logf("%d commands compared", len(p.checks))
}

// TestEveryPluginAsNRPERunsIt runs every plugin that is there, with and without arguments, through both.
func TestEveryPluginAsNRPERunsIt(t *testing.T) {
	dir := shared(t)
	name, group := unprivileged(t)
	cfg := filepath.Join(dir, "nrpe.cfg")
	text := "nrpe_user=" + name + "\nnrpe_group=" + group + "\nallowed_hosts=127.0.0.1\ncommand_timeout=30\n"
	entries, err := os.ReadDir(plugins)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(plugins, e.Name()))
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		for i, args := range []string{"", " --version", " -H 127.0.0.1 -p 1 -w 10,10% -c 20,20% -t 3"} {
			text += fmt.Sprintf("command[%s-%d]=%s/%s%s\n", e.Name(), i, plugins, e.Name(), args)
		}
	}
	if err := os.WriteFile(cfg, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	sideBySide(t, cfg, 100)
}
