package check

import (
	"math"
	"strconv"
	"strings"
)

// MaxPerfdata is how many values of one run are read: ten times what Nagios or NRPE let through, and a bound for what a broken one costs, some
// hundred bytes of memory for each.
const MaxPerfdata = 4096

// MaxPerfdataText bounds, in bytes, what those values take as they were printed.
const MaxPerfdataText = 256 << 10

// shortest is the length of the shortest value with the blank before the next: "a=1 ".
const shortest = 4

// perfReader reads values out of one or more stretches of perfdata. All strings it keeps are parts of what it was given.
type perfReader struct {
	values []Perfdata
	size   int // of values as they were printed
	over   int // values beyond MaxPerfdata or MaxPerfdataText
	notes  *notes
}

// read takes a stretch, lines and all. cut: its last word may be half of one.
func (p *perfReader) read(s string, cut bool) {
	if cut {
		s = p.dropHalf(s)
	}
	if p.values == nil {
		if n := min(strings.Count(s, "="), len(s)/shortest+1, MaxPerfdata); n > 0 {
			p.values = make([]Perfdata, 0, n)
		}
	}
	for {
		s = skipBlank(s)
		if s == "" {
			return
		}
		s = p.one(s)
	}
}

// dropHalf takes the last word off, which a limit cut through.
func (p *perfReader) dropHalf(s string) string {
	end := strings.LastIndexAny(s, " \t\n\r|") + 1
	if end < len(s) {
		p.notes.add("perfdata " + quote(s[end:]) + ": cut off by the limit of the output, not read")
	}
	return s[:end]
}

func (p *perfReader) finish() []string {
	if p.over > 0 {
		p.notes.add("perfdata: " + strconv.Itoa(p.over) + " values beyond the first " + strconv.Itoa(len(p.values)) + " not kept")
	}
	return p.notes.all()
}

// one reads the value that s starts with and returns what follows it. s does not start with a blank.
func (p *perfReader) one(s string) string {
	label, rest, ok := p.label(s)
	if !ok {
		return rest
	}
	end := wordEnd(rest)
	word, rest := rest[:end], rest[end:]
	if label == "" {
		p.notes.add("perfdata " + quote("="+word) + ": no label before '='")
		return rest
	}
	v := Perfdata{Label: label}
	if !p.fields(&v, word) {
		return rest
	}
	size := len(s) - len(rest)
	if len(p.values) >= MaxPerfdata || p.size+size > MaxPerfdataText {
		p.over++
		p.size = MaxPerfdataText // a smaller one that follows would look like the next
		return rest
	}
	p.size += size
	p.values = append(p.values, v)
	return rest
}

// label reads up to and with '='. When there is none, it has noted that, and rest is where to go on.
func (p *perfReader) label(s string) (label, rest string, ok bool) {
	if s[0] == '\'' {
		label, rest, ok = quotedLabel(s)
		if ok {
			return label, rest, true
		}
		end := wordEnd(s)
		p.notes.add("perfdata " + quote(s[:end]) + ": the quoted label does not end in \"'=\"")
		return "", s[end:], false
	}
	end := strings.IndexAny(s, "=\n|")
	if end < 0 || s[end] != '=' {
		if end < 0 {
			end = len(s)
		}
		p.notes.add("perfdata " + quote(strings.TrimSpace(s[:end])) + ": no '=' in it, so no label and no value")
		return "", s[end:], false
	}
	label = strings.TrimRight(s[:end], " \t\r")
	if strings.ContainsAny(label, " \t\r") {
		p.notes.add("perfdata label " + quote(label) + ": a label with blanks in it must stand in single quotes")
	}
	return label, s[end+1:], true
}

// quotedLabel reads 'label'= where two quotes in the label stand for one.
func quotedLabel(s string) (label, rest string, ok bool) {
	doubled := false
	for i := 1; ; {
		n := strings.IndexByte(s[i:], '\'')
		if n < 0 {
			return "", "", false
		}
		i += n + 1
		if i < len(s) && s[i] == '\'' {
			doubled = true
			i++
			continue
		}
		if i >= len(s) || s[i] != '=' {
			return "", "", false
		}
		label = s[1 : i-1]
		if strings.IndexByte(label, '\n') >= 0 {
			return "", "", false // a quote left open earlier
		}
		if doubled {
			label = strings.ReplaceAll(label, "''", "'")
		}
		return label, s[i+1:], true
	}
}

