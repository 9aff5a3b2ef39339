package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestTheLastKnownGoodSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "desired")
	if d, err := OpenStore(path).Load(); d != nil || err != nil {
		t.Fatalf("before the first: %v, %v", d, err)
	}
	for revision := range uint64(3) {
		d := &wire.Desired{Revision: revision, Checks: []*wire.Check{web(nil)}, Disable: []string{"swap"}}
		if err := OpenStore(path).Save(d); err != nil {
			t.Fatal(err)
		}
		got, err := OpenStore(path).Load()
		if err != nil || !wire.Equal(got, d) {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
}

func TestADamagedFileIsSetAside(t *testing.T) {
	good, err := encode(&wire.Desired{Revision: 1, Checks: []*wire.Check{web(nil)}})
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) []byte {
		b := append([]byte(nil), good...)
		b[i] ^= 1
		return b
	}
	for name, b := range map[string][]byte{
		"empty": {}, "half": good[:len(good)/2], "header alone": good[:len(header)], "another version": flip(len(header) - 2),
		"one bit of the checksum": flip(len(header)), "one bit of the body": flip(len(good) - 1), "too long": make([]byte, maxFile+1),
	} {
		path := filepath.Join(t.TempDir(), "desired")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := OpenStore(path)
		if d, err := s.Load(); d != nil || err == nil || !strings.Contains(err.Error(), ".bad") {
			t.Errorf("%s: %v, %v", name, d, err)
		}
		if kept, err := os.ReadFile(path + ".bad"); err != nil || len(kept) != len(b) {
			t.Errorf("%s: not kept: %v", name, err)
		}
		if d, err := s.Load(); d != nil || err != nil {
			t.Errorf("%s: the second time %v, %v", name, d, err)
		}
	}
}

func TestAFileThatCannotBeReadNowIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "desired")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(path).Load(); err == nil {
		t.Error("a folder was read")
	}
	if _, err := os.Stat(path + ".bad"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("moved: %v", err)
	}
	if err := OpenStore(filepath.Join(path, "none", "desired")).Save(&wire.Desired{}); err == nil {
		t.Error("saved into a folder that is not there")
	}
}

// The format as it was first written, so that a later core still reads it.
func TestTheFormatStays(t *testing.T) {
	const golden = "limpet desired 1\n\xb7\xa8\x6e\x40\x08\x07\x12\x14\n\x03web\x1a\ncheck_http(\xe8\x07"
	d, err := decode([]byte(golden))
	if err != nil || d.Revision != 7 || len(d.Checks) != 1 || d.Checks[0].Plugin != "check_http" || d.Checks[0].EveryMs != 1000 {
		t.Errorf("got %v, %v", d, err)
	}
}

func FuzzDecode(f *testing.F) {
	b, _ := encode(&wire.Desired{Revision: 1})
	f.Add(b)
	f.Add([]byte(header))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := decode(b); err == nil {
			if _, err := encode(d); err != nil {
				t.Fatal(err)
			}
		}
	})
}
