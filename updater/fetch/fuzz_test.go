package fetch

import (
	"fmt"
	"testing"
)

// FuzzBegins: what says where a body begins says it exactly.
func FuzzBegins(f *testing.F) {
	for _, s := range []string{"bytes 5-9/10", "bytes 0-/*", "bytes -5-9/10", "bytes +5-9", "bytes 99999999999999999999-1/2", "items 1-2/3", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := begins(s)
		if n < -1 {
			t.Fatalf("%q begins at %d", s, n)
		}
		if n >= 0 && begins(fmt.Sprintf("bytes %d-%d/*", n, n)) != n {
			t.Fatalf("%q begins at %d, which begins elsewhere", s, n)
		}
	})
}
