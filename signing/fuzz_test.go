package signing

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/pem"
	"testing"
)

// FuzzKeyFiles: a key that is read is whole and says what it is for; no private key is taken for a public one.
func FuzzKeyFiles(f *testing.F) {
	k := Key{private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	for _, kind := range []string{pemType, publicType, pkixType, lockedType} {
		for _, use := range []string{production, development, ""} {
			f.Add(pem.EncodeToMemory(&pem.Block{Type: kind, Headers: map[string]string{useHeader: use}, Bytes: k.Public()}))
		}
	}
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAO2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, err := parseKey(data); err == nil && (len(k.private) != ed25519.PrivateKeySize || !bytes.Contains(data, []byte(useOf(k.development)))) {
			t.Fatalf("%q is %+v", data, k)
		}
		if p, err := parsePublic(data); err == nil && (len(p.Key) != ed25519.PublicKeySize || bytes.Contains(data, []byte("BEGIN "+pemType+"-"))) {
			t.Fatalf("%q is %+v", data, p)
		}
	})
}

// FuzzReadSignature: a signature has its length, in whichever form a signer of another's answers.
func FuzzReadSignature(f *testing.F) {
	sig := bytes.Repeat([]byte{0xab}, ed25519.SignatureSize)
	f.Add(sig)
	f.Add([]byte(hex.EncodeToString(sig) + "\n"))
	f.Add([]byte("q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urqw=="))
	f.Add([]byte("enter PIN: "))
	f.Fuzz(func(t *testing.T, out []byte) {
		if sig := readSignature(out); sig != nil && len(sig) != ed25519.SignatureSize {
			t.Fatalf("%q is a signature of %d bytes", out, len(sig))
		}
	})
}
