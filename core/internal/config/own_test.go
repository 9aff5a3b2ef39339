package config

import (
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// docs/decisions/082-own-checks.md
func TestOwnChecks(t *testing.T) {
	own := func(name string) check.Check {
		return check.Check{Name: name, Command: []string{"/bin/sh", "-c", "echo " + name}, Every: time.Minute, Timeout: time.Minute}
	}
	short := own("short")
	short.Every = time.Millisecond
	for _, c := range []struct {
		name    string
		own     []check.Check
		desired *wire.Desired
		box     func(*Box)
		want    string
		note    string // "" = none
	}{
		{"beside the defaults", []check.Check{own("users")}, nil, nil, "agent clock cpu disk load memory net procs swap uptime users", ""},
		{"in the place of a default", []check.Check{own("disk")}, nil, nil, defaults, ""},
		{"the hub's stands in its place", []check.Check{own("web"), own("x")}, &wire.Desired{NoDefaults: true, Checks: []*wire.Check{web(nil)}}, nil, "web x", "own check web: left out, the hub has one by that name"},
		{"signed or not, it is the owner's", []check.Check{own("x")}, &wire.Desired{NoDefaults: true}, func(b *Box) { b.Trust = TrustSigned }, "x", ""},
		{"never by name", []check.Check{own("x")}, &wire.Desired{NoDefaults: true}, func(b *Box) { b.Never = []string{"x"} }, "", "own check x: left out, the box file says never = x"},
		{"never by program", []check.Check{own("x")}, &wire.Desired{NoDefaults: true}, func(b *Box) { b.Never = []string{"sh"} }, "", "never = sh"},
		{"one that makes no sense", []check.Check{short, own("y")}, &wire.Desired{NoDefaults: true}, nil, "y", "own check short: left out, every 1ms"},
		{"more than the box takes", []check.Check{own("x"), own("y")}, &wire.Desired{NoDefaults: true}, func(b *Box) { b.MaxChecks = 1 }, "x", "own check y: left out, this box takes at most 1"},
		{"twice", []check.Check{own("x"), own("x")}, &wire.Desired{NoDefaults: true}, nil, "x", "own check x: left out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rules(c.box)
			r.Own = c.own
			s, problems := Take(c.desired, r)
			if len(problems) > 0 || names(s) != c.want {
				t.Errorf("%s, problems %q", names(s), problems)
			}
			if got := strings.Join(s.Notes, "\n"); c.note == "" && got != "" || !strings.Contains(got, c.note) {
				t.Errorf("notes %q, want %q", got, c.note)
			}
		})
	}
}

func TestAnotherCommandIsAnotherCheck(t *testing.T) {
	one := check.Check{Name: "x", Command: []string{"/x", "a"}, User: "u", Every: time.Minute}
	for _, change := range []func(*check.Check){
		func(*check.Check) {}, func(c *check.Check) { c.Command = []string{"/x", "b"} }, func(c *check.Check) { c.User = "" }, func(c *check.Check) { c.Group = "g" },
	} {
		other := one
		change(&other)
		same := len(other.Command) == 2 && other.Command[1] == "a" && other.User == "u" && other.Group == ""
		if d := Diff(Set{Checks: []check.Check{one}}, Set{Checks: []check.Check{other}}); same != (len(d.Changed) == 0) {
			t.Errorf("%+v: %+v", other, d)
		}
	}
}
