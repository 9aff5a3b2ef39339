package boxfile

import (
	"math"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Parse reads the content of a box file. Problems are in the order of their lines, at most
// MaxProblems of them.
func Parse(data []byte) (Box, []Problem) {
	p := parser{seen: map[string]int{}}
	text := strings.TrimPrefix(string(data), "\ufeff") // Windows' editor writes one
	for i, line := range strings.Split(text, "\n") {
		p.line(i+1, line)
	}
	return p.box, p.capped()
}

type parser struct {
	box      Box
	seen     map[string]int // key to its line
	problems []Problem
	more     int // problems past MaxProblems
}

func (p *parser) line(number int, line string) {
	if len(line) > MaxLine {
		p.problem(number, "longer than "+strconv.Itoa(MaxLine)+" bytes")
		return
	}
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return
	}
	if !utf8.ValidString(line) || strings.ContainsRune(line, 0) {
		p.problem(number, "is not UTF-8 text")
		return
	}
	key, value, ok := strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !ok || key == "" {
		p.problem(number, "is not `key = value`")
		return
	}
	if first, again := p.seen[key]; again {
		p.problem(number, key+" stands in line "+strconv.Itoa(first)+" already; the first one counts")
		return
	}
	p.seen[key] = number
	if err := p.box.set(key, value); err != "" {
		p.problem(number, err)
	}
}

func (p *parser) problem(line int, text string) {
	if len(p.problems) == MaxProblems {
		p.more++
		return
	}
	p.problems = append(p.problems, Problem{line, text})
}

func (p *parser) capped() []Problem {
	if p.more > 0 {
		last := &p.problems[MaxProblems-1]
		last.Text += " (and " + strconv.Itoa(p.more) + " more problems after this line)"
	}
	return p.problems
}

// setters is every key but those with a dot; each returns what is wrong with the value, or "".
var setters = map[string]func(*Box, string) string{
	"hub":                 func(b *Box, v string) string { return setList(&b.Hubs, v) },
	"mirror":              func(b *Box, v string) string { return setList(&b.Mirror, v) },
	"proxy":               func(b *Box, v string) string { return setText(&b.Proxy, v) },
	"proxy_password_file": func(b *Box, v string) string { return setText(&b.ProxyPasswordFile, v) },
	"ca":                  func(b *Box, v string) string { return setText(&b.CA, v) },
	"user":                func(b *Box, v string) string { return setText(&b.User, v) },
	"trust":               func(b *Box, v string) string { return setTrust(&b.Trust, v) },
	"channel":             func(b *Box, v string) string { return setText(&b.Channel, v) },
	"pin":                 func(b *Box, v string) string { return setText(&b.Pin, v) },
	"hold":                func(b *Box, v string) string { return setBool(&b.Hold, v) },
	"tags":                func(b *Box, v string) string { return setList(&b.Tags, v) },
	"plugin_dirs":         func(b *Box, v string) string { return setList(&b.PluginDirs, v) },
	"never":               func(b *Box, v string) string { return setList(&b.Never, v) },
	"limit.runs":          func(b *Box, v string) string { return setCount(&b.Limit.Runs, v) },
	"limit.output":        func(b *Box, v string) string { return setBytes(&b.Limit.OutputBytes, v) },
	"limit.buffer":        func(b *Box, v string) string { return setBytes(&b.Limit.BufferBytes, v) },
	"input.graphite":      func(b *Box, v string) string { return setPort(&b.Inputs, "graphite", v) },
	"input.statsd":        func(b *Box, v string) string { return setPort(&b.Inputs, "statsd", v) },
	"limit.memory":        func(b *Box, v string) string { return setBytes(&b.Limit.MemoryBytes, v) },
	"limit.cpu":           func(b *Box, v string) string { return setPercent(&b.Limit.CPU, v) },
	"limit.buffer_age":    func(b *Box, v string) string { return setAge(&b.Limit.BufferAge, v) },
	"run_as":              func(b *Box, v string) string { return setEntry(&b.RunAs, "", v) },
	"cgroups":             func(b *Box, v string) string { return setBool(&b.Cgroups, v) },
	"allow_run_as":        func(b *Box, v string) string { return setList(&b.AllowRunAs, v) },
	"nice":                func(b *Box, v string) string { return setNice(&b.Nice, v) },
	"limit.run_memory":    func(b *Box, v string) string { return setBytesOrNone(&b.Limit.Run.Memory, v) },
	"limit.run_processes": func(b *Box, v string) string { return setCountOrNone(&b.Limit.Run.Processes, v) },
	"limit.run_cpu":       func(b *Box, v string) string { return setAge(&b.Limit.Run.CPU, v) },
	"limit.run_files":     func(b *Box, v string) string { return setCount(&b.Limit.Run.Files, v) },
	"limit.run_file_size": func(b *Box, v string) string { return setBytes(&b.Limit.Run.FileBytes, v) },
}

