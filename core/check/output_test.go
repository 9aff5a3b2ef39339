package check

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

var nan = math.NaN()

func value(label string, v float64, unit string) Perfdata {
	return Perfdata{Label: label, Value: v, Unit: unit, Min: nan, Max: nan}
}

func TestParseOutput(t *testing.T) {
	cases := []struct {
		name, out  string
		text, long string
		perf       []Perfdata
		problems   []string // each a part of the problem at its place
	}{
		{name: "nothing"},
		{name: "text alone", out: "OK - fine\n", text: "OK - fine"},
		{name: "no newline", out: "OK", text: "OK"},
		{name: "one value", out: "OK | time=0.012s;1;5;0;10\n", text: "OK",
			perf: []Perfdata{{"time", 0.012, "s", "1", "5", 0, 10}}},
		{name: "the guidelines' example", out: "DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n/ 15272 MB (77%);\n/boot 68 MB (69%);\n" +
			"/home 69357 MB (27%);\n/var/log 819 MB (84%); | /boot=68MB;88;93;0;98\n/home=69357MB;253404;253409;0;253414\n/var/log=818MB;970;975;0;980\n",
			text: "DISK OK - free space: / 3326 MB (56%);",
			long: "/ 15272 MB (77%);\n/boot 68 MB (69%);\n/home 69357 MB (27%);\n/var/log 819 MB (84%);",
			perf: []Perfdata{
				{"/", 2643, "MB", "5948", "5958", 0, 5968},
				{"/boot", 68, "MB", "88", "93", 0, 98},
				{"/home", 69357, "MB", "253404", "253409", 0, 253414},
				{"/var/log", 818, "MB", "970", "975", 0, 980}}},
		{name: "quoted labels", out: "OK | 'C: used'=5% 'it''s'=1 '='=2 'a|b'=3 ''''=4",
			text: "OK", perf: []Perfdata{value("C: used", 5, "%"), value("it's", 1, ""), value("=", 2, ""), value("a|b", 3, ""), value("'", 4, "")}},
		{name: "exponent", out: "OK | a=1e5 b=-2.5E-3s c=+4e+2B d=5EB",
			text: "OK", perf: []Perfdata{value("a", 1e5, ""), value("b", -2.5e-3, "s"), value("c", 400, "B"), value("d", 5, "EB")}},
		{name: "unmeasured", out: "OK | a=U;1;2", text: "OK",
			perf: []Perfdata{{"a", nan, "", "1", "2", nan, nan}}},
		{name: "ranges as printed", out: "OK | a=1;10:20;~:5;; b=2;@1:2;10:", text: "OK",
			perf: []Perfdata{{"a", 1, "", "10:20", "~:5", nan, nan}, {"b", 2, "", "@1:2", "10:", nan, nan}}},
		{name: "several pipes", out: "OK | a=1 | b=2|c=3", text: "OK",
			perf: []Perfdata{value("a", 1, ""), value("b", 2, ""), value("c", 3, "")}},
		{name: "empty fields", out: "OK | a=1;;;; b=2;;3 c=3;;;0", text: "OK",
			perf: []Perfdata{value("a", 1, ""), {"b", 2, "", "", "3", nan, nan}, {"c", 3, "", "", "", 0, nan}}},
		{name: "windows line ends", out: "\xef\xbb\xbfOK | a=1\r\nlong 1\r\nlong 2 | b=2\r\nc=3\r\n", text: "OK", long: "long 1\nlong 2",
			perf: []Perfdata{value("a", 1, ""), value("b", 2, ""), value("c", 3, "")}},
		{name: "decimal comma", out: "OK | a=3,14s;1,5", text: "OK",
			perf:     []Perfdata{{"a", 3.14, "s", "1,5", "", nan, nan}},
			problems: []string{`"a": decimal comma`, `"a": warn is not a range`}},
		{name: "commas between", out: "OK | a=1, b=2s,", text: "OK",
			perf: []Perfdata{value("a", 1, ""), value("b", 2, "s")}, problems: []string{`"a": a comma`, `"b": a comma`}},
		{name: "label with blanks and no quotes", out: "OK | C: used=5", text: "OK",
			perf: []Perfdata{value("C: used", 5, "")}, problems: []string{"must stand in single quotes"}},
		{name: "unreadable values are named", out: "OK | a=x b= c=;1 d=1.2.3 e=0x1F f=1,2,3 g=nan h=1e999 ok=1", text: "OK",
			perf: []Perfdata{value("ok", 1, "")},
			problems: []string{`"a": bad value "x"`, `"b": bad value ""`, `"c": bad value ""`, `"d": bad value "1.2.3"`,
				`"e": bad value "0x1F"`, `"f": bad value "1,2,3"`, `"g": bad value "nan"`, `"h": bad value "1e999"`}},
		{name: "words that are no values", out: "OK | nothing here\n", text: "OK", problems: []string{`"nothing here": no '='`}},
		{name: "no label", out: "OK | =5 a=1", text: "OK", perf: []Perfdata{value("a", 1, "")}, problems: []string{`"=5": no label`}},
		{name: "open quote", out: "OK | 'a=5 b=6", text: "OK", perf: []Perfdata{value("b", 6, "")}, problems: []string{`"'a=5": the quoted label`}},
		{name: "bad limits and too many fields", out: "OK | a=1;x;2;low;high;7", text: "OK",
			perf:     []Perfdata{{"a", 1, "", "x", "2", nan, nan}},
			problems: []string{`warn is not a range`, `min is not a number`, `max is not a number`, `more than four fields`}},
		{name: "NUL and invalid UTF-8", out: "O\x00K \xff | 'a\x00'=1\nlong\xc3", text: `O\x00K \xff`, long: `long\xc3`,
			perf: []Perfdata{value(`a\x00`, 1, "")}},
		{name: "an empty first line", out: "\nlater", long: "later", problems: []string{"the first line is empty"}},
		{name: "micro sign", out: "OK | a=5µs", text: "OK", perf: []Perfdata{value("a", 5, "µs")}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o := ParseOutput([]byte(c.out), false)
			if o.Text != c.text || o.Long != c.long {
				t.Errorf("text %q long %q, want %q and %q", o.Text, o.Long, c.text, c.long)
			}
			if got, want := fmt.Sprintf("%+v", o.Perfdata), fmt.Sprintf("%+v", c.perf); got != want {
				t.Errorf("perfdata\n got %s\nwant %s", got, want)
			}
			if len(o.Problems) != len(c.problems) {
				t.Fatalf("problems %q, want %d", o.Problems, len(c.problems))
			}
			for i, p := range c.problems {
				if !strings.Contains(o.Problems[i], p) {
					t.Errorf("problem %q, want one with %q", o.Problems[i], p)
				}
			}
		})
	}
}

