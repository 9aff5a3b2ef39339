package tuf

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of one JSON document. Metadata nests eight deep, and 2 MiB of targets
// are about 80,000 values.
const (
	maxDepth  = 16
	maxValues = 1 << 17
)

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	array
	object
)

// value is one JSON value. Members of an object are in items, their names, in
// the same order and sorted, in names.
type value struct {
	kind  kind
	text  string // of a text: decoded; of a number: its digits; of a boolean: "true" or "false"
	names []string
	items []value
}

// syntax is what is wrong with a document, for people.
type syntax string

func (s syntax) Error() string { return string(s) }

type scanner struct {
	data string
	pos  int
	left int // values that may still come
}

// parse reads one JSON document, strictly: RFC 8259 with integers of 64 bits
// only, no member twice, no lone surrogates, no invalid UTF-8, nothing after it.
func parse(data []byte) (value, error) {
	if !utf8.Valid(data) {
		return value{}, syntax("not UTF-8")
	}
	s := scanner{data: string(data), left: maxValues}
	v, err := s.value(0)
	if err != nil {
		return value{}, syntax(err.Error() + " at byte " + strconv.Itoa(s.pos))
	}
	if s.blank(); s.pos != len(s.data) {
		return value{}, syntax("trailing data at byte " + strconv.Itoa(s.pos))
	}
	return v, nil
}

func (s *scanner) blank() {
	for s.pos < len(s.data) && strings.IndexByte(" \t\r\n", s.data[s.pos]) >= 0 {
		s.pos++
	}
}

// take steps over c, or reports false.
func (s *scanner) take(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) value(depth int) (value, error) {
	if s.left--; s.left < 0 {
		return value{}, syntax("too many values")
	}
	if depth > maxDepth {
		return value{}, syntax("nested too deep")
	}
	s.blank()
	if s.pos == len(s.data) {
		return value{}, syntax("unexpected end")
	}
	switch c := s.data[s.pos]; {
	case c == '{':
		return s.object(depth)
	case c == '[':
		return s.array(depth)
	case c == '"':
		str, err := s.string()
		return value{kind: text, text: str}, err
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	}
	for _, word := range [...]value{{kind: null, text: "null"}, {kind: boolean, text: "true"}, {kind: boolean, text: "false"}} {
		if strings.HasPrefix(s.data[s.pos:], word.text) {
			s.pos += len(word.text)
			return word, nil
		}
	}
	return value{}, syntax("unexpected character")
}

func (s *scanner) array(depth int) (value, error) {
	v := value{kind: array}
	s.pos++
	if s.blank(); s.take(']') {
		return v, nil
	}
	for {
		item, err := s.value(depth + 1)
		if err != nil {
			return value{}, err
		}
		v.items = append(v.items, item)
		s.blank()
		if s.take(']') {
			return v, nil
		}
		if !s.take(',') {
			return value{}, syntax("expected , or ]")
		}
	}
}

func (s *scanner) object(depth int) (value, error) {
	v := value{kind: object}
	s.pos++
	if s.blank(); s.take('}') {
		return v, nil
	}
	for {
		if s.blank(); s.pos == len(s.data) || s.data[s.pos] != '"' {
			return value{}, syntax("expected a member name")
		}
		name, err := s.string()
		if err != nil {
			return value{}, err
		}
		if s.blank(); !s.take(':') {
			return value{}, syntax("expected :")
		}
		item, err := s.value(depth + 1)
		if err != nil {
			return value{}, err
		}
		v.names, v.items = append(v.names, name), append(v.items, item)
		s.blank()
		if s.take('}') {
			return sortMembers(v)
		}
		if !s.take(',') {
			return value{}, syntax("expected , or }")
		}
	}
}

// sortMembers orders members by name, as the canonical form has them, and finds
// names that came twice.
func sortMembers(v value) (value, error) {
	order := make([]int, len(v.names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(v.names[a], v.names[b]) })
	sorted := value{kind: object, names: make([]string, len(order)), items: make([]value, len(order))}
	for to, from := range order {
		sorted.names[to], sorted.items[to] = v.names[from], v.items[from]
		if to > 0 && sorted.names[to] == sorted.names[to-1] {
			return value{}, syntax("member " + strconv.Quote(sorted.names[to]) + " twice")
		}
	}
	return sorted, nil
}

// number reads an integer of 64 bits. Canonical JSON has no other numbers, and
// "-0" would be a second way to write one.
func (s *scanner) number() (value, error) {
	start := s.pos
	s.take('-')
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	if s.pos < len(s.data) && strings.IndexByte(".eE", s.data[s.pos]) >= 0 {
		return value{}, syntax("number with a fraction or an exponent")
	}
	digits := s.data[start:s.pos]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != digits {
		return value{}, syntax("not an integer of 64 bits in its shortest form")
	}
	return value{kind: number, text: digits}, nil
}

func (s *scanner) string() (string, error) {
	s.pos++
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.data[start : s.pos-1], nil
		case c < ' ':
			return "", syntax("control character in a string")
		case c == '\\':
			return s.escaped(start)
		}
		s.pos++
	}
	return "", syntax("string without end")
}

// escaped reads on in a string that has an escape at the current position.
func (s *scanner) escaped(start int) (string, error) {
	out := []byte(s.data[start:s.pos])
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		s.pos++
		switch {
		case c == '"':
			return string(out), nil
		case c < ' ':
			return "", syntax("control character in a string")
		case c != '\\':
			out = append(out, c)
		default:
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		}
	}
	return "", syntax("string without end")
}

func (s *scanner) escape() (rune, error) {
	if s.pos == len(s.data) {
		return 0, syntax("string without end")
	}
	c := s.data[s.pos]
	s.pos++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, syntax("unknown escape")
	}
	r, err := s.unit()
	if err != nil || r < 0xd800 || r > 0xdfff {
		return r, err
	}
	if r > 0xdbff || !s.take('\\') || !s.take('u') {
		return 0, syntax("lone surrogate")
	}
	low, err := s.unit()
	if err != nil || low < 0xdc00 || low > 0xdfff {
		return 0, syntax("lone surrogate")
	}
	return 0x10000 + (r-0xd800)<<10 + (low - 0xdc00), nil
}

// unit reads the four digits of a \u escape.
func (s *scanner) unit() (rune, error) {
	if len(s.data)-s.pos < 4 {
		return 0, syntax("string without end")
	}
	var r rune
	for range 4 {
		d := hexDigit(s.data[s.pos])
		if d < 0 {
			return 0, syntax("bad \\u escape")
		}
		r = r<<4 | rune(d)
		s.pos++
	}
	return r, nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// appendCanonical appends the canonical (OLPC) form: members sorted, no blanks,
// and in strings only " and \ escaped. It is what signatures are made over.
// http://wiki.laptop.org/go/Canonical_JSON
func appendCanonical(out []byte, v value) []byte {
	switch v.kind {
	case text:
		return appendQuoted(out, v.text)
	case array:
		out = append(out, '[')
		for i, item := range v.items {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendCanonical(out, item)
		}
		return append(out, ']')
	case object:
		out = append(out, '{')
		for i, name := range v.names {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendCanonical(append(appendQuoted(out, name), ':'), v.items[i])
		}
		return append(out, '}')
	default:
		return append(out, v.text...)
	}
}

func appendQuoted(out []byte, s string) []byte {
	out = append(out, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			out = append(out, '\\')
		}
		out = append(out, s[i])
	}
	return append(out, '"')
}
