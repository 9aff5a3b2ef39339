package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

func release(counter uint64, size int) (Entry, []byte) {
	content := bytes.Repeat([]byte{byte(counter)}, size)
	return Entry{counter, sha256.Sum256(content)}, content
}

func place(t *testing.T, s Store, counter uint64, size int) Entry {
	t.Helper()
	e, content := release(counter, size)
	if err := s.Place(e, int64(size), bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestPlaceAndOpen(t *testing.T) {
	ver := filepath.Join(t.TempDir(), "ver")
	s := New(fsys.Disk{}, ver)
	if list, err := s.List(); err != nil || list != nil {
		t.Fatalf("before it exists: %v %v", list, err)
	}
	e := place(t, s, 7, 100_000)
	place(t, s, 7, 100_000) // again: nothing changes
	info, err := os.Stat(s.Path(e))
	if err != nil || runtime.GOOS != "windows" && info.Mode() != 0o555 {
		t.Fatal(info, err)
	}
	// A core may run as another user than the one who placed it.
	if folder, err := os.Stat(filepath.Dir(s.Path(e))); err != nil || runtime.GOOS != "windows" && folder.Mode().Perm() != 0o755&^umask(t) {
		t.Errorf("its folder: %v, %v", folder.Mode(), err)
	}
	if want := fmt.Sprintf("7-%x", e.Hash); filepath.Base(filepath.Dir(s.Path(e))) != want {
		t.Errorf("placed at %s", s.Path(e))
	}
	f, err := Open(s.Path(e), e.Hash, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, _ := io.ReadAll(f)
	if sha256.Sum256(got) != e.Hash {
		t.Error("the open core is not at its beginning")
	}
	entries, _ := os.ReadDir(filepath.Dir(s.Path(e)))
	if len(entries) != 1 {
		t.Errorf("left over: %v", entries)
	}
}

func TestOpenRefuses(t *testing.T) {
	s := New(fsys.Disk{}, t.TempDir())
	tests := map[string]func(path string, content []byte) error{
		"one bit": func(path string, content []byte) error {
			content[50_000] ^= 1
			return os.WriteFile(path, content, 0o755)
		},
		"one byte less": func(path string, content []byte) error { return os.WriteFile(path, content[1:], 0o755) },
		"one byte more": func(path string, content []byte) error { return os.WriteFile(path, append(content, 0), 0o755) },
		"a link to it": func(path string, content []byte) error {
			if err := os.WriteFile(path+".real", content, 0o755); err != nil {
				return err
			}
			return os.Symlink(path+".real", path)
		},
		"a folder": func(path string, _ []byte) error { return os.Mkdir(path, 0o755) },
		"nothing":  func(string, []byte) error { return nil },
	}
	for name, tamper := range tests {
		e, content := release(9, 100_000)
		if err := s.Place(e, 100_000, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		path := s.Path(e)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := tamper(path, content); err != nil {
			t.Fatal(err)
		}
		if f, err := Open(path, e.Hash, 100_000); err == nil {
			f.Close()
			t.Errorf("%s: opened", name)
		}
		if err := os.RemoveAll(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPlaceRefusesAndLeavesNothing(t *testing.T) {
	e, content := release(5, 1000)
	endless := strings.NewReader(strings.Repeat("x", 1<<20))
	for name, from := range map[string]io.Reader{
		"other bytes": bytes.NewReader(make([]byte, 1000)),
		"too short":   bytes.NewReader(content[:999]),
		"too long":    io.MultiReader(bytes.NewReader(content), bytes.NewReader([]byte{5})),
		"endless":     endless,
	} {
		s := New(fsys.Disk{}, t.TempDir())
		if err := s.Place(e, 1000, from); !errors.Is(err, ErrUnsound) {
			t.Errorf("%s: %v", name, err)
		}
		if list, err := s.List(); err != nil || len(list) != 0 {
			t.Errorf("%s left %v %v", name, list, err)
		}
	}
	if read := 1<<20 - endless.Len(); read != 1001 {
		t.Errorf("%d bytes were read of what should have 1000", read)
	}
}

func TestPlaceRepairs(t *testing.T) {
	s := New(fsys.Disk{}, t.TempDir())
	e := place(t, s, 4, 1000)
	for _, name := range []string{"new", filepath.Base(s.Path(e))} {
		path := filepath.Join(filepath.Dir(s.Path(e)), name)
		os.Remove(path)
		if err := os.WriteFile(path, []byte("half a co"), 0o600); err != nil {
			t.Fatal(err)
		}
		place(t, s, 4, 1000)
		f, err := Open(s.Path(e), e.Hash, 1000)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f.Close()
	}
}

func TestNoSpace(t *testing.T) {
	full := errors.New("no space left on device")
	for at := 1; at <= 8; at++ {
		d := crashdisk.New()
		if err := d.MkdirAll("/ver", 0o755); err != nil {
			t.Fatal(err)
		}
		s := New(d, "/ver")
		e, content := release(5, 1000)
		d.FailAt(at, full)
		if err := s.Place(e, 1000, bytes.NewReader(content)); !errors.Is(err, full) {
			t.Fatalf("call %d: %v", at, err)
		}
		if err := s.Place(e, 1000, bytes.NewReader(content)); err != nil {
			t.Fatalf("call %d, again: %v", at, err)
		}
	}
}

func TestListAndCollect(t *testing.T) {
	ver := t.TempDir()
	s := New(fsys.Disk{}, ver)
	a, b, c := place(t, s, 9, 10), place(t, s, 10, 10), place(t, s, 100, 10)
	hash := strings.Repeat("a", 64)
	for _, foreign := range []string{"lost+found", "7", "7-", "-" + hash, "07-" + hash, "7-" + strings.ToUpper(hash), "7-" + hash + "x",
		"18446744073709551616-" + hash, "-1-" + hash, "0-" + hash[1:], "0-" + hash[1:] + "g"} {
		if err := os.Mkdir(filepath.Join(ver, foreign), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.List(); err != nil || !reflect.DeepEqual(list, []Entry{c, b, a}) {
		t.Errorf("%v %v", list, err)
	}
	if err := s.Collect(func(e Entry) bool { return e == b }); err != nil {
		t.Fatal(err)
	}
	if list, _ := s.List(); !reflect.DeepEqual(list, []Entry{b}) {
		t.Errorf("%v", list)
	}
	if entries, _ := os.ReadDir(ver); len(entries) != 12 {
		t.Errorf("foreign folders were touched: %v", entries)
	}
}

// TestPowerCuts places a core, cuts the power at every call and then once more in the next life.
// Once Place has returned nil the core is there whatever happens; before, the next Place makes it so.
func TestPowerCuts(t *testing.T) {
	e, content := release(5, 600)
	sound := func(d *crashdisk.Disk, s Store) bool {
		got, err := fsys.Read(d, s.Path(e), 10_000)
		return err == nil && bytes.Equal(got, content)
	}
	cuts, survived := 0, 0
	for at, second := 1, 1; at <= 12; at, second = at+second/9, second%9+1 {
		cuts += crashdisk.Every(0, func(c crashdisk.Chooser) bool {
			d := crashdisk.New()
			if err := d.MkdirAll("/box", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := d.SyncDir("/"); err != nil {
				t.Fatal(err)
			}
			d.CutAt(at)
			err := New(d, "/box/ver").Place(e, 600, bytes.NewReader(content))
			next := d.Restart(c)
			s := New(next, "/box/ver")
			if err == nil {
				survived++
				if !sound(next, s) {
					t.Fatalf("cut %d: a placed core is gone or broken", at)
				}
				return true
			}
			next.CutAt(second)
			err = s.Place(e, 600, bytes.NewReader(content))
			last := next.Restart(c)
			if err == nil && !sound(last, New(last, "/box/ver")) {
				t.Fatalf("cut %d: a core placed in the second life is gone or broken", at)
			}
			if err := New(last, "/box/ver").Place(e, 600, bytes.NewReader(content)); err != nil {
				t.Fatalf("cut %d, third life: %v", at, err)
			}
			return true
		})
	}
	if cuts < 100 || survived == 0 {
		t.Errorf("%d ways to lose power, %d after Place returned", cuts, survived)
	}
}
