package signing

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

func generate(t testing.TB, dev bool) Key {
	t.Helper()
	k, err := Generate(dev)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeySurvivesItsFile(t *testing.T) {
	for _, dev := range []bool{true, false} {
		name := filepath.Join(t.TempDir(), "root.key")
		k := generate(t, dev)
		if err := k.Save(name); err != nil {
			t.Fatal(err)
		}
		back, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if back.ID() != k.ID() || back.Development() != dev {
			t.Errorf("came back as %s, development %v", back, back.Development())
		}
		if sig, err := back.Sign([]byte("message")); err != nil || !ed25519.Verify(k.Public(), []byte("message"), sig) {
			t.Errorf("its signature does not verify (%v)", err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "development only") != dev {
			t.Errorf("the file says:\n%s", text)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
	}
}

func TestSaveNeverOverwrites(t *testing.T) {
	name := filepath.Join(t.TempDir(), "root.key")
	first := generate(t, true)
	if err := first.Save(name); err != nil {
		t.Fatal(err)
	}
	if err := generate(t, true).Save(name); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("second save: %v", err)
	}
	if back, err := Load(name); err != nil || back.ID() != first.ID() {
		t.Errorf("the first key is gone: %v %v", back, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.key")
	if err := generate(t, true).Save(good); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, content string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cases := map[string]string{
		"empty":          write("empty", "", 0o600),
		"not PEM":        write("nopem", "hello", 0o600),
		"no use":         write("nouse", strings.Replace(string(text), "Use: development only\n", "", 1), 0o600),
		"unknown use":    write("use", strings.Replace(string(text), "development only", "whatever", 1), 0o600),
		"other type":     write("type", strings.ReplaceAll(string(text), "ED25519", "RSA"), 0o600),
		"short":          write("short", "-----BEGIN LIMPET ED25519 PRIVATE KEY-----\nUse: production\n\nYWJj\n-----END LIMPET ED25519 PRIVATE KEY-----\n", 0o600),
		"two keys":       write("two", string(text)+string(text), 0o600),
		"too long":       write("long", string(text)+strings.Repeat("\n", maxKeyFile), 0o600),
		"a folder":       dir,
		"does not exist": filepath.Join(dir, "none"),
	}
	if runtime.GOOS != "windows" {
		cases["others may read it"] = write("open", string(text), 0o644)
	}
	for name, path := range cases {
		if _, err := Load(path); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
	if _, err := Load(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestKeyDoesNotPrintItself(t *testing.T) {
	k := generate(t, false)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, k); got != k.ID() {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestIDIsTUFs(t *testing.T) {
	k := generate(t, false)
	key, err := metadata.KeyFromPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	if want, err := key.ID(); err != nil || want != k.ID() {
		t.Errorf("id %s, go-tuf says %s (%v)", k.ID(), want, err)
	}
}
