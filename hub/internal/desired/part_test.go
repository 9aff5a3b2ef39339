package desired

import (
	"slices"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func parsed(t *testing.T, text string) *Document {
	t.Helper()
	doc, problems := Parse([]byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return doc
}

func TestForPicksWhatIsMeant(t *testing.T) {
	doc := parsed(t, `
checks:
  - {name: all, plugin: x}
  - {name: web, plugin: x, on: {tags: [web, proxy]}}
  - {name: webhost, plugin: x, on: {tags: [web], hosts: ["WEB?.*"]}}
  - {name: one, plugin: x, on: {fingerprints: [ABABABAB]}}
  - {name: bsd, plugin: x, on: {os: [freebsd, openbsd]}}
`)
	for name, c := range map[string]struct {
		target Target
		want   string
	}{
		"nothing known":           {Target{}, "all"},
		"a tag":                   {Target{Tags: []string{"db", "proxy"}}, "all web"},
		"tag and host":            {Target{Tags: []string{"web"}, Hostname: "web1.Example"}, "all web webhost"},
		"host without tag":        {Target{Hostname: "web1.example"}, "all"},
		"? is one character":      {Target{Tags: []string{"web"}, Hostname: "web12.example"}, "all web"},
		"fingerprint":             {Target{Fingerprint: strings.Repeat("ab", 32)}, "all one"},
		"system":                  {Target{OS: "openbsd"}, "all bsd"},
		"tags are case sensitive": {Target{Tags: []string{"Web"}}, "all"},
	} {
		part, _ := doc.For(c.target)
		if got := names(part); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func names(part *wire.Desired) string {
	var names []string
	for _, c := range part.Checks {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

func TestForTheLaterOfTwoStands(t *testing.T) {
	doc := parsed(t, `
defaults: false
disable: [swap]
checks:
  - {name: disk, builtin: disk, every: 5m}
  - {name: web, plugin: check_http}
  - {name: disk, builtin: disk, every: 10s, on: {tags: [db]}}
`)
	part, shadowed := doc.For(Target{Tags: []string{"db"}})
	if names(part) != "disk web" || part.Checks[0].EveryMs != 10_000 || !slices.Equal(shadowed, []string{"disk"}) {
		t.Errorf("db: %v, shadowed %v", part, shadowed)
	}
	if !part.NoDefaults || !slices.Equal(part.Disable, []string{"swap"}) {
		t.Errorf("defaults: %v", part)
	}
	part, shadowed = doc.For(Target{})
	if names(part) != "disk web" || part.Checks[0].EveryMs != 300_000 || len(shadowed) > 0 {
		t.Errorf("others: %v, shadowed %v", part, shadowed)
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true}, {"", "", true}, {"", "a", false}, {"?", "", false}, {"a*", "a", true}, {"*a*b*", "xxaxxbxx", true},
		{"*a*b", "ab-a", false}, {"web?", "web1", true}, {"web?", "web", false}, {"a**b", "ab", true},
		{strings.Repeat("*a", 100) + "b", strings.Repeat("a", 250), false}, // no exponential search
	} {
		if got := matches(c.pattern, c.s); got != c.want {
			t.Errorf("matches(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
}
