package option

import (
	"slices"
	"strings"
	"testing"
)

// record is a set that writes down what it is called with.
func record(log *[]string) *Set {
	var s Set
	note := func(name string) func(string) error {
		return func(v string) error { *log = append(*log, name+"="+v); return nil }
	}
	s.Value('w', "warning", note("w"))
	s.Value('c', "critical", note("c"))
	s.Value(0, "over", note("over"))
	s.Flag('r', "percpu", func() { *log = append(*log, "r") })
	s.Flag('e', "errors", func() { *log = append(*log, "e") })
	return &s
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args string
		want string // calls, or the error's beginning after "!"
	}{
		{"", ""},
		{"-w 5", "w=5"},
		{"-w5", "w=5"},
		{"-rew5 -c 6", "r e w=5 c=6"},
		{"-re", "r e"},
		{"--warning 5 --critical=6", "w=5 c=6"},
		{"--critical=", "c="},
		{"-w -5", "w=-5"},
		{"-w --percpu", "w=--percpu"},
		{"--over=5m --percpu", "over=5m r"},
		{"-w 1 -w 2", "w=1 w=2"},
		{"-t 10 -v -vv --verbose -r", "r"},
		{"-w", "!option -w needs a value"},
		{"--warning", "!option --warning needs a value"},
		{"-z", "!unknown option -z (there are: -w/--warning, -c/--critical, --over, -r/--percpu"},
		{"-rz", "!unknown option -z"},
		{"--wurst=5", "!unknown option --wurst"},
		{"--percpu=yes", "!option --percpu takes no value"},
		{"5", `!argument "5" is no option`},
		{"-", `!argument "-" is no option`},
		{"--", `!argument "--" is no option`},
		{strings.Repeat("-r ", maxArgs), strings.TrimSpace(strings.Repeat("r ", maxArgs))},
		{strings.Repeat("-r ", maxArgs+1), "!129 arguments are more than 128"},
		{"-w " + strings.Repeat("x", maxLength+1), "!value of option -w is longer"},
		{strings.Repeat("-", maxLength+1), "!argument of 1025 bytes is longer"},
	} {
		var log []string
		err := record(&log).Parse(strings.Fields(c.args))
		got := strings.Join(log, " ")
		if err != nil {
			got = "!" + err.Error()
		}
		wrong := got != c.want
		if strings.HasPrefix(c.want, "!") {
			wrong = !strings.HasPrefix(got, c.want)
		}
		if wrong {
			t.Errorf("%.60q: got %q, want %q", c.args, got, c.want)
		}
	}
}

func TestEmptyArgumentIsRefused(t *testing.T) {
	if err := new(Set).Parse([]string{""}); err == nil {
		t.Error("an empty argument was taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-w 5 -c6 --over=1")
	f.Add("-re -- -w")
	f.Fuzz(func(t *testing.T, line string) {
		var log []string
		args := strings.Split(line, " ")
		before := slices.Clone(args)
		_ = record(&log).Parse(args)
		if !slices.Equal(before, args) {
			t.Error("the caller's arguments were changed")
		}
	})
}
