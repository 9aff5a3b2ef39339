package builtin

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
)

// plugins is where Debian's monitoring-plugins-basic puts its own; these tests need it. make deps says where it had to unpack it.
var plugins = cmp.Or(os.Getenv("LIMPET_TEST_PLUGINS"), "/usr/lib/nagios/plugins") + "/"

// plugin runs one of Debian's plugins and reads what it printed.
func plugin(t *testing.T, name string, args []string) check.Result {
	t.Helper()
	var stdout bytes.Buffer
	cmd := exec.CommandContext(t.Context(), plugins+name, args...)
	cmd.Stdout = &stdout
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s (package monitoring-plugins-basic): %v", name, err)
	}
	out := check.ParseOutput(stdout.Bytes(), false)
	return check.Result{State: check.FromExit(cmd.ProcessState.ExitCode()), Text: out.Text, Perfdata: out.Perfdata}
}

// alike says what differs between our result and a plugin's: state, the text up to its first number (but for CRITICAL, where
// ours says more), and of perfdata labels, units, limits and ends must be the same; values may differ by slack, for they were
// not measured at the same moment.
func alike(ours, theirs check.Result, slack float64) error {
	if ours.State != theirs.State || head(ours.Text) != head(theirs.Text) && ours.State != check.Critical {
		return fmt.Errorf("%s %q, the plugin says %s %q", ours.State, ours.Text, theirs.State, theirs.Text)
	}
	if len(ours.Perfdata) < len(theirs.Perfdata) {
		return fmt.Errorf("%d values, the plugin has %d", len(ours.Perfdata), len(theirs.Perfdata))
	}
	for i, want := range theirs.Perfdata {
		got := ours.Perfdata[i]
		if got.Label != want.Label || got.Unit != want.Unit || !sameRange(got.Warn, want.Warn) || !sameRange(got.Crit, want.Crit) ||
			!same(got.Min, want.Min) || !same(got.Max, want.Max) || math.Abs(got.Value-want.Value) > slack {
			return fmt.Errorf("got %+v, the plugin has %+v", got, want)
		}
	}
	return nil
}

// sameRange says whether two limits mean the same: some plugins write those they were given anew ("5.000000").
func sameRange(a, b string) bool {
	x, err := check.ParseRange(a)
	y, err2 := check.ParseRange(b)
	return a == b || err == nil && err2 == nil && x == y
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// head is a text up to its first digit: "LOAD OK - total load average: ".
func head(text string) string {
	head, _, _ := strings.Cut(text, strings.TrimLeft(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-:/ "))
	return strings.TrimSpace(head)
}

// TestLikeThePlugins runs a builtin and the plugin it is modelled on with the same arguments on this box.
func TestLikeThePlugins(t *testing.T) {
	const gib = 1 << 30
	r := New(Env{})
	for _, c := range []struct {
		builtin, plugin, args string
		slack                 float64
	}{
		{"load", "check_load", "-w 5000,4000,3000 -c 10000,8000,6000", 2},
		{"load", "check_load", "-r -w 5000,4000,3000 -c 10000,8000,6000", 2},
		{"load", "check_load", "--percpu --warning=5000 --critical=6000,5500", 2},
		{"load", "check_load", "-w 0,0,0 -c 10000,8000,6000", 2},
		{"swap", "check_swap", "-w 20% -c 10% -n ok", gib},
		{"swap", "check_swap", "-w 20% -c 10% -n warning", gib},
		{"swap", "check_swap", "-a -w 1000 -c 500 --no-swap=critical", gib},
		{"disk", "check_disk", "-w 10% -c 5% -u bytes -p /", gib},
		{"disk", "check_disk", "-w 10% -c 5% -W 3% -K 2% -u bytes -p /", gib},
		{"disk", "check_disk", "-w 100% -c 0% -u bytes -p /", gib},
		{"disk", "check_disk", "-w 100% -c 100% -u bytes -p / -p /dev/shm", gib},
		{"disk", "check_disk", "-w 5000 -c 1000 -u bytes -p /", gib},
		{"disk", "check_disk", "-w 5% -c 1% -f -u bytes -p /dev/shm", gib},
		{"disk", "check_disk", "-c 1% -M -u bytes -p /", gib},
		{"disk", "check_disk", "-w 10% -c 5% -u bytes -p / -C -w 2% -c 1% -p /dev/shm", gib},
		{"disk", "check_disk", "-w 10% -c 5% -p /nonexistent/file", gib},
		{"disk", "check_disk", "-w 10% -c 5% -E -p /usr/lib", gib},
		{"procs", "check_procs", "", 20},
		{"procs", "check_procs", "-w 1:100000 -c 1:200000", 20},
		{"procs", "check_procs", "-w 1 -c 100000", 20},
		{"procs", "check_procs", "-w 1 -c 2", 20},
		{"procs", "check_procs", "-s Z -w 10000", 20},
		{"procs", "check_procs", "-C no-such-command -c 1:", 0},
		{"procs", "check_procs", "-p 2", 20},
		{"procs", "check_procs", "-k", 20},
	} {
		args := strings.Fields(c.args)
		var err error
		for range 20 { // what is measured may change between the two, by dozens of processes where others test, too: then once more
			want, got := plugin(t, c.plugin, args), r.Run(t.Context(), c.builtin, args)
			if err = alike(got, want, c.slack); err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("%s %s: %v", c.builtin, c.args, err)
		}
	}
}
