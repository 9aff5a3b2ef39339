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
	f, err := parseNumber(s)
	return f, err == nil
}

// tens are the powers of ten that a float64 holds exactly, as far as they are needed.
var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// parseNumber is strconv.ParseFloat, faster for what plugins mostly print: a few digits, perhaps with a point. Fifteen digits and a power of ten up to
// 15 are exact, so one division rounds as it should.
func parseNumber(s string) (float64, error) {
	whole, digits, point := uint64(0), 0, -1
	i := 0
	if len(s) > 0 && s[0] == '-' {
		i = 1
	}
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			whole = whole*10 + uint64(c-'0')
			digits++
		case c == '.' && point < 0:
			point = digits
		default:
			return strconv.ParseFloat(s, 64)
		}
	}
	if digits == 0 || digits > 15 {
		return strconv.ParseFloat(s, 64)
	}
	f := float64(whole)
	if point >= 0 {
		f /= tens[digits-point]
	}
	if s[0] == '-' {
		f = -f
	}
	return f, nil
}
