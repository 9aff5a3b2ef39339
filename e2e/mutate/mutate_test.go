package main

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// What survives in a small package is what its test cannot see: ten is ten on either side of the limit, and nobody calls Unseen.
func TestWhatSurvives(t *testing.T) {
	p, err := load("testdata/weak")
	if err != nil {
		t.Fatal(err)
	}
	all, err := choice{}.of(p.mutants)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	r, err := measure(p, selectionOf("testdata/weak"), time.Minute, 1, &log, all)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][2]bool{}
	for i, m := range p.mutants {
		_, name, _ := strings.Cut(m.name, " ")
		got[name] = [2]bool{r.killed[i], r.reached[i]}
	}
	want := map[string][2]bool{
		"const: most = 10 → one more": {true, true},
		"Limit: n > most → not":       {true, true},
		"Limit: n > most → >=":        {false, true},
		"Limit: return n → one more":  {true, true},
		"Unseen: n * 2 → /":           {false, false},
		"Unseen: 2 → one more":        {false, false},
	}
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s: killed and reached %v, want %v", name, got[name], w)
		}
	}
	for name, g := range got {
		if _, known := want[name]; !known && g[0] == strings.HasPrefix(name, "Unseen") {
			t.Errorf("%s: killed %v", name, g[0])
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines != len(p.mutants) {
		t.Errorf("%d lines in the log of %d changes", lines, len(p.mutants))
	}
	if report(p, r, map[string]bool{}, all) {
		t.Error("a package with survivors that nobody listed is good enough")
	}
}

// What a program only says to its log is no change; what the log makes of it is.
func TestLogLinesAreLeftAlone(t *testing.T) {
	p, err := load("testdata/talk")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range p.mutants {
		_, name, _ := strings.Cut(m.name, " ")
		got = append(got, name)
	}
	if want := []string{"logger.say: l.write(n) → nothing", "Talk: clear(list) → nothing"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestASampleIsDrawnBySeed(t *testing.T) {
	mutants := make([]mutant, 100)
	draw := func(c choice) []int {
		list, err := c.of(mutants)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	one, again, other := draw(choice{sample: 20, seed: 1}), draw(choice{sample: 20, seed: 1}), draw(choice{sample: 20, seed: 2})
	if len(one) != 20 || !reflect.DeepEqual(one, again) || reflect.DeepEqual(one, other) {
		t.Errorf("%v, %v, %v", one, again, other)
	}
	if whole := draw(choice{seed: 1}); !slices.Equal(whole[:20], one) || len(whole) != 100 {
		t.Errorf("a sample is not how a whole run begins: %v", whole)
	}
}

func TestBounds(t *testing.T) {
	for _, tt := range []struct {
		hits, of  int
		low, high float64
	}{{95, 100, 0.888, 0.978}, {0, 10, 0, 0.278}, {10, 10, 0.722, 1}, {0, 0, 0, 1}} {
		if low, high := bounds(tt.hits, tt.of); math.Abs(low-tt.low) > 0.001 || math.Abs(high-tt.high) > 0.001 {
			t.Errorf("%d of %d: %.3f to %.3f", tt.hits, tt.of, low, high)
		}
	}
}

func TestSelections(t *testing.T) {
	if got := selectionOf("stub:a_test.go,b_test.go:-cuts=-1"); !reflect.DeepEqual(got, selection{"stub", []string{"a_test.go", "b_test.go"}, []string{"-cuts=-1"}}) {
		t.Errorf("%+v", got)
	}
	if got := selectionOf("signing/tuf"); got.path != "signing/tuf" || len(got.files)+len(got.flags) != 0 {
		t.Errorf("%+v", got)
	}
}
