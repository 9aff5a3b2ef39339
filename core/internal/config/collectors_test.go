package config

import (
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestTheGateForCollectors(t *testing.T) {
	metrics := func() *wire.Collector {
		return &wire.Collector{Name: "metrics", Kind: "collectd", Config: "LoadPlugin cpu\n"}
	}
	cases := []struct {
		name      string
		box       func(*Box)
		collector func(*wire.Collector)
		want      string // of the one problem; "" = taken
	}{
		{"taken", nil, nil, ""},
		{"signed", func(b *Box) { b.Trust = TrustSigned }, nil, "collector metrics is not signed"},
		{"never by name", func(b *Box) { b.Never = []string{"met*"} }, nil, "never = met*"},
		{"never by kind", func(b *Box) { b.Never = []string{"collectd"} }, nil, "never = collectd"},
		{"never any", func(b *Box) { b.Never = []string{"collector:*"} }, nil, "never = collector:*"},
		{"never by program", func(b *Box) { b.Never = []string{"bash"} }, func(c *wire.Collector) { c.Program = "/bin/bash" }, "never = bash"},
		{"never by path", func(b *Box) { b.Never = []string{"/bin/*"} }, func(c *wire.Collector) { c.Health = []string{"/bin/bash"} }, "never = /bin/*"},
		{"a template", nil, func(c *wire.Collector) { c.Config = "\n{{.Hots}}" }, `collector "metrics": config: line 2: there is no .Hots`},
		{"a kind", nil, func(c *wire.Collector) { c.Kind = "x" }, `collector "metrics": kind "x"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := metrics()
			if c.collector != nil {
				c.collector(w)
			}
			s, problems := Take(&wire.Desired{NoDefaults: true, Collectors: []*wire.Collector{w}}, rules(c.box))
			if c.want == "" {
				if len(problems) > 0 || len(s.Collectors) != 1 {
					t.Fatalf("%+v %q", s, problems)
				}
				return
			}
			if len(problems) != 1 || !strings.Contains(problems[0], c.want) || len(s.Collectors) > 0 {
				t.Errorf("%q, want %q", problems, c.want)
			}
		})
	}
	_, problems := Take(&wire.Desired{Collectors: []*wire.Collector{metrics(), metrics()}}, rules(nil))
	if len(problems) != 1 || !strings.Contains(problems[0], "twice") {
		t.Errorf("%q", problems)
	}
}

func TestTheOwnersCollectors(t *testing.T) {
	box := func(b *Box) {
		b.Trust, b.Never = TrustSigned, []string{"collector:*"}
		b.Collectors = map[string]string{
			"metrics": "collectd /etc/own.conf", "own": `command /bin/x "a b" c`, "bad": "collectd", "worse": `command "/bin/x`, "relative": "command x",
		}
	}
	s, problems := Take(nil, rules(box))
	if len(problems) > 0 || len(s.Collectors) != 2 {
		t.Fatalf("%+v %q", s.Collectors, problems)
	}
	m, own := s.Collectors[0], s.Collectors[1]
	if m.Local != "/etc/own.conf" || m.Kind != "collectd" || own.Program != "/bin/x" || strings.Join(own.Args, "|") != "a b|c" {
		t.Errorf("%+v", s.Collectors)
	}
	if notes := strings.Join(s.Notes, "\n"); !strings.Contains(notes, "collector.bad:") || !strings.Contains(notes, "collector.worse:") || !strings.Contains(notes, "collector.relative:") {
		t.Errorf("%q", s.Notes)
	}
	s, problems = Take(&wire.Desired{Collectors: []*wire.Collector{{Name: "metrics", Kind: "collectd", Config: "x"}}}, rules(func(b *Box) {
		b.Collectors = map[string]string{"metrics": "collectd /etc/own.conf"}
	}))
	if len(problems) > 0 || len(s.Collectors) != 1 || s.Collectors[0].Local == "" {
		t.Errorf("%+v %q", s.Collectors, problems)
	}
}
