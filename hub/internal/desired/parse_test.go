package desired

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestParseReadsThePagesExample(t *testing.T) {
	doc, problems := Parse([]byte(`defaults: true            # the checks that run with no configuration (default true)
disable: [swap]           # default checks not to run

checks:
  - name: web
    plugin: check_http
    args: ["-H", "127.0.0.1", "-p", 8080]
    every: 30s
    timeout: 10s
    on: {tags: [web], hosts: ["Web*"]}

  - name: disk
    builtin: disk
    args: ["-w", "10%", "-c", "5%"]
    cron: "*/5 * * * *"
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := &Document{Defaults: true, Disable: []string{"swap"}, Entries: []Entry{
		{Name: "web", Plugin: "check_http", Args: []string{"-H", "127.0.0.1", "-p", "8080"}, Every: 30 * time.Second,
			Timeout: 10 * time.Second, On: &On{Tags: []string{"web"}, Hosts: []string{"web*"}}, Line: 5},
		{Name: "disk", Builtin: "disk", Args: []string{"-w", "10%", "-c", "5%"}, Cron: "*/5 * * * *", Timeout: DefaultTimeout, Line: 12},
	}}
	if !reflect.DeepEqual(doc, want) {
		t.Errorf("got  %+v\nwant %+v", doc, want)
	}
}

func TestParseReadsHowAResultIsJudgedAndAPluginRuns(t *testing.T) {
	doc, problems := Parse([]byte(`cpu: 250%
checks:
  - name: web
    plugin: check_http
    attempts: 3
    retry: 10s
    importance: low
    timeout_state: critical
    flap: {low: 10, high: 40.5}
    at_start: true
    user: nagios
    dir: /var/tmp
    macros: {ARG1: 8080, _OWN: ""}
  - {name: disk, builtin: disk, flap: off, timeout_state: WARNING}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	part, _ := doc.For(Target{})
	web, disk := part.Checks[0], part.Checks[1]
	if web.RetryMs != 10_000 || web.Importance != wire.Importance_IMPORTANCE_LOW || disk.Importance != wire.Importance_IMPORTANCE_NORMAL || part.CpuPercent != 250 {
		t.Errorf("%v %v", web, part)
	}
	if web.Attempts != 3 || web.TimeoutState != wire.State_STATE_CRITICAL || web.FlapLow != 10 || web.FlapHigh != 40.5 || !web.AtStart || web.User != "nagios" ||
		web.Dir != "/var/tmp" || !reflect.DeepEqual(web.Macros, map[string]string{"ARG1": "8080", "_OWN": ""}) {
		t.Errorf("%v", web)
	}
	if !disk.NoFlap || disk.TimeoutState != wire.State_STATE_WARNING {
		t.Errorf("%v", disk)
	}
	for _, c := range part.Checks {
		if _, err := wire.ToCheck(c); err != nil {
			t.Error(err)
		}
	}
}

func TestParseEmptyTextsMeanDefaultsAlone(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing yet\n", "---\n", "checks: []\n", "{}\n"} {
		doc, problems := Parse([]byte(text))
		if len(problems) > 0 || !doc.Defaults || len(doc.Entries) > 0 {
			t.Errorf("%q: %+v %v", text, doc, problems)
		}
	}
}

func TestParseNamesEveryMistakeAndItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"slip in a key": {"checks:\n  - name: web\n    plugin: check_http\n    evry: 30s\n",
			[]string{`4:5: unknown key "evry" (did you mean "every"?)`}},
		"foreign key": {"interval: 3\n", []string{`1:1: unknown key "interval" (known here: defaults, disable, checks, cpu, inputs, collectors)`}},
		"all of them, in order": {"defaults: maybe\nchecks:\n  - name: a b\n    plugin: /bin/sh\n    every: 30\n    timeout: 1h\n",
			[]string{
				`1:11: defaults is "maybe"; wanted true or false`,
				`3:11: name: "a b" holds ' '; letters, digits, dot, underscore and hyphen are allowed`,
				`4:13: plugin: "/bin/sh" is a path; name the file alone ("sh"), it is looked up in the box's plugin directories`,
				`5:12: every: 30 has no unit; write 30s`,
				`6:14: timeout: 1h is out of range; from 1s to 10m`,
			}},
		"judging": {"checks:\n  - {name: a, plugin: x, attempts: 0, timeout_state: ok, flap: {low: 30, high: 20}, user: 'a:b', dir: tmp, macros: {arg: x}}\n",
			[]string{
				`2:36: attempts is the number 0; wanted a number from 1 to 100`,
				`2:54: timeout_state is "ok"; wanted warning, critical or unknown`,
				`2:64: flap from 30 to 20 percent: 0 to 100, the lower one first`,
				`2:91: user: "a:b" is not a user's name`,
				`2:103: dir: "tmp" is not an absolute path`,
				`2:117: "arg" names no macro; wanted capital letters, digits and _, like ARG1`,
			}},
		"times and importance": {"cpu: 50\nchecks:\n  - {name: a, plugin: x, retry: 5s}\n  - {name: b, plugin: x, attempts: 2, retry: 2m}\n  - {name: c, plugin: x, importance: urgent}\n",
			[]string{
				`1:6: cpu is the number 50; wanted percent of one processor, like 50%`,
				`3:26: retry is for problems that are soft: check "a" needs attempts of 2 or more`,
				`4:39: retry 2m is longer than every 1m`,
				`5:38: importance is "urgent"; wanted low, normal or high`,
			}},
		"a builtin has no user": {"checks:\n  - {name: a, builtin: x, user: u}\n", []string{`2:27: user is for plugins; check "a" runs inside the agent`}},
		"command line": {"checks:\n  - {name: a, plugin: check_http -H x}\n",
			[]string{`2:23: plugin: "check_http -H x" looks like a command line; name the file alone ("check_http") and put the rest into args`}},
		"doubled name": {"checks:\n  - {name: a, plugin: x}\n  - {name: a, plugin: y}\n", []string{`3: check "a" stands already in line 2 for the same agents`}},
		"doubled on, other order": {"checks:\n  - {name: a, plugin: x, on: {tags: [p, q]}}\n  - {name: a, plugin: y, on: {tags: [q, p]}}\n",
			[]string{`3: check "a" stands already in line 2 for the same agents`}},
		"doubled key":   {"checks: []\nchecks: []\n", []string{`2:1: checks stands already in line 1`}},
		"nothing to do": {"checks:\n  - name: a\n", []string{`2:5: check "a" says neither which plugin nor which builtin it runs`}},
		"two to do":     {"checks:\n  - name: a\n    plugin: x\n    builtin: y\n", []string{`4:5: check "a" has a plugin and a builtin; it can run only one of them`}},
		"no name":       {"checks:\n  - plugin: x\n", []string{`2:5: this check has no name`}},
		"every and cron": {"checks:\n  - name: a\n    plugin: x\n    every: 1m\n    cron: '* * * * *'\n",
			[]string{`5:5: check "a" has every and cron; keep one of them`}},
		"cron": {"checks:\n  - {name: a, plugin: x, cron: '61 * * * *'}\n  - {name: b, plugin: x, cron: '@daily'}\n  - {name: c, plugin: x, cron: 'CRON_TZ=UTC'}\n  - {name: d, plugin: x, cron: '0 0 31 2 *'}\n  - {name: e, plugin: x, cron: 'TZ=0'}\n  - {name: f, plugin: x, cron: 'CRON_TZ= 0 0 * * *'}\n  - {name: g, plugin: x, cron: 'CRON_TZ=Nowhere/Land 0 0 * * *'}\n",
			[]string{
				`2:32: cron: "61 * * * *": end of range (61) above maximum (59): 61`,
				`3:32: cron: "@daily": short forms are not read; ` + cronHelp,
				`4:32: cron: "CRON_TZ=UTC" has a time zone and no fields; ` + cronHelp,
				`5:32: cron: "0 0 31 2 *" names a day that never comes`,
				`6:32: cron: write CRON_TZ= instead of TZ=`,
				`7:32: cron: "CRON_TZ= 0 0 * * *": no time zone after the equals sign`,
				`8:32: cron: "CRON_TZ=Nowhere/Land 0 0 * * *": provided bad location Nowhere/Land: unknown time zone Nowhere/Land`,
			}},
		"on": {"checks:\n  - name: a\n    plugin: x\n    on: {tags: [], hosts: ['[ab]'], fingerprints: [abc], os: [macos, linnux], tag: [x]}\n",
			[]string{
				`4:16: tags is an empty list, which fits no agent; leave it out to mean all`,
				`4:28: an entry of hosts: "[ab]" holds '['; a pattern is letters, digits, dots, hyphens, * and ?`,
				`4:52: an entry of fingerprints: "abc" is too short`, `4:63: an entry of os: "macos" is called "darwin" here`, `4:70: an entry of os: unknown system "linnux" (did you mean "linux"?)`,
				`4:79: unknown key "tag" (did you mean "tags"?)`,
			}},
		"on empty":      {"checks:\n  - name: a\n    plugin: x\n    on: {}\n", []string{`4:9: on is empty; leave it out to mean all agents`}},
		"wrong shapes":  {"checks: {a: b}\n", []string{`1:9: checks is a mapping; wanted a list`}},
		"a list":        {"- a\n", []string{`1:1: the document is a list; wanted a mapping with defaults, disable, checks`}},
		"merge key":     {"checks:\n  - &a {name: a, plugin: x}\n  - <<: *a\n    name: b\n    plugin: y\n", []string{`3:5: merge keys (<<) are not read here; write the keys out`}},
		"null argument": {"checks:\n  - {name: a, plugin: x, args: [~]}\n", []string{`2:33: an argument is empty; wanted a word`}},
		"two documents": {"checks: []\n---\nchecks: []\n", []string{`2: a second document starts here; put everything into one`}},
		"indentation":   {"checks:\n  - name: web\n    plugin: check_http\n   every: 30s\n", []string{`4:4: the indentation does not fit the lines before it`}},
		"tab":           {"checks:\n  - name: web\n\tplugin: x\n", []string{`3:2: a tab in the indentation; YAML wants blanks`}},
		"open quote":    {"checks:\n  - name: \"web\n    plugin: check_http\n", []string{`2:3: a quote is opened and never closed`}},
		"open bracket":  {"checks:\n  - name: web\n    args: [a, b\n    every: 3s\n  - name: b\n", []string{`3:5: a bracket is opened and not closed, or a comma is missing`}},
		"stray colon":   {"checks:\n  - name: web: b\n", []string{`2:3: a colon where none can be`}},
		"unknown alias": {"\nchecks: *foo\n", []string{`2:1: no valid YAML: unknown anchor 'foo' referenced`}},
		"at sign":       {"a: b\nb: @x\n", []string{`2:1: a value cannot start with this character; put it in quotes`}},
		"no text":       {"a: \xff\n", []string{`1:1: no valid YAML: `}},
		"itself":        {"checks: &a [*a]\n", []string{`1:9: a check is a list; wanted a mapping`}},
	} {
		t.Run(name, func(t *testing.T) {
			doc, problems := Parse([]byte(c.text))
			if doc != nil {
				t.Errorf("got a document with problems")
			}
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			if len(got) != len(c.want) {
				t.Fatalf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			for i := range got {
				if !strings.HasPrefix(got[i], c.want[i]) {
					t.Errorf("got  %s\nwant %s", got[i], c.want[i])
				}
			}
		})
	}
}

