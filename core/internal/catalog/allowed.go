package catalog

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// allowedHead is the first line of the list: the format's name and version.
const allowedHead = "limpet allowed 1"

// readAllowed reads the list of lines (docs/release-format.md, "The site's repository"). nil = there is none, so none is allowed.
func readAllowed(data []byte) (map[string]bool, error) {
	if data == nil {
		return nil, nil
	}
	head, rest, ok := strings.Cut(string(data), "\n")
	if !ok || head != allowedHead {
		return nil, fmt.Errorf("read %s: it does not begin with %q", AllowedPath, allowedHead)
	}
	if !utf8.ValidString(rest) || rest != "" && !strings.HasSuffix(rest, "\n") {
		return nil, errors.New("read " + AllowedPath + ": it is cut off, or no text")
	}
	lines := map[string]bool{}
	for line := range strings.Lines(rest) {
		lines[strings.TrimSuffix(line, "\n")] = true
	}
	return lines, nil
}
