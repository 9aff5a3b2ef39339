package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A dry run leaves every folder as it was: no key for a channel that is new, and no lock either.
func TestADryRunWritesNothing(t *testing.T) {
	r := tool{t, t.TempDir()}
	r.run(exitOK, "init", "--dir", "$repo", "--keys", "$keys", "--development")
	core := filepath.Join(r.dir, "core")
	if err := os.WriteFile(core, []byte("a core"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.run(exitOK, "publish", "--dir", "$repo", "--keys", "$keys", "--version", "1.0", "--core", "linux-amd64=$core", "--channel", "beta")
	if err := os.Remove(filepath.Join(r.dir, "repo", ".lock")); err != nil { // as in a copy of it
		t.Fatal(err)
	}
	before := treeOf(t, r.dir)
	for _, args := range []string{
		"publish --dir $repo --keys $keys --version 2.0 --core linux-amd64=$core --channel nightly",
		"publish --dir $repo --keys $keys --version 2.0 --core linux-arm64=$core --channel beta",
		"promote --dir $repo --keys $keys --version 1.0 --from beta --channel stable",
		"pause 1.0 --dir $repo --keys $keys --channel beta",
		"refresh --dir $repo --keys $keys",
		"key --out $ann.key --no-passphrase",
	} {
		said, _ := r.run(exitOK, append(strings.Fields(args), "--dry-run")...)
		if !strings.Contains(said, "dry run, nothing was") {
			t.Errorf("%s: %s", args, said)
		}
		if after := treeOf(t, r.dir); after != before {
			t.Errorf("%s: there was\n%sand is\n%s", args, before, after)
			before = after
		}
	}
}

// treeOf lists the files below a folder.
func treeOf(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out.WriteString(strings.TrimPrefix(path, dir) + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
