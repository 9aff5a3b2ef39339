package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check/collector"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// addCollectors adds the document's collectors and the owner's own. Of one name the owner's stands.
func (t *taking) addCollectors(d *wire.Desired) {
	own := t.localCollectors()
	if n := len(d.GetCollectors()) + len(own); n > collector.MaxCollectors {
		t.problems = append(t.problems, fmt.Sprintf("%d collectors: a box takes at most %d", n, collector.MaxCollectors))
		return
	}
	seen := map[string]bool{}
	for _, w := range d.GetCollectors() {
		s := ToCollector(w)
		switch err := s.Validate(); {
		case err != nil:
			t.problems = append(t.problems, fmt.Sprintf("collector %.64q: %s", s.Name, err))
		case seen[s.Name]:
			t.problems = append(t.problems, fmt.Sprintf("collector %s: the name is there twice; a box can have it once", s.Name))
		case slices.ContainsFunc(own, func(o collector.Spec) bool { return o.Name == s.Name }):
			t.notes = append(t.notes, fmt.Sprintf("collector %s: the box file has one of its own with this name, which runs instead", s.Name))
		default:
			t.passCollector(s)
		}
		seen[s.Name] = true
	}
	t.collectors = append(t.collectors, own...)
	slices.SortFunc(t.collectors, func(a, b collector.Spec) int { return strings.Compare(a.Name, b.Name) })
}

// passCollector is the gate: a collector's program, arguments and configuration are executable content.
func (t *taking) passCollector(s collector.Spec) {
	g := &t.gate
	if word := g.neverCollector(s); word != "" {
		t.problems = append(t.problems, fmt.Sprintf("collector %s: the box file says never = %s: it does not run here, mean other boxes with `on`", s.Name, word))
		return
	}
	if !g.trustsHub() {
		line, err := s.Line()
		if err == nil {
			err = g.unsignedLine(line)
		}
		if err != nil {
			t.problems = append(t.problems, fmt.Sprintf("collector %s is not signed, and the box file says trust = signed: %s", s.Name, err))
			return
		}
	}
	t.collectors = append(t.collectors, s)
}

// neverCollector is the entry of the box file's list that keeps a collector from this box, or "": its name, its kind or its program, or
// any of the first two behind `collector:`.
func (g *gate) neverCollector(s collector.Spec) string {
	words := []string{s.Name, s.Kind, "collector:" + s.Name, "collector:" + s.Kind}
	if s.Program != "" {
		words = append(words, s.Program, filepath.Base(s.Program))
	}
	if len(s.Health) > 0 {
		words = append(words, s.Health[0], filepath.Base(s.Health[0]))
	}
	for _, pattern := range g.rules.Box.Never {
		if slices.ContainsFunc(words, func(word string) bool { return matches(pattern, word) }) {
			return pattern
		}
	}
	return ""
}

// localCollectors are those that the box file names. One that cannot be read is a note: the owner's slip rejects nothing of the hub's.
func (t *taking) localCollectors() []collector.Spec {
	var own []collector.Spec
	for _, name := range slices.Sorted(maps.Keys(t.gate.rules.Box.Collectors)) {
		s, err := ParseLocal(name, t.gate.rules.Box.Collectors[name])
		if err != nil {
			t.notes = append(t.notes, fmt.Sprintf("box file: collector.%s: %s", name, err))
			continue
		}
		own = append(own, s)
	}
	return own
}

// ParseLocal reads the box file's `collector.NAME = KIND FILE [PROGRAM]`, or `collector.NAME = command PROGRAM ARGS...`: words with blanks
// between them, in double quotes where they hold blanks. FILE is a configuration of the owner's, which is used where it lies.
func ParseLocal(name, value string) (collector.Spec, error) {
	words, err := splitWords(value)
	if err != nil {
		return collector.Spec{}, err
	}
	s := collector.Spec{Name: name, Kind: words[0]}
	switch {
	case len(words) < 2 || words[0] != collector.Command && len(words) > 3:
		return collector.Spec{}, fmt.Errorf("%q is neither `KIND FILE [PROGRAM]` nor `command PROGRAM ARGS...`", value)
	case !strings.HasPrefix(words[1], "/"):
		return collector.Spec{}, fmt.Errorf("%q is no absolute path", words[1])
	case s.Kind == collector.Command:
		s.Program, s.Args = words[1], words[2:]
		s.Local = s.Program
	default:
		s.Local = words[1]
		if len(words) == 3 {
			s.Program = words[2]
		}
	}
	return s, s.Validate()
}

func splitWords(line string) ([]string, error) {
	var words []string
	for line = strings.TrimLeft(line, " \t"); line != ""; line = strings.TrimLeft(line, " \t") {
		var word string
		if rest, quoted := strings.CutPrefix(line, `"`); quoted {
			inside, after, closed := strings.Cut(rest, `"`)
			if !closed {
				return nil, fmt.Errorf("a quote in %q is not closed", line)
			}
			word, line = inside, after
		} else if at := strings.IndexAny(line, " \t"); at >= 0 {
			word, line = line[:at], line[at:]
		} else {
			word, line = line, ""
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("it says nothing")
	}
	return words, nil
}

// ToCollector reads a collector from the wire. What it says is for Validate to judge.
func ToCollector(w *wire.Collector) collector.Spec {
	return collector.Spec{
		Name: w.GetName(), Kind: w.GetKind(), Program: w.GetProgram(), Args: w.GetArgs(), Config: w.GetConfig(), File: w.GetFile(),
		Test: w.GetTest(), Health: w.GetHealth(), HealthEvery: healthEvery(w), Memory: int64(min(w.GetMemoryBytes(), 1<<62)),
	}
}

func healthEvery(w *wire.Collector) time.Duration {
	if len(w.GetHealth()) > 0 && w.GetHealthEveryMs() == 0 {
		return collector.DefaultHealthEvery
	}
	return time.Duration(w.GetHealthEveryMs()) * time.Millisecond
}

// port is an input's: the owner's word, else the hub's.
func (t *taking) port(kind string, hub uint32) int {
	switch own := t.gate.rules.Box.Inputs[kind]; {
	case own > 0:
		return own
	case own < 0:
		if hub > 0 {
			t.notes = append(t.notes, fmt.Sprintf("input %s: the box file says input.%s = off", kind, kind))
		}
		return 0
	}
	return int(hub)
}
