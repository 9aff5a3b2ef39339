package check

import (
	"math"
	"testing"
)

func TestRangeAlert(t *testing.T) {
	cases := []struct {
		text         string
		quiet, alert []float64
	}{
		{"10", []float64{0, 5, 10}, []float64{-0.1, 10.1}},
		{"10:", []float64{10, 1e9}, []float64{9.99, -1}},
		{"~:10", []float64{-1e9, 10}, []float64{10.1}},
		{"10:20", []float64{10, 15, 20}, []float64{9, 21}},
		{"@10:20", []float64{9, 21}, []float64{10, 15, 20}},
		{"@5", []float64{-1, 6}, []float64{0, 5}},
		{"-5:-1.5", []float64{-5, -2}, []float64{-6, 0}},
		{"~:", []float64{-1e300, 1e300}, nil},
		{":5", []float64{0, 5}, []float64{-1, 6}},
		{"1e3:2E3", []float64{1500}, []float64{999, 2001}},
	}
	for _, c := range cases {
		r, err := ParseRange(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		for _, v := range append(c.quiet, math.NaN()) {
			if r.Alert(v) {
				t.Errorf("%s alerts at %v", c.text, v)
			}
		}
		for _, v := range c.alert {
			if !r.Alert(v) {
				t.Errorf("%s is quiet at %v", c.text, v)
			}
		}
	}
}

func TestParseRangeRefuses(t *testing.T) {
	for _, s := range []string{"", "@", ":", "~", "20:10", "x", "1:x", "1:2:3", "1,5", "5%", "nan", "inf", "0x10", "1_000", "@@1", " 1"} {
		if r, err := ParseRange(s); err == nil {
			t.Errorf("%q read as %+v", s, r)
		}
	}
}