func TestAValueCutInHalfIsNotBelieved(t *testing.T) {
	o := ParseOutput([]byte("OK | a=1 size=12"), true)
	if len(o.Perfdata) != 1 || o.Perfdata[0].Label != "a" {
		t.Errorf("perfdata %v, want a alone", o.Perfdata)
	}
	if len(o.Problems) != 1 || !strings.Contains(o.Problems[0], `"size=12": cut off`) {
		t.Errorf("problems %q", o.Problems)
	}
	if o := ParseOutput([]byte("OK | a=1\nlong and cut"), true); len(o.Perfdata) != 1 {
		t.Errorf("the cut in the long output took a whole value with it: %v", o.Problems)
	}
}

func TestProblemsAndValuesAreBounded(t *testing.T) {
	o := ParseOutput([]byte("OK | "+strings.Repeat("= ", 100_000)), false)
	if len(o.Problems) != MaxProblems+1 || !strings.Contains(o.Problems[MaxProblems], "and 99936 more") {
		t.Errorf("%d problems, the last %q", len(o.Problems), o.Problems[len(o.Problems)-1])
	}
	o = ParseOutput([]byte("OK | "+strings.Repeat("a=1 ", MaxPerfdata+5)), false)
	if len(o.Perfdata) != MaxPerfdata || len(o.Problems) != 1 || !strings.Contains(o.Problems[0], "5 values beyond") {
		t.Errorf("%d values, problems %q", len(o.Perfdata), o.Problems)
	}
	o = ParseOutput([]byte("OK | a="+strings.Repeat("é", 1000)), false)
	if len(o.Problems) != 1 || len(o.Problems[0]) > 400 || !utf8.ValidString(o.Problems[0]) {
		t.Errorf("problem %q", o.Problems)
	}
}

