package console

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/limpet-monitoring/limpet/core/check"
)

// plain writes every character of a page that nobody would see, or that turns the direction of reading, as its number: templates have none, so it is a plugin's,
// a box's or another machine's. The script does the same (plain in shell.js). What stands in a text field is what is sent back, and stays.
func plain(page []byte) []byte {
	if bytes.IndexFunc(page, check.Unseen) < 0 {
		return page
	}
	out := make([]byte, 0, len(page)+64)
	for field := false; len(page) > 0; {
		switch {
		case bytes.HasPrefix(page, []byte("<textarea")):
			field = true
		case bytes.HasPrefix(page, []byte("</textarea>")):
			field = false
		}
		r, size := utf8.DecodeRune(page)
		if check.Unseen(r) && !field {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, page[:size]...)
		}
		page = page[size:]
	}
	return out
}
