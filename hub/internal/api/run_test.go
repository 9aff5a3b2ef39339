package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// written is what a lineWriter makes of these pieces of stdout.
func written(pieces ...string) string {
	w := httptest.NewRecorder()
	l := &lineWriter{w: w, control: http.NewResponseController(w)}
	for _, p := range pieces {
		l.output([]byte(p), false)
	}
	l.rest()
	var all strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(w.Body.String()), "\n") {
		var o outputLine
		if json.Unmarshal([]byte(line), &o) == nil {
			all.WriteString(o.Output)
		}
	}
	return all.String()
}

func TestCharactersSurviveBeingCut(t *testing.T) {
	const text = "a€𝄞ü\n"
	for i := range len(text) {
		for j := i; j < len(text); j++ {
			if got := written(text[:i], text[i:j], text[j:]); got != text {
				t.Fatalf("cut at %d and %d: %q", i, j, got)
			}
		}
	}
}

func FuzzOutput(f *testing.F) {
	f.Add("a\xe2\x82", "\xac")
	f.Add("\xff\xf0\x9d", "x")
	f.Fuzz(func(t *testing.T, a, b string) {
		if got, want := written(a, b), strings.ToValidUTF8(a+b, ""); strings.ReplaceAll(got, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Errorf("%q + %q came as %q", a, b, got)
		}
	})
}
