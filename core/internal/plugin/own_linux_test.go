package plugin

import (
	"os"
	"os/user"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

func runOwn(t *testing.T, c check.Check) check.Result {
	t.Helper()
	c.Name, c.Timeout = "own", patience
	return Runner{}.Run(t.Context(), c, check.Manual, time.Time{}, func(bool, []byte) {})
}

// A command line of the box's own needs no plugin directory, and runs as who it says.
func TestOwnCommandLine(t *testing.T) {
	script := `echo "$(id -un) $(id -gn) $HOME $USER $NRPE_MULTILINESUPPORT" "$1"; exit 1`
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	got := runOwn(t, check.Check{Command: []string{"/bin/sh", "-c", script, "sh", "a b"}})
	if got.State != check.Warning || !strings.HasPrefix(got.Text, me.Username+" ") || !strings.HasSuffix(got.Text, " 1 a b") {
		t.Errorf("%+v", got)
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	got = runOwn(t, check.Check{Command: []string{"/bin/sh", "-c", script}, User: "nobody"})
	if os.Geteuid() != 0 { // nobody can have another run something
		if got.State != check.Unknown || !strings.Contains(got.Text, "nobody") {
			t.Errorf("%+v", got)
		}
		return
	}
	if got.State != check.Warning || !strings.HasPrefix(got.Text, "nobody ") || !strings.Contains(got.Text, " "+nobody.HomeDir+" nobody 1") {
		t.Errorf("%+v", got)
	}
	if got = runOwn(t, check.Check{Command: []string{"/bin/sh", "-c", script}, User: "nobody", Group: "daemon"}); !strings.HasPrefix(got.Text, "nobody daemon ") {
		t.Errorf("%+v", got)
	}
	if got = runOwn(t, check.Check{Command: []string{"/bin/sh", "-c", script}, User: nobody.Uid}); !strings.HasPrefix(got.Text, "nobody ") {
		t.Errorf("by number: %+v", got)
	}
}

func TestOwnCommandLineThatCannotRun(t *testing.T) {
	for want, c := range map[string]check.Check{
		"no-such-user":          {Command: []string{"/bin/true"}, User: "no-such-user"},
		"there is no such file": {Command: []string{"/nonexistent/x"}},
	} {
		if got := runOwn(t, c); got.State != check.Unknown || !strings.Contains(got.Text, want) {
			t.Errorf("%+v", got)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	path := t.TempDir() + "/x"
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if got := runOwn(t, check.Check{Command: []string{path}}); got.State != check.Unknown || !strings.Contains(got.Text, "refused: the agent runs as root") {
		t.Errorf("everybody may change it: %+v", got)
	}
}
