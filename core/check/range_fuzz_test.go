package check

import (
	"math"
	"testing"
)

// FuzzParseRange: a range that is read has an order, and no value is within and without it.
func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"10", "10:", "~:10", "10:20", "@10:20", ":5", "1e3:2E3", "@~:", "-5:-1.5", "NaN:1", "0x1p4", "1e999"} {
		f.Add(s, 1.5)
	}
	f.Fuzz(func(t *testing.T, s string, v float64) {
		r, err := ParseRange(s)
		if err != nil {
			return
		}
		if math.IsNaN(r.Start) || math.IsNaN(r.End) || r.Start > r.End {
			t.Fatalf("%q is %+v", s, r)
		}
		other := r
		other.Inside = !r.Inside
		if !math.IsNaN(v) && r.Alert(v) == other.Alert(v) {
			t.Fatalf("%q: %v is within and without", s, v)
		}
	})
}
