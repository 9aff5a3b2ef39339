package platforms

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAtKeepsEverythingBelowTheRoot(t *testing.T) {
	dir := t.TempDir()
	l, err := At(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{
		l.BoxFile(), l.Key(), l.Finger(), l.Token(), l.Record(0), l.Record(1), l.TrustCore(), l.TrustSite(),
		l.TrustDocument(), l.Part(), l.Lock(), l.StubLock(), l.Checks(), l.Handover(), l.Request(),
		l.Rejected("ab"), l.History(), l.Addresses(), l.RunStub(), l.Socket(), l.Buffer(), l.Catalog(),
		l.Desired(), l.Imported(), l.Collector(), l.CoreFile(7, "ab"), l.Stub(), l.Fetch(), l.StubLog(), l.CoreLog(),
	} {
		if !strings.HasPrefix(p, dir+string(filepath.Separator)) {
			t.Errorf("%s leaves %s", p, dir)
		}
	}
	if err := l.MakeFolders(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 5 {
		t.Errorf("made %v %v", entries, err)
	}
	if got := l.RootArgs(); len(got) != 2 || got[1] != dir {
		t.Errorf("root arguments %q", got)
	}
}

func TestLocate(t *testing.T) {
	usual, err := Locate("")
	if err != nil || usual != Usual() || usual.RootArgs() != nil {
		t.Errorf("%+v %v", usual, err)
	}
	if _, err := At(""); err == nil {
		t.Error("an empty root was taken")
	}
	t.Chdir(t.TempDir())
	l, err := Locate("box")
	if err != nil || !filepath.IsAbs(l.Root) {
		t.Errorf("%+v %v", l, err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if held, err := Held(path); held || err != nil {
		t.Fatalf("no file: %v %v", held, err)
	}
	l, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Take(path); !errors.Is(err, ErrLocked) {
		t.Errorf("taken twice: %v", err)
	}
	if held, err := Held(path); !held || err != nil {
		t.Errorf("held: %v %v", held, err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if held, err := Held(path); held || err != nil {
		t.Errorf("released: %v %v", held, err)
	}
	again, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
	if _, err := Take(filepath.Join(path, "x")); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("below a file: %v", err)
	}
}

// What stands there and takes no writing: a folder, for it takes none from root either.
func TestLockOfWhatTakesNoWriting(t *testing.T) {
	path := t.TempDir()
	if _, err := Take(path); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("taken for writing: %v", err)
	}
	l, err := TakeStanding(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TakeStanding(path); !errors.Is(err, ErrLocked) {
		t.Errorf("taken twice: %v", err)
	}
	l.Release()
	if _, err := TakeStanding(filepath.Join(path, "no", "file")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("taken where nothing is: %v", err)
	}
}

func TestBoot(t *testing.T) {
	first, err := BootID()
	if err != nil || first == "" {
		t.Fatalf("%q %v", first, err)
	}
	if second, _ := BootID(); second != first {
		t.Errorf("%q then %q", first, second)
	}
	a := SinceBoot()
	if b := SinceBoot(); a <= 0 || b < a {
		t.Errorf("%v then %v", a, b)
	}
}
