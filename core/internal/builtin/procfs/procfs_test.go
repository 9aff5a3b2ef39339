package procfs

import (
	"strings"
	"testing"
	"time"
)

func TestUint(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "7": 7, "18446744073709551615": 1<<64 - 1, "0010": 10} {
		if got, ok := Uint([]byte(text)); !ok || got != want {
			t.Errorf("%q is %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "-1", "+1", "1.5", "18446744073709551616", "99999999999999999999", "1 ", "x"} {
		if got, ok := Uint([]byte(text)); ok {
			t.Errorf("%q was taken as %d", text, got)
		}
	}
}

func TestListLen(t *testing.T) {
	for text, want := range map[string]int{
		"0-3\n": 4, "0\n": 1, "0-3,8,10-11\n": 7, "": 0, "\n": 0, "3-0": 0, "x": 0, "0-": 0, "0-99999999": 0, "0-1048575,5": 0,
	} {
		if got := ListLen([]byte(text)); got != want {
			t.Errorf("%q has %d, want %d", text, got, want)
		}
	}
}

func TestUptime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"941.71 1610.31\n": 941*time.Second + 710*time.Millisecond, "5 1": 5 * time.Second, "0.00 0.00\n": 0,
	} {
		if got, err := Uptime([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "-1.00", "1.x", "99999999999.00"} {
		if got, err := Uptime([]byte(text)); err == nil {
			t.Errorf("%q was taken as %v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("cpu  1 2\t3\n5")
	f.Add("0-3,8")
	f.Add("123.45 6")
	f.Fuzz(func(t *testing.T, text string) {
		line, rest := Line([]byte(text))
		if strings.Contains(string(line), "\n") || len(line)+len(rest) > len(text) {
			t.Errorf("line %q and rest %q of %q", line, rest, text)
		}
		n := 0
		for field, left := Field(line); len(field) > 0; field, left = Field(left) {
			n++
			if strings.ContainsAny(string(field), " \t") || n > len(text) {
				t.Fatalf("field %q", field)
			}
		}
		if n := ListLen([]byte(text)); n < 0 {
			t.Errorf("%d CPUs", n)
		}
		if up, err := Uptime([]byte(text)); err == nil && up < 0 {
			t.Errorf("up %v", up)
		}
	})
}
