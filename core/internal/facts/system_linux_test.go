package facts

import (
	"strings"
	"testing"
)

func TestOSRelease(t *testing.T) {
	for _, c := range []struct{ name, text, debian, want string }{
		{"debian", "PRETTY_NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\n", "12.7", "debian 12.7"},
		{"other debian", "ID=debian\nVERSION_ID=\"12\"\n", "trixie/sid", "debian 12"},
		{"alpine", "ID=alpine\nVERSION_ID=3.20.1\n", "", "alpine 3.20.1"},
		{"single quotes", "ID='rocky'\nVERSION_ID='9.4'\n", "", "rocky 9.4"},
		{"escapes", `ID="a\"b\\c"`, "", `a"b\c`},
		{"rolling", "ID=arch\n", "", "arch"},
		{"nothing", "", "", ""},
	} {
		if got := osRelease(c.text, c.debian); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzOSRelease(f *testing.F) {
	f.Add("ID=\"debian\"\nVERSION_ID='12'\n", "12.7")
	f.Add("ID='\nVERSION_ID=\"\\", "x")
	f.Fuzz(func(t *testing.T, text, debian string) {
		got := osRelease(text, strings.TrimSpace(debian))
		if len(got) > len(text)+len(debian)+1 || strings.TrimSpace(got) != got {
			t.Errorf("%q and %q are %q", text, debian, got)
		}
	})
}
