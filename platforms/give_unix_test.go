//go:build unix

package platforms

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func owner(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}

func TestGiveAFolderOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "part")
	own, other, link := filepath.Join(dir, "meta", "file"), filepath.Join(t.TempDir(), "somebody's"), filepath.Join(dir, "link")
	for _, err := range []error{
		os.MkdirAll(filepath.Dir(own), 0o755), os.WriteFile(own, nil, 0o644), os.WriteFile(other, nil, 0o644), os.Symlink(other, link),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	before, to := owner(t, dir), User{UID: 4242, GID: 4242}
	want := before // who is not root can give nothing away
	if os.Geteuid() == 0 {
		want = to.UID
	}
	if err := Give(dir, to); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Dir(own), own, link} {
		if got := owner(t, path); got != want {
			t.Errorf("%s belongs to %d, not %d", path, got, want)
		}
	}
	if got := owner(t, other); got != before {
		t.Errorf("what a link names belongs to %d now", got)
	}

	// It is the other's now: what turns up in it, such as a link to a file of root's, is left alone.
	planted := filepath.Join(dir, "planted")
	if err := os.Link(other, planted); err != nil {
		t.Fatal(err)
	}
	if err := Give(dir, to); err != nil {
		t.Fatal(err)
	}
	if got := owner(t, other); got != before {
		t.Errorf("a file that was linked into the folder belongs to %d now", got)
	}
}
