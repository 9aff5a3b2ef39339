package desired

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const collectors = `collectors:
  - name: metrics
    kind: collectd
    memory: 200M
    config: |
      Hostname "{{.Hostname}}"
      LoadPlugin cpu
    on: {tags: [web]}
  - name: shipper
    kind: command
    program: /opt/s
    args: [-p, 12]
    health: [/bin/true]
`

func TestCollectorsReachThoseThatAreMeant(t *testing.T) {
	doc, problems := Parse([]byte(collectors))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	web, _ := doc.For(Target{Fingerprint: "a", Tags: []string{"web"}})
	db, _ := doc.For(Target{Fingerprint: "b", Tags: []string{"db"}})
	if len(web.Collectors) != 2 || len(db.Collectors) != 1 || db.Collectors[0].Name != "shipper" {
		t.Fatalf("web %v, db %v", web.Collectors, db.Collectors)
	}
	c := web.Collectors[0]
	if c.Config != "Hostname \"{{.Hostname}}\"\nLoadPlugin cpu\n" || c.MemoryBytes != 200<<20 {
		t.Errorf("%v", c)
	}
	if s := db.Collectors[0]; strings.Join(s.Args, " ") != "-p 12" || time.Duration(s.HealthEveryMs)*time.Millisecond != 30*time.Second {
		t.Errorf("%v", s)
	}
}

func TestCollectorsMistakesAndTheirPlace(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{`{{.Hostname}}`, `{{.Hostnam}}`, `6: collector "metrics": config: there is no .Hostnam`},
		{"LoadPlugin cpu", "{{if .OS}}", `collector "metrics": config: unexpected EOF`},
		{"kind: collectd", "kind: colectd", `collector "metrics": kind "colectd": there are collectd`},
		{"200M", "2M", "memory: 2M is out of range; at least 8M"},
		{"200M", "much", `memory: "much" is no size`},
		{"program: /opt/s", "progam: /opt/s", `unknown key "progam" (did you mean "program"?)`},
		{"/opt/s", "opt/s", "neither an absolute path nor a bare file name"},
		{"    kind: command\n", "", `collector "shipper" has no kind`},
		{"name: shipper\n", "name: metrics\n    on: {tags: [web]}\n", `collector "metrics" stands already in line 2 for the same agents`},
	} {
		_, problems := Parse([]byte(strings.Replace(collectors, tt.from, tt.to, 1)))
		if len(problems) != 1 || !strings.Contains(fmt.Sprint(problems[0]), tt.want) {
			t.Errorf("%s: %v, want %q", tt.to, problems, tt.want)
		}
	}
}