// named are the keys that go on behind a dot with the name of what they are for.
var named = map[string]func(*Box) *map[string]string{
	"allow_args": func(b *Box) *map[string]string { return &b.AllowArgs },
	"collector":  func(b *Box) *map[string]string { return &b.Collectors },
	"run_as":     func(b *Box) *map[string]string { return &b.RunAs },
	"macro":      func(b *Box) *map[string]string { return &b.Macros },
}

func (b *Box) set(key, value string) string {
	if value == "" {
		return key + " has no value"
	}
	if kind, name, dotted := strings.Cut(key, "."); dotted && name != "" && named[kind] != nil {
		return setEntry(named[kind](b), name, value)
	}
	if name, ok := strings.CutPrefix(key, "limit.runs."); ok && name != "" {
		n := 0
		if wrong := setCount(&n, value); wrong != "" {
			return key + ": " + wrong
		}
		if b.Limit.PluginRuns == nil {
			b.Limit.PluginRuns = map[string]int{}
		}
		b.Limit.PluginRuns[name] = n
		return ""
	}
	set, known := setters[key]
	if !known {
		return "unknown key " + strconv.Quote(key) + guess(key)
	}
	if wrong := set(b, value); wrong != "" {
		return key + ": " + wrong
	}
	return ""
}

// guess names the known key that differs least, if any does in at most two letters.
func guess(key string) string {
	names := make([]string, 0, len(setters))
	for name := range setters {
		names = append(names, name)
	}
	sort.Strings(names)
	best, least := "", 3
	for _, name := range names {
		if d := distance(key, name); d < least {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is Levenshtein's, cut off at 9 for what is of very different length.
func distance(a, b string) int {
	if len(a) > len(b)+2 || len(b) > len(a)+2 {
		return 9
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func setPort(to *map[string]int, name, v string) string {
	n := -1
	if v != "off" {
		port, err := strconv.ParseUint(v, 10, 16)
		if err != nil || port == 0 {
			return strconv.Quote(v) + " is neither a port nor off"
		}
		n = int(port)
	}
	if *to == nil {
		*to = map[string]int{}
	}
	(*to)[name] = n
	return ""
}

func setText(to *string, v string) string {
	*to = v
	return ""
}

func setEntry(to *map[string]string, name, v string) string {
	if *to == nil {
		*to = map[string]string{}
	}
	(*to)[name] = v
	return ""
}

func setNice(to *int, v string) string {
	n, err := strconv.Atoi(v)
	if err != nil || n < -20 || n > 19 {
		return strconv.Quote(v) + " is not a number from -20 to 19"
	}
	*to = n
	return ""
}

func setBytesOrNone(to *int64, v string) string {
	if v == "none" {
		*to = -1
		return ""
	}
	return setBytes(to, v)
}

func setPercent(to *int, v string) string {
	if v == "none" {
		*to = -1
		return ""
	}
	digits, found := strings.CutSuffix(v, "%")
	n, err := strconv.ParseUint(digits, 10, 18)
	if !found || err != nil || n == 0 {
		return strconv.Quote(v) + " is not percent of one processor such as 50%"
	}
	*to = int(n)
	return ""
}

func setCountOrNone(to *int, v string) string {
	if v == "none" {
		*to = -1
		return ""
	}
	return setCount(to, v)
}

func setList(to *[]string, v string) string {
	for _, item := range strings.Split(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*to = append(*to, item)
		}
	}
	return ""
}

func setTrust(to *Trust, v string) string {
	switch v {
	case "hub":
		*to = TrustHub
	case "signed":
		*to = TrustSigned
	default:
		return strconv.Quote(v) + " is neither hub nor signed"
	}
	return ""
}

func setBool(to **bool, v string) string {
	var b bool
	switch strings.ToLower(v) {
	case "yes", "true", "on", "1":
		b = true
	case "no", "false", "off", "0":
	default:
		return strconv.Quote(v) + " is neither yes nor no"
	}
	*to = &b
	return ""
}

func setCount(to *int, v string) string {
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil || n == 0 {
		return strconv.Quote(v) + " is not a number from 1 to 65535"
	}
	*to = int(n)
	return ""
}

func setBytes(to *int64, v string) string {
	digits, shift := v, 0
	switch v[len(v)-1] {
	case 'K', 'k':
		digits, shift = v[:len(v)-1], 10
	case 'M', 'm':
		digits, shift = v[:len(v)-1], 20
	case 'G', 'g':
		digits, shift = v[:len(v)-1], 30
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n == 0 || n > math.MaxInt64>>shift {
		return strconv.Quote(v) + " is not a size such as 65536, 256K, 64M or 2G"
	}
	*to = int64(n) << shift
	return ""
}

func setAge(to *time.Duration, v string) string {
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		return strconv.Quote(v) + " is not a time such as 90m or 168h"
	}
	*to = d
	return ""
}
