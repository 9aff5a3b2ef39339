package desired

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/limpet-monitoring/limpet/core/check/collector"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// maxCollectors bounds the entries of one document; an agent takes collector.MaxCollectors.
const maxCollectors = 500

func (r *reader) collectors(n *yaml.Node) []Collector {
	items := r.list(n, "collectors", maxCollectors)
	out := make([]Collector, 0, len(items))
	size := 0
	for _, item := range items {
		before := len(r.problems)
		c := r.collector(item)
		if len(r.problems) == before {
			out = append(out, c)
			size += len(c.Config) + 8<<10
		}
	}
	if size > 2*maxPart {
		r.at(n, "the collectors take %d bytes together, the limit is %d", size, 2*maxPart)
	}
	return out
}

func (r *reader) collector(n *yaml.Node) Collector {
	c := Collector{Line: n.Line}
	before := len(r.problems)
	var config *yaml.Node
	seen := r.mapping(n, "a collector", []field{
		{"name", func(n *yaml.Node) { c.Name = r.word(n, "name", checkName) }},
		{"kind", func(n *yaml.Node) { c.Kind = r.word(n, "kind", checkName) }},
		{"program", func(n *yaml.Node) { c.Program = r.word(n, "program", programWord) }},
		{"args", func(n *yaml.Node) { c.Args = r.args(n) }},
		{"config", func(n *yaml.Node) { config = follow(n); c.Config = r.word(n, "config", configText) }},
		{"file", func(n *yaml.Node) { c.File = r.word(n, "file", pluginName) }},
		{"test", func(n *yaml.Node) { c.Test = r.args(n) }},
		{"health", func(n *yaml.Node) { c.Health = r.args(n) }},
		{"health_every", func(n *yaml.Node) {
			c.HealthEvery = r.duration(n, "health_every", collector.MinHealthEvery, collector.MaxHealthEvery)
		}},
		{"memory", func(n *yaml.Node) { c.Memory = r.bytes(n, "memory", collector.MinMemory) }},
		{"on", func(n *yaml.Node) { c.On = r.on(n) }},
	})
	if seen == nil {
		return c
	}
	switch {
	case seen["name"] == nil:
		r.at(n, "this collector has no name")
		return c
	case seen["kind"] == nil:
		r.at(n, "collector %q has no kind (%s)", c.Name, strings.Join(collector.Kinds(), ", "))
		return c
	}
	if len(c.Health) > 0 && c.HealthEvery == 0 {
		c.HealthEvery = collector.DefaultHealthEvery
	}
	if _, err := collector.Parse(c.Config); err != nil && config != nil {
		r.template(config, c.Name, err)
	} else if err := c.Validate(); err != nil && len(r.problems) == before { // what the words said already is not said twice
		r.at(n, "collector %q: %v", c.Name, err)
	}
	return c
}

// template says where in the document a template's mistake is: a text of several lines begins below its key.
func (r *reader) template(n *yaml.Node, name string, err error) {
	line, text, found := strings.Cut(strings.TrimPrefix(err.Error(), "line "), ": ")
	at, bad := strconv.Atoi(line)
	if !found || bad != nil || n.Style&(yaml.LiteralStyle) == 0 {
		r.at(n, "collector %q: config: %v", name, err)
		return
	}
	r.problem(n.Line+at, 0, "collector %q: config: %s", name, text)
}

func configText(s string) (string, error) {
	if len(s) > collector.MaxConfig {
		return "", fmt.Errorf("has %d bytes, the limit is %d", len(s), collector.MaxConfig)
	}
	return s, nil
}

func programWord(s string) (string, error) {
	if !collector.ValidProgram(s) {
		return "", fmt.Errorf("%s is neither an absolute path nor a bare file name", quote(s))
	}
	return s, nil
}

// bytes reads a size: a number with K, M or G behind it, or alone.
func (r *reader) bytes(n *yaml.Node, what string, least int64) int64 {
	f := follow(n)
	size, err := parseSize(f.Value)
	switch {
	case f.Kind != yaml.ScalarNode || isNull(f):
		r.at(n, "%s is %s; wanted a size like 200M", what, kind(f))
	case err != nil:
		r.at(n, "%s: %s is no size; write it like 200M or 1G", what, quote(f.Value))
	case size < least:
		r.at(n, "%s: %s is out of range; at least %dM", what, shorten(f.Value), least>>20)
	}
	return size
}

func parseSize(s string) (int64, error) {
	shift := map[string]uint{"K": 10, "M": 20, "G": 30}[strings.ToUpper(s[max(0, len(s)-1):])]
	digits := s
	if shift > 0 {
		digits = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > 1<<62>>shift {
		return 0, errors.New("no size")
	}
	return n << shift, nil
}

func (c Collector) wire() *wire.Collector {
	return &wire.Collector{
		Name: c.Name, Kind: c.Kind, Program: c.Program, Args: c.Args, Config: c.Config, File: c.File, Test: c.Test,
		Health: c.Health, HealthEveryMs: uint32(c.HealthEvery.Milliseconds()), MemoryBytes: uint64(c.Memory),
	}
}

// specOf is as much of a collector on the wire as its line is made of.
func specOf(w *wire.Collector) collector.Spec {
	return collector.Spec{Name: w.GetName(), Kind: w.GetKind(), Program: w.GetProgram(), Args: w.GetArgs(), Config: w.GetConfig(), File: w.GetFile(), Test: w.GetTest(), Health: w.GetHealth()}
}

// collectorsFor are those meant for an agent, as entries are in For.
func (d *Document) collectorsFor(t Target) (part []*wire.Collector) {
	at := map[string]int{}
	for _, c := range d.Collectors {
		if !c.On.fits(t) {
			continue
		}
		if i, ok := at[c.Name]; ok {
			part[i] = c.wire()
			continue
		}
		at[c.Name] = len(part)
		part = append(part, c.wire())
	}
	return part
}

func (r *reader) inputs(n *yaml.Node) (in Inputs) {
	r.mapping(n, "inputs", []field{
		{"graphite", func(n *yaml.Node) { in.Graphite = r.port(n, "graphite") }},
		{"statsd", func(n *yaml.Node) { in.StatsD = r.port(n, "statsd") }},
		{"on", func(n *yaml.Node) { in.On = r.on(n) }},
	})
	return in
}

func (r *reader) port(n *yaml.Node, what string) uint32 {
	f := follow(n)
	port, err := strconv.ParseUint(f.Value, 10, 16)
	if f.Kind != yaml.ScalarNode || err != nil || port == 0 {
		r.at(n, "%s is %s; wanted a port from 1 to 65535", what, kind(f))
	}
	return uint32(port)
}
