package threshold

import (
	"math"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
)

func pair(t *testing.T, text string) Pair {
	t.Helper()
	p, err := ParsePair(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPairState(t *testing.T) {
	for _, c := range []struct {
		pair string
		v    float64
		want check.State
	}{
		{"80,90", 80, check.OK}, {"80,90", 80.1, check.Warning}, {"80,90", 91, check.Critical}, {"80%,90%", 85, check.Warning},
		{",90", 85, check.OK}, {"80,", 99, check.Warning}, {"10:,5:", 7, check.Warning}, {"10:,5:", 4, check.Critical},
		{"@1:3,", 2, check.Warning}, {"~:0,", -5, check.OK}, {"80,90", -1, check.Critical}, {"80,90", math.NaN(), check.OK},
	} {
		if got := pair(t, c.pair).State(c.v); got != c.want {
			t.Errorf("%s of %v: %s, want %s", c.pair, c.v, got, c.want)
		}
	}
	if got := (Pair{}).State(1e9); got != check.OK {
		t.Errorf("no limits: %s", got)
	}
}

func TestParsePairRefuses(t *testing.T) {
	for _, text := range []string{"5", "x,5", "5,x", "3:1,", "nan,", "inf,"} {
		if _, err := ParsePair(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestScaled(t *testing.T) {
	for text, want := range map[string]string{
		"90": "5400", "30:": "1800:", "@1:2": "@60:120", "~:5": "~:300", "0:": "0:", "1.5": "90", "": "",
	} {
		r := Range{}
		if text != "" {
			var err error
			if r, err = Parse(text); err != nil {
				t.Fatal(err)
			}
		}
		s := r.Scaled(60)
		if s.String() != want {
			t.Errorf("%q scaled is %q, want %q", text, s, want)
		}
		for _, v := range []float64{-1, 0, 1, 1.5, 2, 5, 30, 90, 91} {
			if r.Alerts(v) != s.Alerts(v*60) {
				t.Errorf("%q and its scaled %q disagree about %v", text, s, v)
			}
		}
	}
}

func TestFree(t *testing.T) {
	const gib = 1 << 30
	percent := func(v float64) Free { return Free{Value: v, Percent: true, Given: true} }
	capped := Free{Value: 10, Percent: true, Most: 20 * gib, Given: true}
	for _, c := range []struct {
		limit             Free
		free, total       float64
		broken            bool
		wantLeft, wantUse float64
	}{
		{percent(10), 10, 100, true, 10, 90},
		{percent(10), 11, 100, false, 10, 90},
		{Free{Value: 5, Given: true}, 5, 100, true, 5, 95},
		{Free{Value: 5, Given: true}, 6, 100, false, 5, 95},
		{Free{Value: 500, Given: true}, 100, 100, true, 500, 0},
		{capped, 30 * gib, 1000 * gib, false, 20 * gib, 980 * gib},
		{capped, 20 * gib, 1000 * gib, true, 20 * gib, 980 * gib},
		{capped, 2 * gib, 10 * gib, false, 1 * gib, 9 * gib},
		{capped, 1 * gib, 10 * gib, true, 1 * gib, 9 * gib},
		{percent(10), 0, 270553174016, true, 27055317401, 243497856614}, // what check_disk prints
		{percent(5), 0, 270553174016, true, 13527658700, 257025515315},
	} {
		if got := c.limit.Broken(c.free, c.total); got != c.broken {
			t.Errorf("%+v: %v of %v broken: %v", c.limit, c.free, c.total, got)
		}
		if left, used := c.limit.Left(c.total), c.limit.Used(c.total); left != c.wantLeft || used != c.wantUse {
			t.Errorf("%+v of %v: left %v used %v, want %v and %v", c.limit, c.total, left, used, c.wantLeft, c.wantUse)
		}
	}
	if (Free{}).Broken(0, 100) {
		t.Error("no limit was broken")
	}
	for _, text := range []string{"", "x", "-1", "101%", "5GB", "nan", "%"} {
		if _, err := ParseFree(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestBytes(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 13206899097.6: "12.3 GiB", math.MaxFloat64: "",
	} {
		if got := Bytes(v); got != want && want != "" {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

func TestWorst(t *testing.T) {
	order := []check.State{check.OK, check.Unknown, check.Warning, check.Critical}
	for i, a := range order {
		for j, b := range order {
			if got := Worst(a, b); got != order[max(i, j)] {
				t.Errorf("worst of %s and %s is %s", a, b, got)
			}
		}
	}
}
