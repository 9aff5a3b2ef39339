package check

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Range is a threshold of the plugin guidelines: [@][start:][end].
type Range struct {
	Start, End float64 // -Inf for '~', +Inf for an end left out; both belong to the range
	Inside     bool    // '@': alert when the value lies in it, else when it lies outside
}

// Alert says whether v calls for an alert. NaN never does: what could not be measured is Unknown, which is not the range's to say.
func (r Range) Alert(v float64) bool {
	if math.IsNaN(v) {
		return false
	}
	in := r.Start <= v && v <= r.End
	return in == r.Inside
}

// ParseRange reads "10" (0 to 10), "10:", "~:10", "10:20", "@10:20".
func ParseRange(s string) (Range, error) {
	r, ok := readRange(s)
	if !ok {
		return Range{}, fmt.Errorf("range %s: must be like 10, 10:, ~:10, 10:20 or @10:20, start not above end", quote(s))
	}
	return r, nil
}

// readRange is ParseRange without an error to make.
func readRange(s string) (Range, bool) {
	var r Range
	s, r.Inside = strings.CutPrefix(s, "@")
	start, end, colon := strings.Cut(s, ":")
	if !colon {
		start, end = "0", start
	}
	ok := true
	switch start {
	case "~":
		r.Start = math.Inf(-1)
	case "": // ":10" is printed by some; it can only mean 0
		ok = end != ""
	default:
		r.Start, ok = readNumber(start)
	}
	if !ok {
		return Range{}, false
	}
	r.End = math.Inf(1)
	if end != "" {
		r.End, ok = readNumber(end)
	} else if !colon {
		ok = false
	}
	return r, ok && r.Start <= r.End
}

func readNumber(s string) (float64, bool) {
	if n, comma := numberEnd(s); n != len(s) || comma || n == 0 {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}
