package check

import (
	"strings"
	"unicode"
)

// Shown is a plugin's, or another machine's, text for a person's terminal: without what is Unseen, and carriage returns.
func Shown(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\r' || Unseen(r) {
			return -1
		}
		return r
	}, s)
}

// Unseen says of a character that nobody sees it, and that it makes a text look otherwise than it is: it moves the cursor, changes colours or titles, turns the
// direction of reading, or hides between letters. Line ends and tabs are none; nor are the two joiners (U+200C, U+200D), which languages and emoji are written with.
func Unseen(r rune) bool {
	switch {
	case r == '\n' || r == '\t' || r == '\r':
		return false
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
		return true
	}
	return r == 0xad || r == 0x180e || r == 0x200b || r >= 0x2060 && r <= 0x2064 || r == 0xfeff || r >= 0xe0000 && r <= 0xe007f
}
