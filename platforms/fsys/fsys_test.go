package fsys_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// eachDisk runs the same contract on the system's disk and on the one that loses power.
func eachDisk(t *testing.T, run func(t *testing.T, d fsys.FS, dir string)) {
	t.Run("system", func(t *testing.T) { run(t, fsys.Disk{}, t.TempDir()) })
	t.Run("crashdisk", func(t *testing.T) {
		d := crashdisk.New()
		if err := d.MkdirAll("/a/b", 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, d, "/a/b")
	})
}

func TestFiles(t *testing.T) {
	eachDisk(t, func(t *testing.T, d fsys.FS, dir string) {
		name := filepath.Join(dir, "f")
		if _, err := d.Open(name, os.O_RDONLY, 0); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("open a missing file: %v", err)
		}
		f, err := d.Open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"hello ", "world"} {
			if n, err := f.Write([]byte(s)); n != len(s) || err != nil {
				t.Fatal(n, err)
			}
		}
		if _, err := f.WriteAt([]byte("W"), 6); err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(10); err != nil {
			t.Fatal(err)
		}
		if n, err := f.Size(); n != 10 || err != nil {
			t.Fatal(n, err)
		}
		b := make([]byte, 4)
		if n, err := f.ReadAt(b, 8); n != 2 || err != io.EOF || string(b[:n]) != "rl" {
			t.Fatalf("%d %v %q", n, err, b)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("make it twice: %v", err)
		}
		a, err := d.Open(name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write([]byte("!")); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := fsys.Read(d, name, 11)
		if err != nil || string(got) != "hello Worl!" {
			t.Fatalf("%q %v", got, err)
		}
		if _, err := fsys.Read(d, name, 10); !errors.Is(err, fsys.ErrTooLarge) {
			t.Fatalf("read past the limit: %v", err)
		}
	})
}

func TestNames(t *testing.T) {
	eachDisk(t, func(t *testing.T, d fsys.FS, dir string) {
		sub := filepath.Join(dir, "x", "y")
		if err := errors.Join(d.MkdirAll(sub, 0o755), d.MkdirAll(sub, 0o755)); err != nil {
			t.Fatal(err)
		}
		for _, n := range []string{"b", "a", "c"} {
			if err := fsys.WriteNew(d, filepath.Join(sub, n), []byte(n), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Rename(filepath.Join(sub, "a"), filepath.Join(sub, "b")); err != nil {
			t.Fatal(err)
		}
		names, err := d.ReadDir(sub)
		if err != nil || !slices.Equal(names, []string{"b", "c"}) {
			t.Fatal(names, err)
		}
		if got, err := fsys.Read(d, filepath.Join(sub, "b"), 9); err != nil || string(got) != "a" {
			t.Fatalf("%q %v", got, err)
		}
		if err := d.Remove(sub); err == nil {
			t.Fatal("removed a folder that is not empty")
		}
		if err := errors.Join(d.Remove(filepath.Join(sub, "b")), d.Remove(filepath.Join(sub, "c")),
			d.Remove(sub), d.SyncDir(filepath.Dir(sub))); err != nil {
			t.Fatal(err)
		}
		if err := d.Remove(sub); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("remove it twice: %v", err)
		}
	})
}

func TestWriteInPlaceNeedsTheFile(t *testing.T) {
	eachDisk(t, func(t *testing.T, d fsys.FS, dir string) {
		name := filepath.Join(dir, "rec")
		if err := fsys.WriteInPlace(d, name, []byte("x")); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%v", err)
		}
		if err := fsys.WriteNew(d, name, bytes.Repeat([]byte{0}, 8), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := fsys.WriteInPlace(d, name, []byte("abcd")); err != nil {
			t.Fatal(err)
		}
		if got, _ := fsys.Read(d, name, 8); string(got) != "abcd\x00\x00\x00\x00" {
			t.Fatalf("%q", got)
		}
	})
}

// powerCuts runs write on a disk that holds "old", cuts the power at each of its calls, and gives
// check every content that the next life may find.
func powerCuts(t *testing.T, write func(fsys.FS) error, check func(content string)) (cuts int) {
	t.Helper()
	for at := 1; ; at++ {
		done := false
		n := crashdisk.Every(0, func(c crashdisk.Chooser) bool {
			d := crashdisk.New()
			if err := fsys.WriteNew(d, "/f", []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			d.CutAt(at)
			err := write(d)
			done = err == nil
			got, err := fsys.Read(d.Restart(c), "/f", 100)
			if err != nil {
				check("missing: " + err.Error())
			} else {
				check(string(got))
			}
			return !t.Failed()
		})
		cuts += n
		if done || t.Failed() {
			return cuts
		}
	}
}

func TestWriteNewSurvivesEveryPowerCut(t *testing.T) {
	seen := map[string]int{}
	cuts := powerCuts(t, func(d fsys.FS) error {
		return fsys.WriteNew(d, "/f", []byte("fresh"), 0o600)
	}, func(content string) {
		seen[content]++
		if content != "old" && content != "fresh" {
			t.Errorf("after a power cut: %q", content)
		}
	})
	if seen["old"] == 0 || seen["fresh"] == 0 || cuts < 20 {
		t.Errorf("%d power cuts saw %v", cuts, seen)
	}
}

// The model must find what is wrong with code that does not sync, or the test above proves nothing.
func TestRenameWithoutSyncIsFoundOut(t *testing.T) {
	bad := 0
	powerCuts(t, func(d fsys.FS) error {
		f, err := d.Open("/f.new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		if _, err := f.Write([]byte("fresh")); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		return d.Rename("/f.new", "/f")
	}, func(content string) {
		if content != "old" && content != "fresh" {
			bad++
		}
	})
	if bad == 0 {
		t.Error("no power cut harmed a rename without a sync")
	}
}

func TestWriteNewKeepsTheOldWhenACallFails(t *testing.T) {
	for at := 1; at <= 4; at++ {
		d := crashdisk.New()
		if err := fsys.WriteNew(d, "/f", []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		full := errors.New("no space")
		d.FailAt(at, full)
		if err := fsys.WriteNew(d, "/f", []byte("fresh"), 0o600); !errors.Is(err, full) {
			t.Fatalf("call %d: %v", at, err)
		}
		if got, err := fsys.Read(d, "/f", 9); err != nil || string(got) != "old" {
			t.Errorf("call %d failed: %q %v", at, got, err)
		}
		if names, _ := d.ReadDir("/"); len(names) != 1 {
			t.Errorf("call %d left %v", at, names)
		}
	}
}

func TestOpenRegularRefuses(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "file")
	if err := os.WriteFile(target, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{link, dir, filepath.Join(dir, "none")} {
		if f, err := fsys.OpenRegular(name); err == nil {
			f.Close()
			t.Errorf("opened %s", name)
		}
	}
	f, err := fsys.OpenRegular(target)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
