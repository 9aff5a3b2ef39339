package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// registry is the real builtins as the gate asks them.
type registry struct{ *builtin.Registry }

func (registry) Defaults() []check.Check                  { return builtin.Defaults() }
func (r registry) Valid(name string, args []string) error { return r.Check(name, args) }

func rules(change func(*Box)) Rules {
	r := Rules{Builtins: registry{builtin.New(builtin.Env{})}}
	if change != nil {
		change(&r.Box)
	}
	return r
}

func web(change func(*wire.Check)) *wire.Check {
	c := &wire.Check{Name: "web", Plugin: "check_http", Args: []string{"-H", "localhost"}, EveryMs: 30_000}
	if change != nil {
		change(c)
	}
	return c
}

func names(s Set) string {
	var all []string
	for _, c := range s.Checks {
		all = append(all, c.Name)
	}
	return strings.Join(all, " ")
}

const defaults = "agent clock cpu disk load memory net procs swap uptime"

func TestTakeMakesASet(t *testing.T) {
	diskOften := &wire.Check{Name: "disk", Builtin: "disk", Args: []string{"-w", "10%"}, EveryMs: 1000}
	cases := []struct {
		name    string
		desired *wire.Desired
		box     func(*Box)
		want    string
		notes   []string
	}{
		{"nothing from a hub", nil, nil, defaults, nil},
		{"an empty document", &wire.Desired{Revision: 3}, nil, defaults, nil},
		{"one more", &wire.Desired{Checks: []*wire.Check{web(nil)}}, nil, defaults + " web", nil},
		{"no defaults", &wire.Desired{NoDefaults: true, Checks: []*wire.Check{web(nil)}}, nil, "web", nil},
		{"some turned off", &wire.Desired{Disable: []string{"swap", "clock"}}, nil, "agent cpu disk load memory net procs uptime", nil},
		{"one unknown turned off", &wire.Desired{Disable: []string{"memry"}}, nil, defaults, []string{"(did you mean memory?)"}},
		{"one replaced", &wire.Desired{Checks: []*wire.Check{diskOften}}, nil, defaults, nil},
		{"the owner's word on defaults", nil, func(b *Box) { b.Never = []string{"s*", "builtin:net"} }, "agent clock cpu disk load memory procs uptime", []string{"swap: left out, the box file says never = s*", "net: left out, the box file says never = builtin:net"}},
		{"allowed arguments", &wire.Desired{NoDefaults: true, Checks: []*wire.Check{web(nil)}}, func(b *Box) { b.AllowArgs = map[string]string{"check_http": `-H \S+`} }, "web", nil},
		{"an allowed user", &wire.Desired{NoDefaults: true, Checks: []*wire.Check{web(func(c *wire.Check) { c.User = "nagios" })}},
			func(b *Box) { b.RunsAs, b.AllowRunAs = true, []string{"nagios"} }, "web", nil},
		{"any user where the box says nothing", &wire.Desired{NoDefaults: true, Checks: []*wire.Check{web(func(c *wire.Check) { c.User = "nagios" })}}, nil, "web", nil},
		{"the box's macro is not the hub's to fill", &wire.Desired{NoDefaults: true, Checks: []*wire.Check{web(func(c *wire.Check) {
			c.Args, c.Macros = []string{"-H", "$USER2$"}, map[string]string{"USER2": "x y"}
		})}}, func(b *Box) {
			b.AllowArgs, b.Macros = map[string]string{"check_http": `-H \S+`}, map[string]string{"USER2": "secret"}
		}, "web", nil},
		{"the builtin list", &wire.Desired{NoDefaults: true, Checks: []*wire.Check{web(func(c *wire.Check) { c.Plugin = "check_own"; c.Args = nil })}}, nil, "web", nil},
		{"signed: what runs by default anyway", &wire.Desired{NoDefaults: true, Checks: []*wire.Check{{Name: "d2", Builtin: "disk", EveryMs: 60_000}}}, func(b *Box) { b.Trust = TrustSigned }, "d2", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, problems := Take(c.desired, rules(c.box))
			if len(problems) > 0 {
				t.Fatalf("problems %q", problems)
			}
			if names(s) != c.want || s.Revision != c.desired.GetRevision() {
				t.Errorf("revision %d: %s, want %s", s.Revision, names(s), c.want)
			}
			if len(s.Notes) != len(c.notes) {
				t.Fatalf("notes %q, want %q", s.Notes, c.notes)
			}
			for i, n := range c.notes {
				if !strings.Contains(s.Notes[i], n) {
					t.Errorf("note %q, want %q", s.Notes[i], n)
				}
			}
		})
	}
}

