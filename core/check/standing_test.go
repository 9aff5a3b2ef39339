package check

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// play gives results, one letter each (O W C U), one second apart.
func play(c Check, s Standing, letters string) Standing {
	at := time.Unix(1_000, 0)
	for _, l := range letters {
		s = s.After(c, State(strings.IndexRune("OWCU", l)), at)
		at = at.Add(time.Second)
	}
	return s
}

func TestSoftAndHard(t *testing.T) {
	for _, c := range []struct {
		results   string
		attempts  int
		attempt   int
		hard      bool
		last      State // hard
		since     int   // seconds after the first result
		hardSince int
	}{
		{"O", 3, 1, true, OK, 0, 0},
		{"C", 1, 1, true, Critical, 0, 0},
		{"C", 0, 1, true, Critical, 0, 0},
		{"C", 3, 1, false, OK, 0, -1},
		{"OC", 3, 1, false, OK, 1, 0},
		{"OCC", 3, 2, false, OK, 1, 0},
		{"OCCC", 3, 3, true, Critical, 1, 3},
		{"OCCCC", 3, 3, true, Critical, 1, 3},
		{"OWCU", 3, 3, true, Unknown, 3, 3}, // any problem counts
		{"OCCO", 3, 1, true, OK, 3, 0},      // a soft recovery: OK was hard all the time
		{"OCCCO", 3, 1, true, OK, 4, 4},
		{"OCCCW", 3, 3, true, Warning, 4, 4}, // hard stays hard
		{"OCCCOC", 3, 1, false, OK, 5, 4},
	} {
		s := play(Check{Attempts: c.attempts}, Standing{}, c.results)
		at := func(n int) time.Time {
			if n < 0 {
				return time.Time{}
			}
			return time.Unix(1_000+int64(n), 0)
		}
		if s.Attempt != c.attempt || s.IsHard() != c.hard || s.Hard != c.last || !s.Since.Equal(at(c.since)) || !s.HardSince.Equal(at(c.hardSince)) {
			t.Errorf("%s of %d: %+v", c.results, c.attempts, s)
		}
	}
	if (Standing{}).IsHard() {
		t.Error("no result at all is hard")
	}
	s := play(Check{Attempts: 5}, Standing{}, "OCCCC")
	if s = play(Check{Attempts: 2}, s, "C"); s.Attempt != 2 || !s.IsHard() {
		t.Errorf("fewer attempts than before: %+v", s)
	}
}

func TestFlapping(t *testing.T) {
	near := func(got, want float64) bool { return math.Abs(got-want) < 1e-9 }
	c := Check{}
	if s := play(c, Standing{}, strings.Repeat("O", 30)); s.Percent != 0 || s.Flapping {
		t.Errorf("steady: %+v", s)
	}
	if s := play(c, Standing{}, strings.Repeat("OC", 30)); !near(s.Percent, 100) || !s.Flapping {
		t.Errorf("every time: %+v", s)
	}
	// The example of Nagios' documentation: 7 changes in 21 results, at the steps 3, 4, 5, 9, 12, 16 and 19.
	states := []byte{'O'}
	for step := 1; step <= 20; step++ {
		last := states[len(states)-1]
		if slices.Contains([]int{3, 4, 5, 9, 12, 16, 19}, step) {
			last = 'O' + 'C' - last
		}
		states = append(states, last)
	}
	want := 0.0
	for _, step := range []float64{3, 4, 5, 9, 12, 16, 19} {
		want += 0.75 + (step-1)*0.5/19
	}
	if s := play(c, Standing{}, string(states)); !near(s.Percent, want/20*100) || !s.Flapping {
		t.Errorf("the example: %+v, want %.2f %%", s, want/20*100)
	}
	// It ends only at the lower threshold.
	s := play(c, Standing{}, strings.Repeat("OC", 30))
	n := 0
	for ; s.Flapping; n++ {
		s = play(c, s, "O")
	}
	if n != 20 || s.Percent > 5 {
		t.Errorf("ended after %d steady results, at %.1f %%", n, s.Percent)
	}
	if s := play(Check{Flap: Flap{Off: true}}, Standing{}, strings.Repeat("OC", 30)); s.Flapping || s.Percent == 0 {
		t.Errorf("off: %+v", s)
	}
	if s := play(Check{Attempts: 3}, Standing{}, strings.Repeat("OC", 30)); s.Percent != 0 {
		t.Errorf("soft problems count as changes: %+v", s)
	}
	if s := play(Check{Flap: Flap{Low: 30, High: 50}}, Standing{}, "OCOCOCO"); s.Flapping {
		t.Errorf("its own threshold: %+v", s)
	}
}

func TestFlapsSurvive(t *testing.T) {
	s := play(Check{}, Standing{}, "OCWUOOCOCOCWUO")
	got, ok := Standing{}.WithFlaps(s.Flaps())
	if !ok || got.history != s.history || got.Percent != s.Percent {
		t.Errorf("%q: %+v, want %+v", s.Flaps(), got, s)
	}
	for _, bad := range []string{"", "0", strings.Repeat("4", 21), strings.Repeat("0", 22)} {
		if _, ok := (Standing{}).WithFlaps(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}
