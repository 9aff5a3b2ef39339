package check

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// pieces are what outputs are put together of, each once for every way through the parser. The fuzzer tells apart how often an input takes each
// way, by powers of two up to 128: repeated as often, they leave it other ways to look for, not longer ways.
var pieces = []string{
	"a=1 ", "a=1.5ms;1;2;0;9 ", "a=-1.5e+3s;@1:2;~:3;-1;+1e9 ", "'a b'=1% ", "'a''b'=1 ", "''=1 ", "'a ", "'a'b ", "'a\n'=1 ", "=1 ", "a b=1 ", "a\n", "a|",
	"a= ", "a=x ", "a=1.x ", "a=.5 ", "a=1,5 ", "a=1, ", "a=1,,, ", "a=1,5,6 ", "a=U;U;U;U;U ", "a=1;;;; ", "a=1;;;;; ", "a=1;;;;;x ", "a=1;x;:;x;x ",
	"a=1;1:;2:1;1,5;1e999 ", "a=1e999 ", "a=1e ", "a=1e+ ", "a=1234567890123456 ", "a=123456789012345.;.;-.5 ", "a=;1 ", "a=µ ", "a=1µs ",
	"\x00", "\xff", "é", "\xc3", "\xe2\x82", "\U0001d11e", "|", " ", "\t", "\r\n", "\n", "=", "'", "''", ";", "0", "9", ".", ",", "-", "a", "@", ":", "~", "e",
	"a=1\n| b=2 ", "\n|a=1 ", "\n|'a\n'=1 ", "a='", "a=1'2 ", strings.Repeat("é", maxQuoted) + " ", strings.Repeat("l", maxQuoted+1) + "=x ",
}

func FuzzParseOutput(f *testing.F) {
	for _, s := range []string{"OK | a=1;2:3;@4;0;5\nlong | 'b c'=1e5%\n", "'x''y'=U", "|a= b=1,5 'c", "\x00\xff|=\r\n", "a|b|c=1|d", "x | ''=1 '''=2"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	for _, piece := range pieces {
		for n := 1; n <= 256; n *= 2 {
			f.Add([]byte("OK | "+strings.Repeat(piece, n)), n%3 == 1)
		}
	}
	for _, s := range []string{strings.Repeat("a=1 ", MaxPerfdata+1), "a=1 " + strings.Repeat("l", MaxPerfdataText) + "=1 a=1", strings.Repeat("\r\n", largeLong/2+1)} {
		f.Add([]byte("OK\n|"+s), false)
		f.Add([]byte("OK\n"+s), true)
	}
	f.Fuzz(func(t *testing.T, out []byte, cut bool) {
		o := ParseOutput(out, cut)
		all := append([]string{o.Text, o.Long}, o.Problems...)
		for _, p := range o.Perfdata {
			if p.Label == "" || math.IsInf(p.Value, 0) {
				t.Fatalf("impossible value %+v", p)
			}
			all = append(all, p.Label, p.Unit, p.Warn, p.Crit)
		}
		for _, s := range all {
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
				t.Fatalf("not for the wire: %q", s)
			}
		}
		if len(o.Problems) > MaxProblems+1 {
			t.Fatalf("%d problems", len(o.Problems))
		}
		// Values stand behind the first | of the first line, and behind the first one after it.
		first, rest, _ := strings.Cut(strings.TrimPrefix(string(out), "\xef\xbb\xbf"), "\n")
		_, perf, _ := strings.Cut(first, "|")
		_, more, _ := strings.Cut(rest, "|")
		if strings.Contains(perf+more, "=") && len(o.Perfdata) == 0 && len(o.Problems) == 0 {
			t.Fatalf("perfdata of %q lost without a word", out)
		}
	})
}

// What is printed as the guidelines say is read back as it was, without a problem.
func FuzzPerfdataRoundTrip(f *testing.F) {
	f.Add("label", 1.5, "ms", "10:20", 0.0)
	f.Add("it's = |", -1e300, "%", "@~:5", 1e-9)
	for _, piece := range []string{"a", "'", "''x", " ", "=", "|", ";", "\t", "\r", "é", "\U0001d11e", "x'=1 "} {
		for n := 1; n <= 256; n *= 2 {
			f.Add(strings.Repeat(piece, n), 1.5, "ms", strings.Repeat("1", n), -0.25)
			f.Add("a", 1.5, "", "0."+strings.Repeat("1", n)+":"+strings.Repeat("9", n), 1e21)
		}
	}
	for _, warn := range []string{"", "10", "10:", "~:10", "10:20", "@10:20", ":5", "@~:", "1e3:2E3", "-5:-1.5", "+1:+2.5e+9", "x", ".5:1.", "1,5"} {
		for _, v := range []float64{0, 1, -1, 0.1, 123456789, 123456789012345, 1234567890123456, 1e15, -1e-7, 1e-300, math.MaxFloat64, math.SmallestNonzeroFloat64} {
			f.Add("a b", v, "c", warn, -v)
		}
	}
	f.Fuzz(func(t *testing.T, label string, v float64, unit, warn string, low float64) {
		if label == "" || !utf8.ValidString(label) || strings.ContainsAny(label, "\x00\n") || math.IsInf(v, 0) || math.IsNaN(v) || math.IsInf(low, 0) || math.IsNaN(low) {
			return
		}
		switch unit {
		case "", "s", "us", "ms", "%", "B", "KB", "MB", "TB", "c":
		default:
			unit = "B"
		}
		if _, err := ParseRange(warn); err != nil {
			warn = "~:5"
		}
		line := fmt.Sprintf("OK | '%s'=%v%s;%s;;%v", strings.ReplaceAll(label, "'", "''"), v, unit, warn, low)
		o := ParseOutput([]byte(line), false)
		want := []Perfdata{{Label: label, Value: v, Unit: unit, Warn: warn, Min: low, Max: nan}}
		if len(o.Perfdata) == 1 {
			o.Perfdata[0].Max, want[0].Max = 0, 0 // NaN differs from itself
		}
		if !reflect.DeepEqual(o.Perfdata, want) || len(o.Problems) > 0 {
			t.Fatalf("%q read as %+v, problems %q", line, o.Perfdata, o.Problems)
		}
	})
}
