package check

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestParseNumberIsParseFloat(t *testing.T) {
	try := func(s string) {
		got, err1 := parseNumber(s)
		want, err2 := strconv.ParseFloat(s, 64)
		if (err1 == nil) != (err2 == nil) || math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%q: %v %v, want %v %v", s, got, err1, want, err2)
		}
	}
	for _, s := range []string{"", "-", ".", "-.", "0", "-0", "0.0", ".5", "5.", "1..2", "1e5", "+1", "0x1", "1_000", "inf", "999999999999999", "9999999999999999", "0.000000000000001",
		"123456.789012345", "0.3", "-0.1", "2.675", "9007199254740993"} {
		try(s)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		try(strconv.FormatFloat(r.NormFloat64()*math.Pow(10, float64(r.IntN(12)-4)), 'f', r.IntN(10), 64))
	}
}

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