func TestParseOutputAllocatesPerOutputNotPerLabel(t *testing.T) {
	out := []byte("OK | " + strings.Repeat("label=12.5ms;10:20;@1:2;0;100 'other label'=3% ", 500))
	if n := testing.AllocsPerRun(10, func() { ParseOutput(out, false) }); n > 8 {
		t.Errorf("%v allocations for 1000 labels, want a handful", n)
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"":                "",
		"plain é €":       "plain é €",
		"a\x00b":          `a\x00b`,
		"\xff\xfe":        `\xff\xfe`,
		"\xe2\x82":        `\xe2\x82`,
		"\ufffd stays":    "\ufffd stays",
		"\xed\xa0\x80sur": `\xed\xa0\x80sur`,
	} {
		if got := Escape([]byte(in)); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
		if got := EscapeString(in); got != want {
			t.Errorf("EscapeString(%q) = %q, want %q", in, got, want)
		}
	}
}

// A megabyte of bytes that are all to be escaped takes no longer than it must: what was looked for from the start again for each of them took minutes.
func TestEscapeTakesTimeInProportion(t *testing.T) {
	for _, b := range []byte{0, 0xff, 0xc3} {
		out := ParseOutput(bytes.Repeat([]byte{b}, 1<<20), true)
		if len(out.Text) != 4<<20 {
			t.Errorf("%d bytes of text", len(out.Text))
		}
	}
	if n := testing.AllocsPerRun(5, func() { Escape(bytes.Repeat([]byte("a\xff"), 1000)) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParseOutput(b *testing.B) {
	out := []byte("OK | " + strings.Repeat("label=12.5ms;10:20;@1:2;0;100 'other label'=3% ", 500))
	b.SetBytes(int64(len(out)))
	b.ReportAllocs()
	for b.Loop() {
		ParseOutput(out, false)
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "labels/s")
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want int
	}{
		{"", 0, 0}, {"abc", 3, 3}, {"abc", 2, 2}, {"a\x00b", 6, 3}, {"a\x00b", 5, 2}, {"a\x00b", 4, 1},
		{"\xff\xff", 8, 2}, {"\xff\xff", 7, 1}, {"éé", 3, 2}, {"é\xff", 6, 3}, {"é\xff", 5, 2},
	} {
		got, takes := Within([]byte(c.in), c.most)
		if all := Escape([]byte(c.in[:got])); got != c.want || len(all) != takes || takes > c.most {
			t.Errorf("Within(%q, %d) = %d, %d, want %d for %q", c.in, c.most, got, takes, c.want, all)
		}
	}
}

func TestUnfinished(t *testing.T) {
	for in, want := range map[string]int{
		"": 0, "a": 0, "é": 0, "a\xc3": 1, "\xe2\x82": 2, "\xe2\x82\xac": 0, "\xf0\x9d\x84": 3, "\xf0\x9d\x84\x9e": 0,
		"\xff": 0, "\x82\x82\x82\x82": 0, "\xc3a": 0, "\xe2\xe2": 1, "\xed\xa0": 0, "\x00": 0,
	} {
		if got := Unfinished([]byte(in)); got != want {
			t.Errorf("Unfinished(%q) = %d, want %d", in, got, want)
		}
	}
}
