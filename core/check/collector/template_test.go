package collector

import (
	"strings"
	"testing"
)

var box = Facts{
	Hostname: "web1", OS: "linux", CPUs: 2, Memory: 1 << 30, Addresses: []string{"10.0.0.1", "fe::1"}, Tags: []string{"web", "berlin"},
	Name: "metrics", Config: "/s/c.conf",
}

func TestExpand(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"no action at all }} {", "no action at all }} {"},
		{"Hostname {{.Hostname}}\n", "Hostname web1\n"},
		{"{{quote .Hostname}} {{.CPUs}} {{.Memory}}", `"web1" 2 1073741824`},
		{`{{join .Tags ","}} {{.Tags | join2}}`, ""},
		{`{{if has .Tags "web"}}W{{else}}N{{end}}{{if has .Tags "db"}}D{{end}}`, "W"},
		{"{{range .Addresses}}- {{.}}\n{{end}}", "- 10.0.0.1\n- fe::1\n"},
		{`{{if and (eq .OS "linux") (ne .Hostname "db1")}}yes{{end}}`, "yes"},
		{`{{.Graphite | default "off"}}`, "off"},
		{`{{.Hostname | default "off" | upper}}`, "WEB1"},
		{"{{/* nothing */}}a {{- \"b\" }}", "ab"},
		{`{{if eq .Tags .Tags}}same{{end}}`, "same"},
		{`{{range .Tags}}{{if eq . "web"}}w{{else if eq . "x"}}x{{else}}o{{end}}{{else}}none{{end}}`, "wo"},
	} {
		got, err := Expand(tt.in, box)
		if tt.want == "" {
			if err == nil {
				t.Errorf("%q was read", tt.in)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%q: %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestWhatIsRefusedNamesItsLine(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"\n\n{{.Hostnam}}", "line 3: there is no .Hostnam; there are [.Addresses"},
		{"\n{{if .OS}}", "line 2: unexpected EOF"},
		{"{{range 1000000000}}{{end}}", "line 1: range wants a list"},
		{"{{define \"x\"}}{{template \"x\"}}{{template \"x\"}}{{end}}{{template \"x\"}}", "not known here"},
		{"\n{{template \"x\"}}", "line 2:"},
		{"{{$x := .OS}}", "variables are not known"},
		{"{{printf \"%s\" .OS}}", `function "printf" not defined`},
		{"{{.OS.Name}}", "there is no .OS.Name"},
		{"{{join .Tags}}", "join takes 2 arguments, not 1"},
		{"{{join .OS \",\"}}", "join wants a list"},
		{"{{with .OS}}{{end}}", "not known here"},
		{"{{range .Tags}}{{break}}{{end}}", "not known here"},
		{"{{.OS .Arch}}", "is no function"},
		{strings.Repeat("{{if .OS}}", 20) + strings.Repeat("{{end}}", 20), "nested more than 16 deep"},
		{strings.Repeat("{{range .Addresses}}", 15) + strings.Repeat("x{{end}}", 15), "more than 50000 steps"},
	} {
		f := box
		for len(f.Addresses) < 32 {
			f.Addresses = append(f.Addresses, "::1")
		}
		got, err := Expand(tt.in, f)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q: %.60q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestATextCannotGrowWithoutEnd(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	f := box
	for len(f.Addresses) < 32 {
		f.Addresses = append(f.Addresses, "::1")
	}
	if _, err := Expand("{{range .Addresses}}"+long+"{{end}}", f); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
}

func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"{{.OS}}", "{{range .Tags}}{{.}}{{end}}", `{{if has .Tags "x"}}{{else}}{{end}}`, "{{(.OS)}}", "{{(eq .OS .OS) | not}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		tt, err := Parse(source)
		if err != nil {
			return
		}
		out, err := tt.Expand(box)
		if err == nil && len(out) > maxText && strings.Contains(source, "{{") {
			t.Fatalf("%d bytes", len(out))
		}
	})
}
