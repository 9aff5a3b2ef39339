package check

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Output is what a plugin printed, read by the Monitoring Plugins development guidelines.
type Output struct {
	Text     string // the first line up to its first '|', without the blanks around it
	Long     string // the lines after it up to the first '|' in them, without blank lines at the end
	Perfdata []Perfdata
	Problems []string // what could not be read, and what was read although it is not printed as it should be
}

// ParseOutput reads a plugin's stdout. Nothing is dropped without a line in Problems that names it. NUL and bytes that are no
// UTF-8 become \x00 (as in Escape). cut says that out ends where a limit was, not where the plugin stopped: then the last value, which may be
// half a number, is not believed. What it returns shares out's memory where that is fit for the wire as it is: out must not be changed any more.
func ParseOutput(out []byte, cut bool) Output {
	out = bytes.TrimPrefix(out, []byte("\xef\xbb\xbf")) // what Windows programs put before UTF-8
	all := escapeInPlace(out)
	first, rest, more := strings.Cut(all, "\n")
	text, perf1, piped := strings.Cut(first, "|")
	long, perf2, _ := strings.Cut(rest, "|")

	o := Output{Text: strings.TrimSpace(text), Long: trimLong(long)}
	var n notes
	if o.Text == "" && o.Long != "" {
		n.add("the first line is empty: plugins say the result in it")
	}
	p := perfReader{notes: &n}
	if piped {
		p.read(perf1, cut && !more)
	}
	p.read(perf2, cut)
	o.Perfdata = p.values
	o.Problems = p.finish()
	return o
}

// trimLong takes the line ends of Windows out, and what is blank at the end.
func trimLong(s string) string {
	if strings.Contains(s, "\r\n") {
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	return strings.TrimRight(s, " \t\r\n")
}

// Escape makes valid UTF-8 without NUL of any bytes: each byte that is neither becomes \x and its two hex digits.
func Escape(b []byte) string {
	bad := firstBad(b)
	if bad < 0 {
		return string(b)
	}
	var s strings.Builder
	s.Grow(len(b) + len(b)/8 + 16)
	for bad >= 0 {
		s.Write(b[:bad])
		s.WriteString(`\x`)
		s.WriteByte(hexDigits[b[bad]>>4])
		s.WriteByte(hexDigits[b[bad]&15])
		b = b[bad+1:]
		bad = firstBad(b)
	}
	s.Write(b)
	return s.String()
}

// escapeInPlace is Escape of bytes that nobody changes any more.
func escapeInPlace(b []byte) string {
	if len(b) == 0 || firstBad(b) >= 0 {
		return Escape(b)
	}
	return unsafe.String(&b[0], len(b))
}

// EscapeString is Escape for strings; one that needs nothing is returned as it is.
func EscapeString(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return Escape([]byte(s))
}

const hexDigits = "0123456789abcdef"

// firstBad finds the first byte that cannot stand as it is, or -1.
func firstBad(b []byte) int {
	nul := bytes.IndexByte(b, 0)
	if nul < 0 {
		nul = len(b)
	}
	if utf8.Valid(b[:nul]) {
		if nul == len(b) {
			return -1
		}
		return nul
	}
	for i := 0; i < nul; {
		r, size := utf8.DecodeRune(b[i:nul])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return nul
}

// Limits of Problems: hostile output may be one complaint a byte.
const (
	MaxProblems = 64 // further ones are counted
	maxQuoted   = 96 // bytes of what a problem quotes
)

// notes collects problems.
type notes struct {
	lines []string
	more  int
}

func (n *notes) add(line string) {
	if len(n.lines) >= MaxProblems {
		n.more++
		return
	}
	n.lines = append(n.lines, line)
}

// label notes a problem of one value.
func (n *notes) label(label, what, quoted string) {
	if len(n.lines) >= MaxProblems {
		n.more++
		return
	}
	n.add("perfdata label " + quote(label) + ": " + what + " " + quote(quoted))
}

func (n *notes) all() []string {
	if n.more > 0 {
		return append(n.lines, "and "+strconv.Itoa(n.more)+" more problems like these")
	}
	return n.lines
}

// quote shortens and quotes what a plugin printed.
func quote(s string) string {
	if len(s) > maxQuoted {
		end := maxQuoted
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		return strconv.Quote(s[:end]) + "..."
	}
	return strconv.Quote(s)
}
