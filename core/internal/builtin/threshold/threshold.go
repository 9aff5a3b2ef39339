// Package threshold holds the limits of builtin checks: ranges of the Monitoring Plugins guidelines, the pair of a warning
// and a critical one with its verdict, and numbers written for people. It reads options' values; it measures nothing.
package threshold

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/core/check"
)

// Range is a range of the guidelines as an option gave it. The zero value alerts never.
type Range struct {
	text string // as typed; "" alerts never
	check.Range
}

// Parse reads a range. A percent sign is taken and means nothing: what is compared is the caller's.
func Parse(text string) (Range, error) {
	text = strings.ReplaceAll(text, "%", "")
	r, err := check.ParseRange(text)
	if err != nil {
		return Range{}, err
	}
	return Range{text, r}, nil
}

// Above gives the range that alerts above a limit (and below 0).
func Above(limit float64) Range {
	return Range{Format(limit), check.Range{End: limit}}
}

// Alerts says whether a value calls for an alert. NaN never does.
func (r Range) Alerts(v float64) bool { return r.text != "" && r.Alert(v) }

// Set says whether there is a range at all.
func (r Range) Set() bool { return r.text != "" }

// String gives the range as typed, without percent signs.
func (r Range) String() string { return r.text }

// Scaled gives the range with both ends multiplied by a positive factor and rounded to whole numbers: percent to bytes,
// minutes to seconds.
func (r Range) Scaled(factor float64) Range {
	if r.text == "" {
		return r
	}
	end := func(v float64) float64 {
		if math.IsInf(v, 0) {
			return v
		}
		return math.Round(v * factor)
	}
	s := Range{Range: check.Range{Start: end(r.Start), End: end(r.End), Inside: r.Inside}}
	if s.Inside {
		s.text = "@"
	}
	switch {
	case math.IsInf(s.Start, -1):
		s.text += "~:"
	case s.Start != 0 || math.IsInf(s.End, 1):
		s.text += Format(s.Start) + ":"
	}
	if !math.IsInf(s.End, 1) {
		s.text += Format(s.End)
	}
	return s
}

// Pair is a warning and a critical range.
type Pair struct {
	Warn, Crit Range
}

// State is the verdict on a value: critical before warning.
func (p Pair) State(v float64) check.State {
	switch {
	case p.Crit.Alerts(v):
		return check.Critical
	case p.Warn.Alerts(v):
		return check.Warning
	default:
		return check.OK
	}
}

// Set says whether either range is there.
func (p Pair) Set() bool { return p.Warn.Set() || p.Crit.Set() }

// Scaled scales both ranges.
func (p Pair) Scaled(factor float64) Pair {
	return Pair{Warn: p.Warn.Scaled(factor), Crit: p.Crit.Scaled(factor)}
}

// Perf gives perfdata with the pair's ranges. NaN as min or max means none.
func (p Pair) Perf(label string, value float64, unit string, lowest, highest float64) check.Perfdata {
	return check.Perfdata{
		Label: label, Value: value, Unit: unit, Warn: p.Warn.String(), Crit: p.Crit.String(), Min: lowest, Max: highest,
	}
}

// Into gives a setter for option.Set.Value that reads a range into r.
func Into(r *Range) func(string) error {
	return func(text string) (err error) {
		*r, err = Parse(text)
		return err
	}
}

// ParsePair reads "W,C": two ranges, either of which may be empty.
func ParsePair(text string) (p Pair, err error) {
	warn, crit, two := strings.Cut(text, ",")
	if !two {
		return Pair{}, fmt.Errorf("%q is not of the form WARNING,CRITICAL", text)
	}
	if warn != "" {
		if p.Warn, err = Parse(warn); err != nil {
			return Pair{}, err
		}
	}
	if crit != "" {
		if p.Crit, err = Parse(crit); err != nil {
			return Pair{}, err
		}
	}
	return p, nil
}

// IntoPair gives a setter for option.Set.Value that reads "W,C" into p.
func IntoPair(p *Pair) func(string) error {
	return func(text string) (err error) {
		*p, err = ParsePair(text)
		return err
	}
}

// Worst gives the more urgent of two states: CRITICAL, WARNING, UNKNOWN, OK.
func Worst(a, b check.State) check.State {
	urgency := [...]int{check.OK: 0, check.Unknown: 1, check.Warning: 2, check.Critical: 3}
	if urgency[b&3] > urgency[a&3] {
		return b
	}
	return a
}

// Number reads a finite decimal number.
func Number(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is no number", text)
	}
	return v, nil
}

// Format writes a number as short as it can be without an exponent.
func Format(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// Bytes writes a number of bytes for people: "12.3 GiB".
func Bytes(n float64) string {
	const step = 1024
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := 0
	for i < len(units)-1 && math.Abs(n) >= step {
		n /= step
		i++
	}
	if i == 0 {
		return strconv.FormatFloat(n, 'f', 0, 64) + " B"
	}
	return strconv.FormatFloat(n, 'f', 1, 64) + " " + units[i]
}
