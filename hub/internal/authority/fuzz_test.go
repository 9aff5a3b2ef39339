package authority

import (
	"os"
	"path/filepath"
	"testing"
)

// Whatever stands in the issuer's files: it is refused in words, or it is a certificate with its key.
func FuzzIssuer(f *testing.F) {
	dir := f.TempDir()
	if _, err := openIssuer(dir); err != nil {
		f.Fatal(err)
	}
	cert, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		f.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(cert, key)
	f.Add(key, cert)
	f.Add(append([]byte("text\n"), cert...), key[:len(key)/2])
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		dir := t.TempDir()
		for name, data := range map[string][]byte{"ca.crt": cert, "ca.key": key} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		is, err := openIssuer(dir)
		if err == nil && (is.cert == nil || is.key == nil) {
			t.Error("half an issuer")
		}
		if err != nil && is != nil {
			t.Error("an issuer beside an error")
		}
	})
}
