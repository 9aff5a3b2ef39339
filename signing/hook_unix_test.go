//go:build unix

package signing

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hooked makes a hook whose script is given, for a key's public half.
func hooked(t *testing.T, k Key, script string) (Signer, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "token.hook")
	if err := PublicHalf(k).Save(PublicOf(name)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return Open(name, nil)
}

// A hook answers in any of three forms, and only a signature by its key counts.
func TestHook(t *testing.T) {
	k, err := Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("what is signed")
	sig := ed25519.Sign(k.private, message)
	octal := ""
	for _, b := range sig {
		octal += fmt.Sprintf(`\%03o`, b)
	}
	for form, print := range map[string]string{
		"raw": "printf '" + octal + "'", "hex": "echo " + hex.EncodeToString(sig), "base64": "echo " + base64.StdEncoding.EncodeToString(sig),
	} {
		s, err := hooked(t, k, `[ "$(cat)" = "what is signed" ] && [ $LIMPET_KEY_ID = `+k.ID()+` ] && `+print)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Sign(message); err != nil || string(got) != string(sig) {
			t.Errorf("%s: %x, %v", form, got, err)
		}
		if _, err := s.Sign([]byte("something else")); err == nil {
			t.Errorf("%s: signed what it was not asked for", form)
		}
	}
	other := hex.EncodeToString(ed25519.Sign(k.private, []byte("another message")))
	for script, want := range map[string]string{
		"echo no token in the slot >&2; exit 3": "no token in the slot",
		"echo " + other:                         "no signature by its public key",
		"echo hello":                            "no signature by its public key",
		"yes | head -c 100000":                  "no signature by its public key",
		"true":                                  "no signature by its public key",
	} {
		s, err := hooked(t, k, script)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Sign(message); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func TestHookWithoutItsParts(t *testing.T) {
	name := filepath.Join(t.TempDir(), "token.hook")
	if _, err := Open(name, nil); err == nil {
		t.Error("no hook at all")
	}
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(name, nil); err == nil || !strings.Contains(err.Error(), "token.pub") {
		t.Errorf("no public half: %v", err)
	}
}
