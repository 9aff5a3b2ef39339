package nrpe

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/internal/imported"
)

// runImport runs the command and gives what it printed.
func runImport(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	code := Main(t.Context(), args, Env{Stdout: &out, Stderr: &out, Dir: dir, Reload: func(context.Context) error { return errors.New("nobody") }})
	return out.String(), code
}

func TestImportTwiceChangesNothing(t *testing.T) {
	root := tree(t, map[string]string{"nrpe.cfg": "nrpe_user=root\ncommand[a]=/x/a\ncommand[b]=/x/b $ARG1$\ncommand[c]=/x/c\n"})
	cfg, dir := root+"/nrpe.cfg", root+"/imported"
	file := filepath.Join(dir, "nrpe.json")
	if out, code := runImport(t, dir, cfg, "--dry-run"); code != 0 || !strings.Contains(out, "+ a ") {
		t.Errorf("%d: %s", code, out)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a dry run wrote something")
	}
	out, code := runImport(t, dir, "--every", "5m", "--every=c=10s", cfg, "--check", "b5=b!5")
	if code != 0 || !strings.Contains(out, "+ b5 ") || !strings.Contains(out, "once limpet runs here (nobody)") {
		t.Errorf("%d: %s", code, out)
	}
	first, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out, code = runImport(t, dir, cfg); code != 0 || !strings.Contains(out, "= a ") || !strings.Contains(out, "= b5 ") || strings.Contains(out, "+ ") {
		t.Errorf("again: %d: %s", code, out)
	}
	if again, err := os.ReadFile(file); err != nil || !bytes.Equal(first, again) {
		t.Errorf("the file is another: %v\n%s\n%s", err, first, again)
	}
	list, problems := imported.Checks(dir)
	if len(problems) != 0 || len(list) != 3 || list[2].Name != "c" || list[2].Every.String() != "10s" || list[0].Every.String() != "5m0s" {
		t.Errorf("%+v, %v", list, problems)
	}

	if err := os.WriteFile(cfg, []byte("nrpe_user=root\ncommand[a]=/x/a2\ncommand[b]=/x/b $ARG1$\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, _ = runImport(t, dir, cfg, "--check", "b5="); !strings.Contains(out, "~ a ") || !strings.Contains(out, "- b5\n") || !strings.Contains(out, "- c\n") {
		t.Errorf("changed: %s", out)
	}
	if out, code = runImport(t, dir, "--remove"); code != 0 || !strings.Contains(out, "- a\n") {
		t.Errorf("%d: %s", code, out)
	}
	if list, problems := imported.Checks(dir); len(list)+len(problems) != 0 {
		t.Errorf("%+v, %v", list, problems)
	}
}

func TestImportRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"/nonexistent.cfg", "no such file", 1}, {"a b", "one file", 2}, {"--every 1ms x", "an interval", 2}, {"--check x x", "NAME=COMMAND", 2},
		{"--nonsense", "not defined", 2}, {"--help", "limpet import nrpe [FILE]", 0},
	} {
		if out, code := runImport(t, dir, strings.Fields(c.args)...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: %d: %s", c.args, code, out)
		}
	}
}

// Who installs is offered what this command finds by itself.
func TestTheInstallerLooksWhereTheImportDoes(t *testing.T) {
	script, err := os.ReadFile("../../../hub/internal/install/install.sh")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(script), "\nlimpet_nrpe_files='"+strings.Join(Usual, " ")+"'\n") {
		t.Error("install.sh looks in other places")
	}
}

// What NRPE would run as root runs nowhere, and what was imported before stays.
func TestNobodyIsNamed(t *testing.T) {
	root := tree(t, map[string]string{"nrpe.cfg": "command[a]=/x/a\n"})
	d, err := read(root + "/nrpe.cfg")
	if err != nil {
		t.Fatal(err)
	}
	_, nagios := user.Lookup("nagios")
	_, nrpe := user.Lookup("nrpe")
	p, err := d.convert(choice{every: plainChoice.every, root: true})
	if nobody := nagios != nil && nrpe != nil; nobody != (err != nil) || !nobody && p.checks[0].User == "" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestADamagedFileIsTold(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nrpe.json"), []byte(`{"format":"limpet imported 9"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, problems := imported.Checks(dir); len(list) != 0 || len(problems) != 1 {
		t.Errorf("%v, %v", list, problems)
	}
}