func TestAReplacedDefaultIsTheDocuments(t *testing.T) {
	s, _ := Take(&wire.Desired{Checks: []*wire.Check{{Name: "disk", Builtin: "disk", EveryMs: 60_000}}}, rules(nil))
	i := slices.IndexFunc(s.Checks, func(c check.Check) bool { return c.Name == "disk" })
	if c := s.Checks[i]; c.Default || c.Every != time.Minute {
		t.Errorf("got %+v", c)
	}
}

func TestTakeRejectsWhole(t *testing.T) {
	signed := func(b *Box) { b.Trust = TrustSigned }
	cases := []struct {
		name  string
		check func(*wire.Check)
		box   func(*Box)
		want  string
	}{
		{"no name", func(c *wire.Check) { c.Name = "" }, nil, "check (unnamed): name"},
		{"a path", func(c *wire.Check) { c.Plugin = "/bin/sh" }, nil, "check web: plugin \"/bin/sh\""},
		{"cron", func(c *wire.Check) { c.EveryMs, c.Cron = 0, "every day" }, nil, "has 2 fields, not 5"},
		{"a user the box did not allow", func(c *wire.Check) { c.User = "root" }, func(b *Box) { b.RunsAs = true }, `does not let the hub run plugins as this user`},
		{"a user not on the list", func(c *wire.Check) { c.User = "root" }, func(b *Box) { b.AllowRunAs = []string{"nagios"} }, `user "root"`},
		{"a macro that the pattern does not allow", func(c *wire.Check) { c.Args, c.Macros = []string{"-H", "$ARG1$"}, map[string]string{"ARG1": "x y"} },
			func(b *Box) { b.AllowArgs = map[string]string{"check_http": `-H \S+`} }, `'x y'`},
		{"a bad macro", func(c *wire.Check) { c.Macros = map[string]string{"arg": "x"} }, nil, `macro "arg"`},
		{"a relative folder", func(c *wire.Check) { c.Dir = "tmp" }, nil, `dir "tmp"`},
		{"a typing error", func(c *wire.Check) { c.Plugin, c.Builtin, c.Args = "", "memori", nil }, nil, `no builtin "memori" (did you mean memory?); there are agent,`},
		{"options of a builtin", func(c *wire.Check) { c.Plugin, c.Builtin, c.Args = "", "disk", []string{"--nonsense"} }, nil, "nonsense"},
		{"never by check", nil, func(b *Box) { b.Never = []string{"w?b"} }, "the box file says never = w?b"},
		{"never by plugin", nil, func(b *Box) { b.Never = []string{"check_h*"} }, "the box file says never = check_h*"},
		{"an unknown plugin's arguments", func(c *wire.Check) { c.Plugin = "check_own" }, nil, `plugin check_own takes no arguments from the hub on this box: allow them in limpet.conf with allow_args.check_own = -H localhost`},
		{"a plugin that runs its arguments", func(c *wire.Check) { c.Plugin = "check_by_ssh" }, nil, "takes no arguments"},
		{"a plugin that writes files", func(c *wire.Check) { c.Plugin = "check_log" }, nil, "takes no arguments"},
		{"other arguments than allowed", nil, func(b *Box) { b.AllowArgs = map[string]string{"check_http": `-H`} }, `arguments "-H localhost" of check_http do not match the box file's allow_args.check_http = -H`},
		{"allowed are none at all", nil, func(b *Box) { b.AllowArgs = map[string]string{"check_http": ``} }, "do not match"},
		{"an alternative is anchored too", nil, func(b *Box) { b.AllowArgs = map[string]string{"check_http": `x|-H`} }, "do not match"},
		{"parentheses do not open the anchors", nil, func(b *Box) { b.AllowArgs = map[string]string{"check_http": `x)|(?:-H`} }, "is not a regular expression"},
		{"a line end does not end the pattern", func(c *wire.Check) { c.Args = []string{"-H\nx"} }, func(b *Box) { b.AllowArgs = map[string]string{"check_http": `(?m)^'-H$`} }, "do not match"},
		{"signed: a plugin", nil, signed, "plugin check_http is not signed, and the box file says trust = signed"},
		{"signed: allowed arguments are still not signed", nil, func(b *Box) { signed(b); b.AllowArgs = map[string]string{"check_http": ".*"} }, "is not signed"},
		{"signed: a builtin's arguments", func(c *wire.Check) { c.Plugin, c.Builtin, c.Args = "", "disk", []string{"-w", "5%"} }, signed, "builtin disk with other arguments"},
		{"a word nobody knows trusts less", nil, func(b *Box) { b.Trust = "hubs" }, "is not signed"},
		{"too often for the box", nil, func(b *Box) { b.MinEvery = time.Minute }, "the box file allows 1m0s at the shortest"},
		{"too long for the box", func(c *wire.Check) { c.TimeoutMs = 61_000 }, func(b *Box) { b.MaxTimeout = time.Minute }, "the box file allows 1m0s at most"},
		{"too many", nil, func(b *Box) { b.MaxChecks = 1 }, "2 checks: this box takes at most 1"},
	}
	good := &wire.Check{Name: "good", Builtin: "cpu", EveryMs: 60_000}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, problems := Take(&wire.Desired{Revision: 9, Checks: []*wire.Check{good, web(c.check)}}, rules(c.box))
			if len(s.Checks) > 0 || s.Revision != 0 || len(problems) != 1 || !strings.Contains(problems[0], c.want) {
				t.Errorf("set %+v, problems %q, want %q", s, problems, c.want)
			}
		})
	}
}

