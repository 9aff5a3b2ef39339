package authority

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestAKeyIsSucceeded(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), "keys"), Release: release(t)}
	a := open(t, o)
	before, err := a.Document()
	if err != nil {
		t.Fatal(err)
	}
	keys := []ed25519.PublicKey{a.HubKey().Public().(ed25519.PublicKey)}
	for range wire.MaxSuccession + 3 {
		old, next, err := Succeed(o.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if !old.Equal(keys[len(keys)-1]) {
			t.Fatalf("step %d began elsewhere", len(keys))
		}
		keys = append(keys, next)
	}
	a.lookAtKey()
	key, chain := a.Voice()
	last := keys[len(keys)-1]
	if !last.Equal(key.Public()) || len(chain) != wire.MaxSuccession {
		t.Fatalf("a hub that runs has not taken the newest key up, or %d steps", len(chain))
	}
	for i, k := range keys {
		if got, want := wire.Trusted(last, []ed25519.PublicKey{k}, chain), i >= len(keys)-1-wire.MaxSuccession; got != want {
			t.Errorf("from key %d of %d: %v, want %v", i, len(keys), got, want)
		}
	}
	after, err := a.Document()
	if err != nil || after == before {
		t.Errorf("the trust document names the old key still, %v", err)
	}
	if again := open(t, o); !again.HubKey().Equal(key) {
		t.Error("another key after a restart")
	}
	for _, name := range []string{keyFile, successionFile} {
		if info, err := os.Stat(filepath.Join(o.Dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// TestASuccessionCutShort: a step that leads to a key that nobody has, and lines that are none, cost nothing.
func TestASuccessionCutShort(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), "keys"), Release: release(t)}
	a := open(t, o)
	first := a.HubKey()
	old, err := os.ReadFile(filepath.Join(o.Dir, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Succeed(o.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, keyFile), old, 0o600); err != nil { // the power went between the two files
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(o.Dir, successionFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("00 11\nnonsense of three words\n\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	again := open(t, o)
	if !again.HubKey().Equal(first) {
		t.Fatal("it is another key")
	}
	if _, _, err := Succeed(o.Dir); err != nil {
		t.Fatal(err)
	}
	again.lookAtKey()
	key, chain := again.Voice()
	if len(chain) != 2 || !wire.Trusted(key.Public().(ed25519.PublicKey), []ed25519.PublicKey{first.Public().(ed25519.PublicKey)}, chain) {
		t.Errorf("%d steps, which do not lead to the key", len(chain))
	}
}
