package desired

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/limpet-monitoring/limpet/core/check"
)

// Parse reads a document. It collects every problem rather than stop at the first; a document with any problem is nil.
// Empty text is a document: the default checks alone.
func Parse(text []byte) (*Document, []Problem) {
	r := &reader{}
	if len(text) > MaxText {
		r.problem(1, 0, "the document is %d bytes long, the limit is %d", len(text), MaxText)
		return nil, r.problems
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var root yaml.Node
	if err := dec.Decode(&root); errors.Is(err, io.EOF) {
		return &Document{Defaults: true}, nil
	} else if err != nil {
		return nil, []Problem{syntaxProblem(text, err)}
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		r.problem(second.Line, 0, "a second document starts here; put everything into one")
	} else if !errors.Is(err, io.EOF) {
		return nil, []Problem{syntaxProblem(text, err)}
	}
	doc := r.document(&root)
	if len(r.problems) > 0 {
		return nil, r.sorted()
	}
	return doc, nil
}

// reader walks the nodes of one text and collects what is wrong with them.
type reader struct {
	problems []Problem
}

func (r *reader) problem(line, column int, format string, args ...any) {
	r.problems = append(r.problems, Problem{Line: max(line, 1), Column: column, Text: fmt.Sprintf(format, args...)})
}

func (r *reader) at(n *yaml.Node, format string, args ...any) {
	r.problem(n.Line, n.Column, format, args...)
}

// sorted gives the problems in the order of the text, cut to what a person can read.
func (r *reader) sorted() []Problem {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	if n := len(r.problems); n > maxProblems {
		last := r.problems[maxProblems]
		last.Text = fmt.Sprintf("and %d more problems from here on", n-maxProblems)
		return append(r.problems[:maxProblems:maxProblems], last)
	}
	return r.problems
}

func (r *reader) document(root *yaml.Node) *Document {
	doc := &Document{Defaults: true}
	top := root.Content[0]
	if isNull(top) { // nothing but comments
		return doc
	}
	r.mapping(top, "the document", []field{
		{"defaults", func(n *yaml.Node) { doc.Defaults = r.boolean(n, "defaults") }},
		{"disable", func(n *yaml.Node) { doc.Disable = r.words(n, "disable", checkName) }},
		{"checks", func(n *yaml.Node) { doc.Entries = r.entries(n) }},
		{"cpu", func(n *yaml.Node) { doc.CPU = r.processor(n) }},
		{"inputs", func(n *yaml.Node) { doc.Inputs = r.inputs(n) }},
		{"collectors", func(n *yaml.Node) { doc.Collectors = r.collectors(n) }},
	})
	doubledNames(r, "check", doc.Entries, func(e Entry) (string, *On, int) { return e.Name, e.On, e.Line })
	doubledNames(r, "collector", doc.Collectors, func(c Collector) (string, *On, int) { return c.Name, c.On, c.Line })
	return doc
}

func (r *reader) entries(n *yaml.Node) []Entry {
	items := r.list(n, "checks", maxChecks)
	entries := make([]Entry, 0, len(items))
	size := 0
	for _, item := range items {
		before := len(r.problems)
		e := r.entry(item)
		if len(r.problems) == before {
			entries = append(entries, e)
			size += e.size()
		}
	}
	if size > maxPart {
		r.at(n, "the checks take %d bytes together, the limit is %d", size, maxPart)
	}
	return entries
}

// size is what the entry takes in an agent's part, at most.
func (e Entry) size() int {
	n := len(e.Name) + len(e.Builtin) + len(e.Plugin) + len(e.Cron) + 64
	for _, a := range e.Args {
		n += len(a) + 4
	}
	for name, value := range e.Macros {
		n += len(name) + len(value) + 8
	}
	return n + len(e.User) + len(e.Dir)
}

func (r *reader) entry(n *yaml.Node) Entry {
	e := Entry{Timeout: DefaultTimeout, Line: n.Line}
	seen := r.mapping(n, "a check", []field{
		{"name", func(n *yaml.Node) { e.Name = r.word(n, "name", checkName) }},
		{"builtin", func(n *yaml.Node) { e.Builtin = r.word(n, "builtin", checkName) }},
		{"plugin", func(n *yaml.Node) { e.Plugin = r.word(n, "plugin", pluginName) }},
		{"args", func(n *yaml.Node) { e.Args = r.args(n) }},
		{"every", func(n *yaml.Node) { e.Every = r.duration(n, "every", minEvery, maxEvery) }},
		{"cron", func(n *yaml.Node) { e.Cron = r.word(n, "cron", cronSpec) }},
		{"timeout", func(n *yaml.Node) { e.Timeout = r.duration(n, "timeout", minTimeout, maxTimeout) }},
		{"retry", func(n *yaml.Node) { e.Judge.Retry = r.duration(n, "retry", minEvery, maxEvery) }},
		{"importance", func(n *yaml.Node) { e.Importance = r.importance(n) }},
		{"attempts", func(n *yaml.Node) { e.Judge.Attempts = r.count(n, "attempts", check.MaxAttempts) }},
		{"timeout_state", func(n *yaml.Node) { e.Judge.TimeoutState = r.problemState(n) }},
		{"flap", func(n *yaml.Node) { e.Judge.Flap = r.flap(n) }},
		{"at_start", func(n *yaml.Node) { e.AtStart = r.boolean(n, "at_start") }},
		{"user", func(n *yaml.Node) { e.User = r.word(n, "user", userName) }},
		{"dir", func(n *yaml.Node) { e.Dir = r.word(n, "dir", folder) }},
		{"macros", func(n *yaml.Node) { e.Macros = r.macros(n) }},
		{"on", func(n *yaml.Node) { e.On = r.on(n) }},
	})
	if seen == nil {
		return e
	}
	label := "this check"
	if e.Name != "" {
		label = fmt.Sprintf("check %q", e.Name)
	}
	if seen["name"] == nil {
		r.at(n, "this check has no name")
	}
	switch plugin, builtin := seen["plugin"], seen["builtin"]; {
	case plugin == nil && builtin == nil:
		r.at(n, "%s says neither which plugin nor which builtin it runs", label)
	case plugin != nil && builtin != nil:
		r.at(builtin, "%s has a plugin and a builtin; it can run only one of them", label)
	}
	for _, key := range []string{"user", "dir", "macros"} {
		if at := seen[key]; at != nil && seen["builtin"] != nil {
			r.at(at, "%s is for plugins; %s runs inside the agent", key, label)
		}
	}
	switch every, cron := seen["every"], seen["cron"]; {
	case every != nil && cron != nil:
		r.at(cron, "%s has every and cron; keep one of them", label)
	case every == nil && cron == nil:
		e.Every = DefaultEvery
	}
	r.retry(seen["retry"], label, e)
	return e
}

func (r *reader) on(n *yaml.Node) *On {
	on := &On{}
	seen := r.mapping(n, "on", []field{
		{"tags", func(n *yaml.Node) { on.Tags = r.some(n, "tags", tagWord) }},
		{"hosts", func(n *yaml.Node) { on.Hosts = r.some(n, "hosts", hostPattern) }},
		{"fingerprints", func(n *yaml.Node) { on.Fingerprints = r.some(n, "fingerprints", fingerprintPrefix) }},
		{"os", func(n *yaml.Node) { on.OS = r.some(n, "os", osName) }},
	})
	if seen != nil && len(seen) == 0 {
		r.at(n, "on is empty; leave it out to mean all agents")
	}
	return on
}

// key is the same for two selections that are written alike, whatever the order of their entries.
func (on *On) key() string {
	if on == nil {
		return ""
	}
	var key string
	for _, list := range [][]string{on.Tags, on.Hosts, on.Fingerprints, on.OS} {
		list = slices.Clone(list)
		slices.Sort(list)
		key += fmt.Sprintf("%q;", slices.Compact(list))
	}
	return key
}

// doubledNames refuses what can only be a slip: two entries of one name for the same agents. Where `on` tells them apart,
// or narrows the second, For decides agent by agent.
func doubledNames[T any](r *reader, what string, entries []T, of func(T) (name string, on *On, line int)) {
	first := map[string]int{}
	for _, e := range entries {
		name, on, line := of(e)
		key := name + "\x00" + on.key()
		if before, ok := first[key]; ok {
			r.problem(line, 0, "%s %q stands already in line %d for the same agents", what, name, before)
			continue
		}
		first[key] = line
	}
}
