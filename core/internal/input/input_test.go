package input

import (
	"fmt"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestGraphiteLines(t *testing.T) {
	now := time.Unix(1000, 5)
	for _, tt := range []struct {
		line string
		want string
	}{
		{"a.b 1.5 12", "a.b 1.5 12000000000"},
		{"a;host=x 1e3 12.25", "a;host=x 1000 12250000000"},
		{"a -1", "a -1 1000000000005"},
		{"a 1 -1", "a 1 1000000000005"},
		{"a 1 N", "a 1 1000000000005"},
		{"a", ""}, {"a nan 1", ""}, {"a inf 1", ""}, {"a 1 x", ""}, {"a 1 1 1", ""}, {"a 1 -5", ""}, {"a 1 1e30", ""}, {"\xff 1 1", ""},
	} {
		s, ok := parseGraphite(tt.line, now)
		got := ""
		if ok {
			got = fmt.Sprint(s.Name, " ", s.Value, " ", s.AtNs)
		}
		if got != tt.want {
			t.Errorf("%q: %q, want %q", tt.line, got, tt.want)
		}
	}
}

func TestStatsDInterval(t *testing.T) {
	known := map[string]float64{"level": 10}
	tally := newTally()
	for _, line := range []string{
		"hits:1|c", "hits:2|c|@0.5", "hits:1|c|#env:prod,x:y", "level:+5|g", "level:-1|g", "abs:3|g", "t:10|ms", "t:20|ms|@0.5", "who:ann|s", "who:bob|s", "who:ann|s",
	} {
		if !tally.add(line, known) {
			t.Errorf("%q was refused", line)
		}
	}
	for _, line := range []string{"", "x", "x:1", "x:y|c", ":1|c", "x:1|z", "x:1|c|@0", "x:1|c|@2", "a b:1|c", "x:nan|g"} {
		if tally.add(line, known) {
			t.Errorf("%q was taken", line)
		}
	}
	got := map[string]float64{}
	tally.give(time.Unix(1, 0), func(s *wire.Sample) { got[s.Name+" "+s.Kind] = s.Value })
	want := map[string]float64{
		"hits counter": 5, "hits;env=prod;x=y counter": 1, "level gauge": 14, "abs gauge": 3, "who set": 2, "t.count timer": 3, "t.min timer": 10, "t.max timer": 20,
		"t.mean timer": 50.0 / 3, "t.p95 timer": 20,
	}
	for name, value := range want {
		if d := got[name] - value; d > 1e-9 || d < -1e-9 {
			t.Errorf("%s is %v, not %v", name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
}

func TestAnIntervalHasAnEnd(t *testing.T) {
	tally, known := newTally(), map[string]float64{}
	for n := range maxNames + 5 {
		if took := tally.add(fmt.Sprintf("n%d:1|c", n), known); took != (n < maxNames) {
			t.Fatalf("name %d: %v", n, took)
		}
	}
	if !tally.add("n7:1|c", known) {
		t.Error("a name that is known was refused")
	}
}

func FuzzStatsD(f *testing.F) {
	for _, seed := range []string{"a:1|c", "a:1|c|@0.1|#x:y", "a:+1|g", "a:b|s", "a:1|ms"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		tally := newTally()
		if tally.add(line, map[string]float64{}) {
			n := 0
			tally.give(time.Unix(0, 0), func(s *wire.Sample) {
				if n++; len(s.Name) > maxName+8 || s.Name == "" {
					t.Fatalf("%q", s.Name)
				}
			})
			if n == 0 {
				t.Fatal("taken, and nothing came of it")
			}
		}
	})
}
