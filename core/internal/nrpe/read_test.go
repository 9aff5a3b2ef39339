package nrpe

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tree writes files below a folder of the test's own, in whose texts "@" stands for that folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "@", root)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func lines(p plan) (all []string) {
	for _, c := range p.checks {
		all = append(all, c.Name+": "+strings.Join(c.Command, "|"))
	}
	return all
}

func troubles(root string, list []trouble) (all []string) {
	for _, t := range list {
		all = append(all, strings.ReplaceAll(fmt.Sprintf("%s: %s", t.at, t.why), root+"/", ""))
	}
	return all
}

func converted(t *testing.T, d *daemon, c choice) plan {
	t.Helper()
	p, err := d.convert(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var plainChoice = choice{every: map[string]time.Duration{"": time.Minute}, self: "me"}

func TestReadsAsNRPEDoes(t *testing.T) {
	root := tree(t, map[string]string{
		"nrpe.cfg": "# a comment\n  command_prefix=/usr/bin/sudo\nserver_port=5666\ncommand_timeout=20s\n" +
			"command[a]=/x/a -w 1\ncommand[b]=/x/b\r\ninclude=@/more.cfg\ninclude_dir=@/d/\ncommand[a]= /x/a2  -w  '1 2'\nunknown_option=1\n" +
			"xcommand[c] = /x/c\n==command[d]=/x/d=e\n",
		"more.cfg":        "command[more]=/x/more\ncommand[]=/x/none\ncommand[after]=/x/after\n",
		"d/2.cfg":         "command[d2]=/x/d2\n",
		"d/1.cfg":         "command[d1]=/x/d1\ncommand[bad]=\ncommand[never]=/x/never\n",
		"d/.cfg":          "command[no]=/x/no\n",
		"d/not.conf":      "command[no]=/x/no\n",
		"d/sub/s.cfg":     "command[s]=/x/s\ninclude=@/nrpe.cfg\n",
		"d/.hidden/a.cfg": "command[no]=/x/no\n",
	})
	d, err := read(root + "/nrpe.cfg")
	if err != nil {
		t.Fatal(err)
	}
	if d.timeout != 20 || d.prefix != "/usr/bin/sudo" {
		t.Errorf("%+v", d)
	}
	p := converted(t, d, plainChoice)
	sudo := "/usr/bin/sudo|"
	want := []string{"b: " + sudo + "/x/b", "more: " + sudo + "/x/more", "d1: " + sudo + "/x/d1", "d2: " + sudo + "/x/d2", "s: " + sudo + "/x/s",
		"a: " + sudo + "/x/a2|-w|1 2", "c: " + sudo + "/x/c", "d: " + sudo + "/x/d=e"}
	if got := lines(p); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	wantTroubles := []string{
		"more.cfg:2: the command has no name: NRPE reads nothing of this file after this line",
		"d/1.cfg:2: there is no value in it: NRPE reads nothing of this file after this line",
		"nrpe.cfg:8: nrpe.cfg includes itself",
		"nrpe.cfg:5: command[a] stands again at nrpe.cfg:9, which counts for NRPE",
	}
	for i, got := range troubles(root, p.troubles) {
		if i >= len(wantTroubles) || strings.Contains(got, "includes itself") != strings.Contains(wantTroubles[i], "includes itself") ||
			!strings.Contains(got, "includes itself") && got != wantTroubles[i] {
			t.Errorf("trouble %q", got)
		}
	}
	if len(p.troubles) != len(wantTroubles) {
		t.Errorf("%d troubles", len(p.troubles))
	}
}

func TestWordsOrAShell(t *testing.T) {
	for _, c := range []struct{ line, words, why string }{
		{`/x/a -w 5 -c 10`, "/x/a,-w,5,-c,10", ""},
		{"/x/a\t  -w   5 ", "/x/a,-w,5", ""},
		{`/x/a 'one two' "three four"five '' ""`, "/x/a,one two,three fourfive,,", ""},
		{`/x/a 'a "$b" \c' "it's"`, `/x/a,a "$b" \c,it's`, ""},
		{`/x/a a=b -c x#y a~b {} %`, "/x/a,a=b,-c,x#y,a~b,{},%", ""},
		{`/x/a | grep b`, "", "|"},
		{`/x/a > /dev/null`, "", ">"},
		{`/x/a "$HOME"`, "", "$"},
		{"/x/a `date`", "", "`"},
		{`/x/a a\ b`, "", `\`},
		{`/x/a /var/log/*.log`, "", "*"},
		{`/x/a # comment`, "", "#"},
		{`/x/a ~/x`, "", "~"},
		{`LANG=C /x/a`, "", "="},
		{`/x/a && /x/b`, "", "&"},
		{`/x/a 'open`, "", "'"},
		{`check_a -w 5`, "", "a program without a path"},
		{`./check_a`, "", "a program without a path"},
		{``, "", "a program without a path"},
	} {
		list, why := words(c.line)
		if strings.Join(list, ",") != c.words || why != c.why {
			t.Errorf("%q: %q, %q", c.line, list, why)
		}
	}
}

func TestMacros(t *testing.T) {
	for _, c := range []struct {
		line string
		args []string
		want string
	}{
		{"/x -w $ARG1$ -c $ARG2$", []string{"5", "10"}, "/x -w 5 -c 10"},
		{"/x -w $ARG1$ -c $ARG2$", []string{"5"}, "/x -w 5 -c "},
		{"/x cost$$5", nil, "/x cost$5"},
		{"/x $USER1$/y", nil, "/x $USER1$/y"},
		{"/x $ARG17$ $ARG0$", []string{"a"}, "/x  "},
		{"/x $ARG1x$", []string{"a"}, "/x a"},
		{"/x a$b", nil, "/x a$b$"}, // what NRPE makes of a lone dollar
	} {
		if got := expand(c.line, c.args); got != c.want {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}

func TestArguments(t *testing.T) {
	root := tree(t, map[string]string{"nrpe.cfg": "dont_blame_nrpe=1\ncommand[disk]=/x/check_disk -w $ARG1$ -p $ARG2$\ncommand[plain]=/x/p\n"})
	d, err := read(root + "/nrpe.cfg")
	if err != nil {
		t.Fatal(err)
	}
	c := plainChoice
	c.wishes = []wish{{"disk_var", "disk!10%!/var"}, {"disk_x", "disk!10%!/x;reboot"}, {"disk_y", "disk!$(reboot)!/"}, {"gone", "nothing!1"}}
	p := converted(t, d, c)
	want := []string{"disk_var: /x/check_disk|-w|10%|-p|/var", "plain: /x/p"}
	if got := lines(p); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if p.checks[0].Request != "disk!10%!/var" || p.checks[1].Request != "" {
		t.Errorf("%+v", p.checks)
	}
	wantTroubles := []string{"check disk_x: NRPE refuses arguments", "check disk_y: NRPE refuses arguments with $(", "check gone: there is no command[nothing]"}
	for i, got := range troubles(root, p.troubles) {
		if !strings.Contains(got, wantTroubles[i]) {
			t.Errorf("trouble %q", got)
		}
	}
	if p := converted(t, d, plainChoice); len(p.troubles) != 1 || !strings.Contains(p.troubles[0].why, "--check 'disk=disk!VALUE!VALUE'") {
		t.Errorf("troubles %q", troubles(root, p.troubles))
	}
}

func TestNamesAndLimits(t *testing.T) {
	long := strings.Repeat("x", 80)
	root := tree(t, map[string]string{"nrpe.cfg": "command_timeout=3600\ncommand[a b]=/x/a\ncommand[a-b]=/x/b\ncommand[" + long + "]=/x/l\ncommand[big]=/x/a " +
		strings.Repeat("y", 2050) + "\ncommand[wide]=/x" + strings.Repeat(" a", 70) + "\n"})
	d, err := read(root + "/nrpe.cfg")
	if err != nil {
		t.Fatal(err)
	}
	p := converted(t, d, plainChoice)
	if got := lines(p); !slices.Equal(got, []string{"a-b: /x/a", long[:64] + ": /x/l"}) || p.checks[0].Timeout != "10m0s" {
		t.Errorf("%q", got)
	}
	if got := strings.Join(troubles(root, p.troubles), "\n"); len(p.troubles) != 3 || !strings.Contains(got, "nrpe.cfg:3: a check by the name a-b") ||
		!strings.Contains(got, "nrpe.cfg:5: the line is longer") || !strings.Contains(got, "nrpe.cfg:6: command[wide]: 71 arguments") {
		t.Error(got)
	}
}

func FuzzWords(f *testing.F) {
	f.Add(`/x/a 'b c' "d" e`)
	f.Add(`/x $ARG1$ | y`)
	f.Fuzz(func(t *testing.T, line string) {
		expand(line, []string{"a"})
		arguments(line)
		list, why := words(line)
		if why == "" && (len(list) == 0 || list[0] == "" || list[0][0] != '/') {
			t.Errorf("%q: %q", line, list)
		}
	})
}
