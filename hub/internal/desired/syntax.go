package desired

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// locateLines bounds the search for the line of a syntax error: it parses the text once for each line.
const locateLines = 400

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// syntaxProblem turns the YAML parser's error into a problem. The parser names the line where the construct around the
// mistake began, or none; a person wants the first line without which the text reads well.
func syntaxProblem(text []byte, err error) Problem {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = strings.TrimPrefix(message, m[0])
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	if len(lines) <= locateLines {
		line = firstBadLine(text, lines)
	}
	return Problem{Line: line, Column: indent(lines, line) + 1, Text: plain(message, lines, line)}
}

// firstBadLine gives the line behind the longest beginning of the text that reads well.
func firstBadLine(text []byte, lines [][]byte) int {
	good, size := 0, 0
	for i, l := range lines {
		size += len(l)
		var n yaml.Node
		if yaml.Unmarshal(text[:size], &n) == nil {
			good = i + 1
		}
	}
	for good < len(lines)-1 && len(bytes.TrimSpace(lines[good])) == 0 {
		good++
	}
	return min(good+1, len(lines))
}

func indent(lines [][]byte, line int) int {
	if line > len(lines) {
		return 0
	}
	l := lines[line-1]
	return len(l) - len(bytes.TrimLeft(l, " \t"))
}

// plain says in words what the parser means, for the mistakes people make.
func plain(message string, lines [][]byte, line int) string {
	var l []byte
	if line <= len(lines) {
		l = lines[line-1]
	}
	switch {
	case bytes.HasPrefix(bytes.TrimLeft(l, " "), []byte("\t")):
		return "a tab in the indentation; YAML wants blanks"
	case strings.Contains(message, "did not find expected '-' indicator"), strings.Contains(message, "did not find expected key"):
		return "the indentation does not fit the lines before it"
	case strings.Contains(message, "mapping values are not allowed"):
		return "a colon where none can be: quote the text, or look at the line before and at the indentation"
	case strings.Contains(message, "unexpected end of stream"):
		return "a quote is opened and never closed"
	case strings.Contains(message, "did not find expected ',' or"):
		return "a bracket is opened and not closed, or a comma is missing"
	case strings.Contains(message, "cannot start any token"):
		return "a value cannot start with this character; put it in quotes"
	default:
		return "no valid YAML: " + message
	}
}
