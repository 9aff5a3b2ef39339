//go:build unix

package platforms

import (
	"strings"
	"testing"
)

func TestLookUpUser(t *testing.T) {
	const passwd = "root:x:0:0:root:/root:/bin/sh\n\nbroken\nlimpet-fetch:x:987:986::/:/bin/false\nodd:x:-1:4:\nfar:x:4294967296:1:\n"
	for name, want := range map[string]User{"root": {0, 0}, "limpet-fetch": {987, 986}} {
		if u, ok := lookUp(strings.NewReader(passwd), name); !ok || *u != want {
			t.Errorf("%s: %v %v", name, u, ok)
		}
	}
	for _, name := range []string{"", "limpet", "odd", "far", "broken"} {
		if u, ok := lookUp(strings.NewReader(passwd), name); ok {
			t.Errorf("%q: %v", name, *u)
		}
	}
}
