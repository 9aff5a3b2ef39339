package check

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// linesHead is the first line of a list of lines: the format's name and version (docs/release-format.md, "The site's repository").
const linesHead = "limpet allowed 1"

// ReadLines reads a list of lines as the site's owner signs it.
func ReadLines(data []byte) (map[string]bool, error) {
	head, rest, ok := strings.Cut(string(data), "\n")
	if !ok || head != linesHead {
		return nil, fmt.Errorf("it does not begin with %q", linesHead)
	}
	if !utf8.ValidString(rest) || rest != "" && !strings.HasSuffix(rest, "\n") {
		return nil, errors.New("it is cut off, or no text")
	}
	lines := map[string]bool{}
	for line := range strings.Lines(rest) {
		lines[strings.TrimSuffix(line, "\n")] = true
	}
	return lines, nil
}

// FormatLines is the inverse of ReadLines.
func FormatLines(lines map[string]bool) []byte {
	var b strings.Builder
	b.WriteString(linesHead + "\n")
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		b.WriteString(line + "\n")
	}
	return []byte(b.String())
}

// ErrNoLine is the cause when what a check runs cannot be written as one line, and so cannot be signed.
var ErrNoLine = errors.New("it holds control characters, which no line can")

// Line says in one line all that a check can start, as the site's owner signs it: "plugin check_http -H localhost" for a plugin of the box's own,
// "catalog check_own -w 5" for one of the catalog, "builtin disk -w 10%". When it runs does not matter. What else ever decides which program
// starts, or as whom, has to stand in it too.
func (c Check) Line() (string, error) {
	kind, name := "plugin", c.Plugin
	switch {
	case c.Builtin != "":
		kind, name = "builtin", c.Builtin
	case c.Hash != "":
		kind = "catalog"
	}
	if len(c.Command) > 0 {
		return "", errors.New("a command line of the box's own is signed by nobody")
	}
	line := kind + c.attributes() + " " + ArgLine(append([]string{name}, c.Args...))
	if !IsLine(line) {
		return "", fmt.Errorf("%s %s: %w", kind, clip(name), ErrNoLine)
	}
	return line, nil
}

// IsLine says whether a text can be one line of the list that the site's owner signs.
func IsLine(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufffd' })
}

// attributes are what else decides about the process that starts, behind the kind: "[user=nagios macro.PORT=80]", or nothing. A word of them never holds a blank outside of
// quotes, so that "] " ends them.
func (c Check) attributes() string {
	var words []string
	for _, a := range []struct{ name, value string }{{"user", c.User}, {"group", c.Group}, {"dir", c.Dir}} {
		if a.value != "" {
			words = append(words, a.name+"="+a.value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Macros)) {
		words = append(words, "macro."+name+"="+c.Macros[name])
	}
	if len(words) == 0 {
		return ""
	}
	return "[" + ArgLine(words) + "]"
}

// ArgLine writes arguments as one line, which the patterns of the box file's allow_args must match as a whole: joined by single blanks. An argument that is empty
// or holds white space, control characters or a single quote stands in single quotes, as a person would type it in a shell, so that
// no two lists of arguments make the same line.
func ArgLine(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a
		if a == "" || strings.ContainsFunc(a, func(r rune) bool { return r == '\'' || unicode.IsSpace(r) || unicode.IsControl(r) }) {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
