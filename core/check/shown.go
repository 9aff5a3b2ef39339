package check

import (
	"strings"
	"unicode"
)

// Shown is a plugin's, or another machine's, text for a person's terminal: without what moves the cursor, changes colours or titles, or turns the direction
// of reading. Line ends and tabs stay.
func Shown(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return -1
		}
		return r
	}, s)
}
