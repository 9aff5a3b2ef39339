//go:build unix

package plugin

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	first, second, outside := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, filepath.Join(first, "check_a"), "#!/bin/sh\n", 0o755)
	write(t, filepath.Join(second, "check_a"), "#!/bin/sh\n", 0o755)
	write(t, filepath.Join(second, "check_b"), "#!/bin/sh\n", 0o755)
	write(t, filepath.Join(second, "utils.sh"), "x\n", 0o644)
	write(t, filepath.Join(outside, "tool"), "#!/bin/sh\n", 0o755)
	link(t, "check_b", filepath.Join(second, "check_c"))
	link(t, filepath.Join(outside, "tool"), filepath.Join(second, "check_tool"))
	link(t, "/nowhere", filepath.Join(second, "check_dangling"))
	if err := os.Mkdir(filepath.Join(second, "check_dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	dirs := []string{"/nowhere", "relative", first, second}

	for name, want := range map[string]string{"check_a": first, "check_b": second, "check_c": second, "check_tool": second} {
		if got, err := Find(dirs, name); err != nil || got != filepath.Join(want, name) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{
		"check_none": "not found in /nowhere", "utils.sh": "chmod +x", "check_dangling": "leads nowhere", "check_dir": "no regular file",
		"../x": "bare file name", "": "bare file name", "/bin/sh": "bare file name", ".": "bare file name",
	} {
		_, err := Find(dirs, name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
		if errors.Is(err, ErrNotFound) != (name == "check_none") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got, want := List(dirs), []string{"check_a", "check_b", "check_c", "check_tool"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

func TestRootTrustsOnlyWhatRootCanChange(t *testing.T) {
	for _, c := range []struct {
		mode     os.FileMode
		uid, gid uint32
		want     string
	}{
		{0o755, 0, 0, ""},
		{0o775, 0, 0, ""},
		{0o4755, 0, 50, ""},
		{0o755, 1000, 0, "belongs to user 1000"},
		{0o775, 0, 50, "group 50 may write"},
		{0o757, 0, 0, "everybody may write"},
	} {
		got := looseness("/p", c.mode, c.uid, c.gid)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%o %d:%d: %q, want %q", c.mode, c.uid, c.gid, got, c.want)
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "check_loose"), "#!/bin/sh\n", 0o777)
	_, err := Find([]string{dir}, "check_loose")
	if root := os.Geteuid() == 0; root != (err != nil) {
		t.Errorf("as root %v: %v", root, err)
	}
}