func TestParseBoundsWhatItTakes(t *testing.T) {
	long := strings.Repeat("x", maxArg)
	for name, text := range map[string]string{
		"text":    strings.Repeat("#", MaxText+1),
		"checks":  "checks:\n" + strings.Repeat("  - {}\n", maxChecks+1),
		"args":    "checks:\n  - {name: a, plugin: x, args: [" + strings.Repeat("x,", maxArgs+1) + "]}\n",
		"arg":     "checks:\n  - {name: a, plugin: x, args: [" + long + "x]}\n",
		"name":    "checks:\n  - {name: " + long + ", plugin: x}\n",
		"disable": "disable: [" + strings.Repeat("x,", maxList+1) + "]\n",
	} {
		if _, problems := Parse([]byte(text)); len(problems) != 1 || len(problems[0].Text) > 200 {
			t.Errorf("%s: %v", name, problems)
		}
	}
	// One long list, named again and again by its anchor, is small as text and large in every part.
	var b strings.Builder
	b.WriteString("checks:\n  - {name: n, plugin: x, args: &a [" + strings.Repeat(long+",", 10) + "]}\n")
	for i := range 100 {
		fmt.Fprintf(&b, "  - {name: n%d, plugin: x, args: *a}\n", i)
	}
	if _, problems := Parse([]byte(b.String())); len(problems) != 1 || !strings.Contains(problems[0].Text, "the limit is 1048576") {
		t.Errorf("anchors: %v", problems)
	}
	if _, problems := Parse([]byte("checks:\n" + strings.Repeat("  - {x: 1}\n", 500))); len(problems) != maxProblems+1 {
		t.Errorf("%d problems shown, want %d", len(problems), maxProblems+1)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"name", "builtin", "plugin", "args", "every", "cron", "timeout", "on"}
	for word, want := range map[string]string{
		"evry": "every", "nmae": "name", "plugins": "plugin", "arg": "args", "timout": "timeout", "no": "on", "x": "", "interval": "",
		"command": "", "": "", strings.Repeat("every", 100): "",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("checks:\n  - name: web\n    plugin: check_http\n    evry: 30s\n"))
	f.Add([]byte("checks:\n  - {name: a, builtin: disk, cron: 'CRON_TZ=Europe/Berlin 0 3 * * 1-5', on: {hosts: ['a*?b']}}\n"))
	f.Add([]byte("checks: &a [*a]\n---\n"))
	f.Add([]byte("a: {b: c\n\t- \"x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<12 {
			return // longer ones find nothing new, slowly
		}
		doc, problems := Parse(text)
		if (doc == nil) == (len(problems) == 0) {
			t.Fatalf("document %v with problems %v", doc, problems)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 0 || p.Text == "" || len(p.Text) > 1000 {
				t.Fatalf("problem %+v", p)
			}
		}
		if doc != nil {
			doc.For(Target{Hostname: "web1", OS: "linux", Tags: []string{"web"}, Fingerprint: strings.Repeat("ab", 32)})
		}
	})
}
