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
	All      string   // all of it as it was printed, escaped
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

	o := Output{Text: strings.TrimSpace(text), Long: trimLong(long), All: all}
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

// largeLong is a long output, in bytes, that keeps the line ends of Windows: without them it would be there twice.
const largeLong = 256 << 10

// trimLong takes the line ends of Windows out, and what is blank at the end.
func trimLong(s string) string {
	if len(s) < largeLong && strings.Contains(s, "\r\n") {
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	return strings.TrimRight(s, " \t\r\n")
}

// Escape makes valid UTF-8 without NUL of any bytes: each byte that is neither becomes \x and its two hex digits. It takes time and memory in
// proportion to b, whatever is in it.
func Escape(b []byte) string {
	bad := countBad(b)
	if bad == 0 {
		return string(b)
	}
	out := AppendEscaped(make([]byte, 0, len(b)+3*bad), b)
	return unsafe.String(&out[0], len(out))
}

// AppendEscaped appends what Escape makes of b.
func AppendEscaped(out, b []byte) []byte {
	if clean(b) {
		return append(out, b...)
	}
	for i := 0; i < len(b); {
		size := fit(b[i:])
		if size == 0 {
			out = append(out, '\\', 'x', hexDigits[b[i]>>4], hexDigits[b[i]&15])
			i++
			continue
		}
		out = append(out, b[i:i+size]...)
		i += size
	}
	return out
}

// escapeInPlace is Escape of bytes that nobody changes any more.
func escapeInPlace(b []byte) string {
	if len(b) == 0 || !clean(b) {
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

// clean says that nothing has to be escaped.
func clean(b []byte) bool { return bytes.IndexByte(b, 0) < 0 && utf8.Valid(b) }

// countBad counts the bytes that cannot stand as they are.
func countBad(b []byte) (n int) {
	if clean(b) {
		return 0
	}
	for i := 0; i < len(b); {
		size := fit(b[i:])
		if size == 0 {
			n++
			size = 1
		}
		i += size
	}
	return n
}

// Within is how many of the first bytes of b take at most so many escaped (see Escape), and how many they take.
func Within(b []byte, most int) (n, takes int) {
	if len(b) <= most && clean(b) {
		return len(b), len(b)
	}
	for n < len(b) {
		size := fit(b[n:])
		escaped := size
		if size == 0 {
			size, escaped = 1, len(`\x00`)
		}
		if takes+escaped > most {
			break
		}
		n, takes = n+size, takes+escaped
	}
	return n, takes
}

// Unfinished is how many bytes at the end of b begin a character that needs more of them: to be kept for what follows, where something may.
func Unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

// fit is the length of the character that b begins with, 0 when its first byte cannot stand as it is.
func fit(b []byte) int {
	if b[0] != 0 && b[0] < utf8.RuneSelf {
		return 1
	}
	r, size := utf8.DecodeRune(b)
	if b[0] == 0 || r == utf8.RuneError && size <= 1 {
		return 0
	}
	return size
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
