package threshold

import (
	"math"
	"testing"
)

// FuzzParse: a range comes back from its text; a pair and a size never are what their text cannot say.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"80%", "10:20", "@5:6", "~:1e3", "5%,10%", "0", "100%", "101%", "-1", "10:,20:", "inf", "nan"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		same := func(r Range) {
			if again, err := Parse(r.String()); r.Set() && (err != nil || again != r) {
				t.Fatalf("%q is %+v, and that is %+v, %v", s, r, again, err)
			}
			if r.Scaled(60).Alerts(math.NaN()) {
				t.Fatalf("%q alerts at what could not be measured", s)
			}
		}
		if r, err := Parse(s); err == nil {
			same(r)
		}
		if p, err := ParsePair(s); err == nil {
			same(p.Warn)
			same(p.Crit)
		}
		free, err := ParseFree(s)
		if err == nil && (math.IsNaN(free.Value) || free.Value < 0 || free.Percent && free.Value > 100) {
			t.Fatalf("%q is %+v", s, free)
		}
	})
}
