package tuf

import (
	"crypto/sha256"
	"path"
	"strings"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// FuzzCovers holds the matching of paths against go-tuf's: a role speaks for nothing
// here that it does not speak for there.
func FuzzCovers(f *testing.F) {
	for _, s := range [][2]string{
		{"core/stable/linux-amd64/*/limpet-core", "core/stable/linux-amd64/1.0.0/limpet-core"},
		{"*", "a"}, {"*", "a/b"}, {"a/*", "a/b/c"}, {"a[^b]c", "a/c"}, {"a?c", "axc"}, {"a\\/b", "a/b"}, {"[a-c]*/x", "b/x"}, {"[", "["}, {"", ""}, {"a//b", "a//b"}, {"/a", "/a"},
	} {
		f.Add(s[0], s[1], uint8(0))
		f.Add(s[0], s[1], uint8(3))
	}
	f.Fuzz(func(t *testing.T, pattern, target string, prefix uint8) {
		e := delegation{paths: []string{pattern}}
		theirs := metadata.DelegatedRole{Name: "a", Paths: []string{pattern}}
		if prefix > 0 {
			// go-tuf 2.4.2 compares these with the hash in base64, so it is no oracle: TUF says hex.
			e = delegation{prefixes: []string{sumOf(pattern)[:min(int(prefix), 64)]}}
			if e.covers(target) != strings.HasPrefix(sumOf(target), e.prefixes[0]) || !e.covers(pattern) {
				t.Fatalf("prefix %s and %q: %v", e.prefixes[0], target, e.covers(target))
			}
			return
		}
		// A pattern that a reader refuses never gets here.
		for _, part := range strings.Split(pattern, "/") {
			if !valid(part) {
				return
			}
		}
		if ok, err := theirs.IsDelegatedPath(target); e.covers(target) && (!ok || err != nil) {
			t.Fatalf("%q speaks for %q, with go-tuf it does not: %v, %v", pattern, target, ok, err)
		}
		// Whatever it covers lies in a folder that it reaches.
		if i := strings.LastIndexByte(target, '/'); i > 0 && e.covers(target) && !e.reaches(target[:i+1]) {
			t.Fatalf("%q covers %q, and does not reach its folder", pattern, target)
		}
	})
}

func sumOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hexed(sum[:])
}

func valid(part string) bool {
	_, err := path.Match(part, "")
	return err == nil
}
