package control

import (
	"bytes"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]Command{
		"reload":            {Kind: Reload},
		"stop shutdown 7":   {Kind: Stop, Cause: "shutdown", Within: 7 * time.Second},
		"stop":              {Kind: Stop, Cause: "service", Within: 10 * time.Second},
		"stop restart soon": {Kind: Stop, Cause: "restart", Within: 10 * time.Second},
		"status counter=3 warning=expired warning=development nonsense": {Kind: Status,
			Values: []Value{{"counter", "3"}, {"warning", "expired"}, {"warning", "development"}}},
		"successor 0a1B-2":                       {Kind: Successor, Nonce: "0a1B-2"},
		"drain 75":                               {Kind: Drain, Within: 75 * time.Second},
		"drain":                                  {Kind: Drain, Within: defaultDrain},
		"drain -3":                               {Kind: Drain, Within: defaultDrain},
		"activate":                               {Kind: Activate},
		"activate 00ff":                          {Kind: Activate, File: "00ff"},
		"activate ../../etc/key":                 {Kind: Activate, File: "key"},
		"reload with what a later contract adds": {Kind: Reload},
	} {
		if got, ok := Parse(line); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", line, got, ok, want)
		}
	}
	for _, line := range []string{"", "   ", "successor", "successor a/b", "successor " + strings.Repeat("n", 65), "READY"} {
		if got, ok := Parse(line); ok {
			t.Errorf("Parse(%q) = %+v, want it ignored", line, got)
		}
	}
}

func TestCommandsEndWithGone(t *testing.T) {
	s := New(strings.NewReader("unknown\nreload\nstop service 3\n"), io.Discard)
	var kinds []Kind
	for c := range s.Commands() {
		kinds = append(kinds, c.Kind)
	}
	if want := []Kind{Reload, Stop, Gone}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
}

// A stub that sends a line past the limit has broken the contract; nothing it says behind that can be trusted.
func TestOverlongLineCountsAsGone(t *testing.T) {
	s := New(strings.NewReader(strings.Repeat("x", MaxLine+1)+"\nreload\n"), io.Discard)
	if c := <-s.Commands(); c.Kind != Gone {
		t.Errorf("got %+v, want Gone", c)
	}
}

// The lines of contract 1, as stubs in the field say them for ever: nothing updates a stub. The other side of these files is
// tested where the stub is.
func TestGoldenLines(t *testing.T) {
	const folder = "../../../stub/testdata/contract-1/"
	said, err := os.ReadFile(folder + "stub.lines")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[Kind]bool{}
	for line := range strings.Lines(string(said)) {
		c, ok := Parse(strings.TrimSuffix(line, "\n"))
		if !ok || c.Kind == Status && len(c.Values) < 5 || c.Kind == Successor && c.Nonce == "" {
			t.Errorf("%q is not understood: %+v", line, c)
		}
		kinds[c.Kind] = true
	}
	if len(kinds) != 6 {
		t.Errorf("kinds %v", kinds)
	}
	var out bytes.Buffer
	s := New(strings.NewReader(""), &out)
	for _, err := range []error{s.Ready("1.2.3"), s.Alive(), s.Checks(0x1f, 0xff), s.Handover("00ff", 4100*time.Millisecond), s.Drained(),
		s.Look(), s.Hold(), s.Resume(), s.Follow("beta", ""), s.Follow("stable", "2.5")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(folder + "core.lines")
	if err != nil || out.String() != string(want) {
		t.Errorf("got %q, want %q, %v", out.String(), want, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("stop shutdown 10")
	f.Add("status a=b c=")
	f.Fuzz(func(t *testing.T, line string) {
		if c, ok := Parse(line); ok && c.Kind == 0 {
			t.Errorf("%q parsed to nothing", line)
		}
	})
}
