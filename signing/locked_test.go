package signing

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const passphrase = "correct horse battery"

func saying(text string) Ask { return func(string) ([]byte, error) { return []byte(text), nil } }

func locked(t *testing.T, development bool) (Key, string) {
	t.Helper()
	k, err := Generate(development)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "a.key")
	if err := k.SaveLocked(name, []byte(passphrase), MinWork); err != nil {
		t.Fatal(err)
	}
	return k, name
}

func TestLockedKeySignsAfterItsPassphrase(t *testing.T) {
	for _, development := range []bool{false, true} {
		k, name := locked(t, development)
		asked := 0
		s, err := Open(name, func(who string) ([]byte, error) {
			asked++
			if who != name {
				t.Errorf("asked for %s", who)
			}
			return []byte(passphrase), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !s.Public().Equal(k.Public()) || s.Development() != development || asked != 0 {
			t.Errorf("public half %x, development %v, asked %d times", s.Public(), s.Development(), asked)
		}
		for range 2 {
			if sig, err := s.Sign([]byte("message")); err != nil || !ed25519.Verify(k.Public(), []byte("message"), sig) {
				t.Errorf("signature %x, %v", sig, err)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		if strings.Contains(string(block.Bytes), string(k.private.Seed())) {
			t.Error("the seed is in the file as it is")
		}
		if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if _, err := Load(name); err == nil || !strings.Contains(err.Error(), "passphrase") {
			t.Errorf("loaded without a passphrase: %v", err)
		}
	}
}

func TestLockedKeyIsRefused(t *testing.T) {
	_, name := locked(t, false)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(b *pem.Block)) []byte {
		b, _ := pem.Decode(whole)
		f(b)
		return pem.EncodeToMemory(b)
	}
	gone := errors.New("nobody at the keyboard")
	for what, c := range map[string]struct {
		file []byte
		ask  Ask
		want string
	}{
		"a wrong passphrase":       {whole, saying("correct horse batterie"), "passphrase is wrong"},
		"nobody to ask":            {whole, nil, "none can be asked for"},
		"nobody who answers":       {whole, func(string) ([]byte, error) { return nil, gone }, gone.Error()},
		"another public half":      {change(func(b *pem.Block) { b.Headers["Public"] = strings.Repeat("ab", 32) }), saying(passphrase), "passphrase is wrong"},
		"another use":              {change(func(b *pem.Block) { b.Headers["Use"] = "development only" }), saying(passphrase), "passphrase is wrong"},
		"no use":                   {change(func(b *pem.Block) { delete(b.Headers, "Use") }), saying(passphrase), "does not say whether"},
		"no public half":           {change(func(b *pem.Block) { delete(b.Headers, "Public") }), saying(passphrase), "does not say its public key"},
		"a body that was changed":  {change(func(b *pem.Block) { b.Bytes[0]++ }), saying(passphrase), "passphrase is wrong"},
		"a body cut short":         {change(func(b *pem.Block) { b.Bytes = b.Bytes[:8] }), saying(passphrase), "passphrase is wrong"},
		"work that takes for ever": {change(func(b *pem.Block) { b.Headers["Work"] = "40" }), saying(passphrase), "its work"},
		"hardly any work":          {change(func(b *pem.Block) { b.Headers["Work"] = "1" }), saying(passphrase), "its work"},
		"no salt":                  {change(func(b *pem.Block) { delete(b.Headers, "Salt") }), saying(passphrase), "its salt"},
		"something after it":       {append(append([]byte(nil), whole...), whole...), saying(passphrase), "not a key file"},
	} {
		t.Run(what, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "b.key")
			if err := os.WriteFile(name, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(name, c.ask)
			if err == nil {
				_, err = s.Sign([]byte("message"))
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name) {
				t.Errorf("%v", err)
			}
		})
	}
	if err := other.SaveLocked(filepath.Join(t.TempDir(), "c.key"), []byte("short"), MinWork); err == nil {
		t.Error("a short passphrase was taken")
	}
	if err := other.SaveLocked(name, []byte(passphrase), MinWork); !errors.Is(err, os.ErrExist) {
		t.Errorf("another key's file is written over: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.key"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestPublicHalves(t *testing.T) {
	k, err := Generate(true)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "a.pub")
	if err := PublicHalf(k).Save(name); err != nil {
		t.Fatal(err)
	}
	if p, err := LoadPublic(name); err != nil || !p.Key.Equal(k.Public()) || !p.Development || p.ID() != k.ID() {
		t.Errorf("%+v, %v", p, err)
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	exported := filepath.Join(dir, "exported.pub")
	if err := os.WriteFile(exported, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	if p, err := LoadPublic(exported); err != nil || !p.Key.Equal(k.Public()) || p.Development {
		t.Errorf("in the form of others: %+v, %v", p, err)
	}
	private := filepath.Join(dir, "a.key")
	if err := k.Save(private); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadPublic(private); err == nil || !strings.Contains(err.Error(), "never the .key") {
		t.Errorf("a private key taken for a public one: %v", err)
	}
}