// owner is what a site's owner signed: lines, and names of the catalog with their one hash.
type owner struct {
	lines   []string
	catalog map[string]string
}

func (o owner) Signed(line string) error {
	if slices.Contains(o.lines, line) {
		return nil
	}
	return errors.New("nobody signed for it")
}

func (o owner) Listed(name, hash string) error {
	if o.catalog[name] == hash {
		return nil
	}
	return errors.New("the catalog does not have it")
}

func TestWhatTheOwnerSigned(t *testing.T) {
	hash, other := strings.Repeat("aa", 32), strings.Repeat("bb", 32)
	o := owner{[]string{"plugin check_http -H localhost", "builtin disk -w 5%", "catalog own -x", "plugin check_by_ssh -C ls", "plugin own -x"}, map[string]string{"own": hash}}
	plugin := func(name, hash string, args ...string) *wire.Check {
		raw, _ := hex.DecodeString(hash)
		return &wire.Check{Name: "c", Plugin: name, PluginHash: raw, Args: args, EveryMs: 1000}
	}
	signed := func(b *Box) { b.Trust = TrustSigned }
	hub := func(*Box) {}
	for _, c := range []struct {
		name  string
		check *wire.Check
		box   func(*Box)
		want  string // of the problem, "" = it passes
	}{
		{"a signed line", plugin("check_http", "", "-H", "localhost"), signed, ""},
		{"a signed line of a plugin that runs what it is given", plugin("check_by_ssh", "", "-C", "ls"), signed, ""},
		{"a builtin", &wire.Check{Name: "c", Builtin: "disk", Args: []string{"-w", "5%"}, EveryMs: 1000}, signed, ""},
		{"another argument", plugin("check_http", "", "-H", "other"), signed, "check c: plugin check_http is not signed, and the box file says trust = signed: plugin check_http -H other: nobody signed for it"},
		{"no argument", plugin("check_http", ""), signed, "nobody signed"},
		{"another builtin's arguments", &wire.Check{Name: "c", Builtin: "disk", Args: []string{"-w", "6%"}, EveryMs: 1000}, signed, "builtin disk -w 6%: nobody signed"},
		{"one that no line can hold", plugin("check_http", "", "-H", "localhost\nplugin check_http"), signed, "control characters"},
		{"the box file has the last word", plugin("check_http", "", "-H", "localhost"), func(b *Box) { signed(b); b.AllowArgs = map[string]string{"check_http": "-p"} }, "do not match the box file's"},
		{"never", plugin("check_http", "", "-H", "localhost"), func(b *Box) { signed(b); b.Never = []string{"check_http"} }, "never = check_http"},
		{"a plugin of the catalog", plugin("own", hash, "-x"), signed, ""},
		{"another file under its name", plugin("own", other, "-x"), signed, "plugin own of the catalog: the catalog does not have it"},
		{"its line with other arguments", plugin("own", hash, "-y"), signed, "catalog own -y: nobody signed"},
		{"the hub is trusted: any arguments of the catalog's", plugin("own", hash, "-y"), hub, ""},
		{"but a listed file", plugin("own", other, "-y"), hub, "the catalog does not have it"},
		{"and the box's pattern", plugin("own", hash, "-y"), func(b *Box) { b.AllowArgs = map[string]string{"own": "-x"} }, "do not match"},
		{"signed for the box's own counts not where the hub is trusted", plugin("check_by_ssh", "", "-C", "ls"), hub, "takes no arguments from the hub"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rules(c.box)
			r.Site = o
			r.Plugins = func(string) error { return errors.New("not on this box") }
			s, problems := Take(&wire.Desired{NoDefaults: true, Checks: []*wire.Check{c.check}}, r)
			if (c.want == "") != (len(problems) == 0) || c.want != "" && !strings.Contains(problems[0], c.want) {
				t.Fatalf("problems %q, want %q", problems, c.want)
			}
			if c.want == "" && (len(s.Notes) > 0) != (c.check.Plugin != "" && len(c.check.PluginHash) == 0) {
				t.Errorf("notes %q: a plugin of the catalog is not looked for on the box", s.Notes)
			}
			r.Site = nil
			if _, problems := Take(&wire.Desired{NoDefaults: true, Checks: []*wire.Check{c.check}}, r); len(problems) == 0 {
				t.Error("it passes without anything signed")
			}
		})
	}
}

