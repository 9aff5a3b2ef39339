package facts

import "testing"

func TestOSRelease(t *testing.T) {
	for _, c := range []struct{ name, text, debian, want string }{
		{"debian", "PRETTY_NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\n", "12.7", "debian 12.7"},
		{"other debian", "ID=debian\nVERSION_ID=\"12\"\n", "trixie/sid", "debian 12"},
		{"alpine", "ID=alpine\nVERSION_ID=3.20.1\n", "", "alpine 3.20.1"},
		{"rolling", "ID=arch\n", "", "arch"},
		{"nothing", "", "", ""},
	} {
		if got := osRelease(c.text, c.debian); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
