package mark

import "testing"

// FuzzParseSubject: what is read of a subject makes that subject again, or one that says the same.
func FuzzParseSubject(f *testing.F) {
	for _, s := range []string{Subject("ab", 7), "results..0", "results.a.b.1", "results.a.-1", "results.a.+1", "events.a.1", "results.a.18446744073709551616"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fingerprint, epoch, ok := ParseSubject(s)
		if !ok {
			return
		}
		if f2, e2, ok := ParseSubject(Subject(fingerprint, epoch)); !ok || f2 != fingerprint || e2 != epoch {
			t.Fatalf("%q is %q of epoch %d, and that is %q of %d", s, fingerprint, epoch, f2, e2)
		}
	})
}