func TestEveryProblemIsTold(t *testing.T) {
	d := &wire.Desired{Checks: []*wire.Check{web(nil), web(nil), {Name: "x"}, nil, {Name: "y", Plugin: "check_by_ssh", Args: []string{"a"}, EveryMs: 1000}}}
	_, problems := Take(d, rules(nil))
	if len(problems) != 4 || !strings.Contains(problems[0], "twice") {
		t.Errorf("problems %q", problems)
	}
	d = &wire.Desired{}
	for i := range 1500 {
		d.Checks = append(d.Checks, &wire.Check{Name: fmt.Sprint("c", i)})
	}
	_, problems = Take(d, rules(nil))
	if len(problems) != wire.MaxProblems || problems[wire.MaxProblems-1] != "and 477 more" {
		t.Errorf("%d problems, the last %q", len(problems), problems[len(problems)-1])
	}
}

// docs/decisions/003-missing-plugin.md
func TestAMissingPluginRejectsNothing(t *testing.T) {
	r := rules(nil)
	r.Plugins = func(name string) error { return errors.New("plugin " + name + " not found in /p") }
	s, problems := Take(&wire.Desired{NoDefaults: true, Checks: []*wire.Check{web(nil)}}, r)
	if len(problems) > 0 || names(s) != "web" {
		t.Errorf("%s, problems %q", names(s), problems)
	}
	if len(s.Notes) != 1 || s.Notes[0] != "check web: plugin check_http not found in /p; until then it is UNKNOWN" {
		t.Errorf("notes %q", s.Notes)
	}
}

func TestArgLineIsUnambiguous(t *testing.T) {
	lines := map[string][]string{}
	for _, args := range [][]string{nil, {""}, {"", ""}, {"a b"}, {"a", "b"}, {"'a", "b'"}, {"'a b'"}, {"a\tb"}, {"a\nb"}, {" "}, {"''"}, {"a'b"}, {"a\u00a0b"}, {`\`}, {`"a b"`}} {
		line := check.ArgLine(args)
		if other, ok := lines[line]; ok {
			t.Errorf("%q and %q make the same line %s", args, other, line)
		}
		lines[line] = args
	}
	if got := check.ArgLine([]string{"-H", "local host", "it's", ""}); got != `-H 'local host' 'it'\''s' ''` {
		t.Errorf("line %s", got)
	}
}

func TestDiff(t *testing.T) {
	c := func(name string, every time.Duration, args ...string) check.Check {
		return check.Check{Name: name, Plugin: "p", Every: every, Args: args}
	}
	d := Diff(Set{Checks: []check.Check{c("same", 1, "a"), c("time", 1), c("args", 1, "a", "b"), c("gone", 1)}},
		Set{Checks: []check.Check{c("new", 1), c("same", 1, "a"), c("time", 2), c("args", 1, "a b")}})
	if got := fmt.Sprint(d); got != "{[new] [args time] [gone]}" {
		t.Errorf("got %s", got)
	}
}

func FuzzTake(f *testing.F) {
	for _, s := range []string{"", "web", "../x", "a\x00b"} {
		f.Add(s, s, s, s, uint32(1000), uint32(0))
	}
	f.Add("web", "", "check_http", "-H", uint32(30_000), uint32(10_000))
	r := rules(func(b *Box) { b.Never = []string{"n*"}; b.AllowArgs = map[string]string{"check_x": `\d+`} })
	f.Fuzz(func(t *testing.T, name, builtin, plugin, arg string, every, timeout uint32) {
		w := &wire.Check{Name: name, Builtin: builtin, Plugin: plugin, Args: []string{arg}, EveryMs: every, TimeoutMs: timeout}
		s, problems := Take(&wire.Desired{NoDefaults: true, Checks: []*wire.Check{w}}, r)
		if (len(problems) == 0) != (len(s.Checks) == 1) {
			t.Fatalf("%d checks with problems %q", len(s.Checks), problems)
		}
		for _, c := range s.Checks {
			if err := c.Validate(); err != nil || c.Plugin != "" && !harmless[strings.TrimSuffix(c.Plugin, ".exe")] && c.Plugin != "check_x" || matches("n*", c.Name) {
				t.Fatalf("%+v passed the gate", c)
			}
		}
	})
}
