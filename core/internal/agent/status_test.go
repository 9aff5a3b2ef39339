package agent

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAStatusFits(t *testing.T) {
	var s Status
	for i := range 10_000 {
		s.Checks = append(s.Checks, CheckStatus{Name: fmt.Sprint("c", i), Text: strings.Repeat("x", i%300)})
	}
	data := s.fit(250 << 10)
	var got Status
	if err := json.Unmarshal(data, &got); err != nil || len(data) > 250<<10 || len(data) < 200<<10 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	if want := fmt.Sprint(10_000-len(got.Checks), leftOut); len(got.Checks) == 0 || got.Checks[0].Name != "c0" || len(got.Notes) != 1 || got.Notes[0] != want {
		t.Errorf("%d checks, notes %q, want %q", len(got.Checks), got.Notes, want)
	}
	small := Status{Checks: []CheckStatus{{Name: "a"}}}
	if small.Fit(); len(small.Checks) != 1 || len(small.Notes) != 0 {
		t.Errorf("%+v", small)
	}
}

// A plugin may run as nobody; who reads the status is root, at a terminal.
func TestAStatusMovesNoTerminal(t *testing.T) {
	var out strings.Builder
	s := Status{Hostname: "box", Problems: []string{"odd \x1b[31mred"}, Checks: []CheckStatus{{Name: "web", State: "OK", Text: "fine\x1b]0;title\a\r\u202egone"}}}
	s.Print(&out, time.Now())
	if text := out.String(); strings.ContainsAny(text, "\x1b\a\r\u202e") || !strings.Contains(text, "fine]0;titlegone\n") || !strings.Contains(text, "odd [31mred\n") {
		t.Errorf("%q", text)
	}
}
