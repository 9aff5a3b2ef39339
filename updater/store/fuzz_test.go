package store

import (
	"strings"
	"testing"
)

// FuzzParse: a name that is ours is ours alone: it comes out as it went in.
func FuzzParse(f *testing.F) {
	hash := strings.Repeat("ab", 32)
	for _, name := range []string{"7-" + hash, "07-" + hash, "18446744073709551616-" + hash, "-" + hash, "7-" + strings.ToUpper(hash), "x"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if e, ok := parse(name); ok && e.name() != name {
			t.Fatalf("%q is %q", name, e.name())
		}
	})
}