// fields reads value[unit];warn;crit;min;max into v. false: there is no value; noted.
func (p *perfReader) fields(v *Perfdata, word string) bool {
	v.Min, v.Max = math.NaN(), math.NaN()
	value, rest, more := strings.Cut(word, ";")
	if !p.value(v, value) {
		return false
	}
	if !more {
		return true
	}
	v.Warn, rest, more = strings.Cut(rest, ";")
	p.checkRange(v.Label, "warn", v.Warn)
	if !more {
		return true
	}
	v.Crit, rest, more = strings.Cut(rest, ";")
	p.checkRange(v.Label, "crit", v.Crit)
	if !more {
		return true
	}
	low, rest, more := strings.Cut(rest, ";")
	v.Min = p.limit(v.Label, "min", low)
	if !more {
		return true
	}
	high, extra, _ := strings.Cut(rest, ";")
	v.Max = p.limit(v.Label, "max", high)
	if strings.Trim(extra, ";") != "" {
		p.notes.label(v.Label, "more than four fields after the value", extra)
	}
	return true
}

// value reads number and unit, or U.
func (p *perfReader) value(v *Perfdata, s string) bool {
	if s == "U" {
		v.Value = math.NaN()
		return true
	}
	if strings.HasSuffix(s, ",") {
		p.notes.label(v.Label, "a comma is no separator, values stand between blanks", s)
		s = strings.TrimRight(s, ",")
	}
	n, comma := numberEnd(s)
	unit := s[n:]
	if n == 0 || strings.ContainsAny(unit, "0123456789'\"=,") || strings.HasPrefix(unit, ".") {
		p.notes.label(v.Label, "bad value", s)
		return false
	}
	digits := s[:n]
	if comma {
		p.notes.label(v.Label, "decimal comma read as a point (plugins should run with LC_ALL=C)", s)
		digits = strings.Replace(digits, ",", ".", 1)
	}
	f, err := parseNumber(digits)
	if err != nil {
		p.notes.label(v.Label, "bad value", s)
		return false
	}
	v.Value, v.Unit = f, unit
	return true
}

// numberEnd returns the length of the decimal number that s starts with, 0 when there is none. 'e' counts when digits follow it, so
// that units may start with it. comma: its decimal point is a comma.
func numberEnd(s string) (n int, comma bool) {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	whole := digitsEnd(s, i)
	end, any := whole, whole > i
	if whole < len(s) && (s[whole] == '.' || s[whole] == ',') {
		fraction := digitsEnd(s, whole+1)
		hasFraction := fraction > whole+1
		if hasFraction || any && s[whole] == '.' {
			end, comma = fraction, s[whole] == ','
			any = true
		}
	}
	if !any {
		return 0, false
	}
	if end < len(s) && (s[end] == 'e' || s[end] == 'E') {
		exp := end + 1
		if exp < len(s) && (s[exp] == '-' || s[exp] == '+') {
			exp++
		}
		if last := digitsEnd(s, exp); last > exp {
			end = last
		}
	}
	return end, comma
}

func digitsEnd(s string, i int) int {
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}

// checkRange notes a threshold that is no range; it is kept as printed all the same.
func (p *perfReader) checkRange(label, which, s string) {
	if s == "" {
		return
	}
	if _, ok := readRange(s); !ok {
		p.notes.label(label, which+" is not a range of the plugin guidelines, kept as printed", s)
	}
}

// limit reads min or max; NaN when absent or, noted, not a number.
func (p *perfReader) limit(label, which, s string) float64 {
	if s == "" || s == "U" {
		return math.NaN()
	}
	n, comma := numberEnd(s)
	if n == len(s) && !comma {
		if f, err := parseNumber(s); err == nil {
			return f
		}
	}
	p.notes.label(label, which+" is not a number, left out", s)
	return math.NaN()
}

// skipBlank drops what may stand between values; a further '|' is one.
func skipBlank(s string) string {
	i := 0
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	return s[i:]
}

// wordEnd finds the end of a word without quotes.
func wordEnd(s string) int {
	for i := range len(s) {
		if isBlank(s[i]) {
			return i
		}
	}
	return len(s)
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' || b == '|' }
