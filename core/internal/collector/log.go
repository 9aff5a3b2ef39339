package collector

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
)

// logSize is when a collector's log is begun anew, in bytes; the one before it is kept.
const logSize = 4 << 20

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
}

// lastLine is the last line of a log that says something, for people.
func lastLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	const tail = 4 << 10
	data, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-tail), tail))
	if err != nil {
		return ""
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte{'\n'})
	return clip(string(lines[len(lines)-1]))
}

// clip keeps a line of a stranger's program short and printable.
func clip(s string) string {
	const most = 300
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return ' '
		}
		return r
	}, strings.TrimSpace(s))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// harmless is how programs mark lines that stop nothing: fluentd, Fluent Bit, telegraf. fluentd says "failing back to Yajl" of every
// parser, before it says what is wrong.
var harmless = []string{"[info]", "[warn]", "[debug]", "[ info]", "[ warn]", " i! ", " w! ", " d! "}

// reason picks of what a test command printed the lines that say what is wrong, at most three.
func reason(output string) string {
	var telling, all []string
	for line := range strings.Lines(output) {
		if line = clip(line); line == "" {
			continue
		}
		all = append(all, line)
		low := strings.ToLower(line)
		if slices.ContainsFunc(harmless, func(level string) bool { return strings.Contains(low, level) }) {
			continue
		}
		if strings.Contains(low, "error") || strings.Contains(low, "line ") || strings.Contains(low, "fail") || strings.Contains(low, "invalid") ||
			strings.Contains(low, "unknown") || strings.Contains(low, "could not") {
			telling = append(telling, line)
		}
	}
	if len(telling) == 0 {
		telling = all[max(0, len(all)-3):]
	}
	return strings.Join(telling[:min(3, len(telling))], "; ")
}
