package crashdisk_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

func write(t *testing.T, d fsys.FS, name, text string, sync bool) {
	t.Helper()
	f, err := d.Open(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if sync {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

// outcomes is every content of name, "-" for none, that a power cut now may leave.
func outcomes(prepare func(d *crashdisk.Disk), name string) map[string]bool {
	seen := map[string]bool{}
	crashdisk.Every(0, func(c crashdisk.Chooser) bool {
		d := crashdisk.New()
		prepare(d)
		if got, err := fsys.Read(d.Restart(c), name, 1000); err == nil {
			seen[string(got)] = true
		} else {
			seen["-"] = true
		}
		return true
	})
	return seen
}

func TestWhatAPowerCutMayLeave(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(d *crashdisk.Disk)
		want    []string
	}{
		{"nothing synced", func(d *crashdisk.Disk) { write(t, d, "/f", "abcd", false) },
			[]string{"-", "", "ab", "abcd", "\x00\x00\x00\x00"}},
		{"file synced, name not", func(d *crashdisk.Disk) { write(t, d, "/f", "abcd", true) },
			[]string{"-", "abcd"}},
		{"both synced", func(d *crashdisk.Disk) {
			write(t, d, "/f", "abcd", true)
			d.SyncDir("/")
		}, []string{"abcd"}},
		{"two appends in any combination", func(d *crashdisk.Disk) {
			write(t, d, "/f", "", true)
			d.SyncDir("/")
			write(t, d, "/f", "a", false)
			write(t, d, "/f", "b", false)
		}, []string{"", "a", "ab", "\x00", "\x00b", "a\x00", "\x00\x00"}},
		{"a removal not synced", func(d *crashdisk.Disk) {
			write(t, d, "/f", "x", true)
			d.SyncDir("/")
			d.Remove("/f")
		}, []string{"x", "-"}},
		{"a folder lost with what is in it", func(d *crashdisk.Disk) {
			d.MkdirAll("/d", 0o755)
			write(t, d, "/d/f", "x", true)
			d.SyncDir("/d")
			d.Rename("/d", "/")
		}, []string{"-"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := outcomes(tt.prepare, "/f")
			for _, w := range tt.want {
				if !got[w] {
					t.Errorf("never left %q", w)
				}
				delete(got, w)
			}
			for g := range got {
				t.Errorf("left %q", g)
			}
		})
	}
}

func TestRenameOverTwoFoldersIsOneStep(t *testing.T) {
	crashdisk.Every(0, func(c crashdisk.Chooser) bool {
		d := crashdisk.New()
		d.MkdirAll("/a", 0o755)
		d.MkdirAll("/b", 0o755)
		write(t, d, "/a/f", "x", true)
		for _, dir := range []string{"/a", "/b", "/"} {
			d.SyncDir(dir)
		}
		if err := d.Rename("/a/f", "/b/g"); err != nil {
			t.Fatal(err)
		}
		next := d.Restart(c)
		_, old := fsys.Read(next, "/a/f", 9)
		_, fresh := fsys.Read(next, "/b/g", 9)
		if (old == nil) == (fresh == nil) {
			t.Errorf("old: %v, fresh: %v", old, fresh)
		}
		return true
	})
}

func TestNothingWorksWithoutPower(t *testing.T) {
	d := crashdisk.New()
	write(t, d, "/f", "x", true)
	f, err := d.Open("/f", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.CutAt(1)
	_, werr := f.Write([]byte("y"))
	_, rerr := f.ReadAt(make([]byte, 1), 0)
	_, oerr := d.Open("/f", os.O_RDONLY, 0)
	_, lerr := d.ReadDir("/")
	for i, err := range []error{werr, rerr, oerr, lerr, f.Sync(), f.Truncate(0), d.Rename("/f", "/g"),
		d.Remove("/f"), d.MkdirAll("/d", 0), d.SyncDir("/")} {
		if !errors.Is(err, crashdisk.ErrPowerCut) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if got, err := fsys.Read(d.Restart(crashdisk.Kept{}), "/f", 9); err != nil || string(got) != "y" {
		t.Errorf("kept: %q %v", got, err)
	}
}

func TestLostAndKept(t *testing.T) {
	for _, tt := range []struct {
		c    crashdisk.Chooser
		want string
	}{{crashdisk.Kept{}, "ab"}, {crashdisk.Lost{}, "a"}} {
		d := crashdisk.New()
		write(t, d, "/f", "a", true)
		d.SyncDir("/")
		write(t, d, "/f", "b", false)
		if got, _ := fsys.Read(d.Restart(tt.c), "/f", 9); string(got) != tt.want {
			t.Errorf("%T: %q", tt.c, got)
		}
	}
}

// TestEachShowsEveryCut: what Each tells in one life is what CutAt leaves in as many lives.
func TestEachShowsEveryCut(t *testing.T) {
	live := func(d *crashdisk.Disk) {
		f, err := d.Open("/f", os.O_WRONLY|os.O_CREATE, 0o600)
		for _, step := range []func() error{
			func() error { return err },
			func() error { _, err := f.Write([]byte("abcd")); return err },
			func() error { return f.Sync() },
			func() error { return d.MkdirAll("/d", 0o755) },
			func() error { return d.SyncDir("/") },
			func() error { return f.Truncate(1) },
			func() error { return d.Rename("/f", "/d/g") },
			func() error { return d.SyncDir("/d") },
			func() error { return d.Remove("/d/g") },
		} {
			if step() != nil {
				return
			}
		}
	}
	content := func(d *crashdisk.Disk) string {
		text := ""
		for _, name := range []string{"/f", "/d", "/d/g"} {
			got, err := fsys.Read(d, name, 9)
			text += fmt.Sprintf("%s %q %v\n", name, got, err)
		}
		return text
	}
	want, got := map[string]int{}, map[string]int{}
	for at := 1; at <= 9; at++ {
		crashdisk.Every(0, func(c crashdisk.Chooser) bool {
			d := crashdisk.New()
			d.CutAt(at)
			live(d)
			if !d.Off() {
				t.Fatalf("there is no call %d", at)
			}
			want[fmt.Sprint(at, content(d.Restart(c)))]++
			return true
		})
	}
	d, at := crashdisk.New(), 0
	d.Each(func(cut func(crashdisk.Chooser) *crashdisk.Disk) {
		at++
		crashdisk.Every(0, func(c crashdisk.Chooser) bool {
			got[fmt.Sprint(at, content(cut(c)))]++
			return true
		})
	})
	live(d)
	if at != 9 || d.Off() || !maps.Equal(want, got) {
		t.Errorf("after %d calls\nwant %v\ngot %v", at, want, got)
	}
}

func TestFresh(t *testing.T) {
	fresh := ""
	n := crashdisk.Every(0, func(c crashdisk.Chooser) bool {
		for range 2 {
			if crashdisk.Fresh(c) {
				fresh += "f"
			} else {
				fresh += "-"
			}
			c.Choose(2)
		}
		fresh += " "
		return true
	})
	// What comes after the first answer is old only where that answer is still the one from the run before.
	if n != 4 || fresh != "ff -- -f -- " {
		t.Errorf("%d runs: %q", n, fresh)
	}
	if !crashdisk.Fresh(crashdisk.Kept{}) {
		t.Error("where nothing is repeated, everything is fresh")
	}
}
