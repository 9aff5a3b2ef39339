package plugin

import (
	"strings"
	"testing"
)

// FuzzShebang: a program's name is a bare one, whatever the first line of a plugin says.
func FuzzShebang(f *testing.F) {
	for _, s := range []string{"#!/bin/sh", "#!/usr/bin/env -S python3 -u", "#! /bin/sh -e", "#!/usr/bin/env", "#!", "#!/bin/", "#!\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		name, options, ok := shebang(line)
		if ok && strings.Contains(name, "/") || !ok && (name != "" || options != nil) {
			t.Fatalf("%q is %q %q %v", line, name, options, ok)
		}
	})
}
