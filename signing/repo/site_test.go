package repo_test

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

const head = "limpet allowed 1\n"

// words are what the keyholders of targets read of a request.
func words(t *testing.T, q *repo.Request) string {
	t.Helper()
	for _, s := range q.Sheets() {
		if s.Role == "targets" {
			return strings.Join(s.Words, "\n")
		}
	}
	t.Fatal("targets is not in the request")
	return ""
}

// Who signs for lines reads the lines: from the file whose hash is signed, against the one it replaces.
func TestKeyholdersReadEveryLine(t *testing.T) {
	disk := crashdisk.New()
	key, err := signing.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	site, err := repo.InitSite(disk, "/site", key, noon)
	if err != nil {
		t.Fatal(err)
	}
	set := func(r *repo.Repo, name, text string) {
		t.Helper()
		if _, err := r.SetTarget(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	set(site, repo.AllowedPath, head+"builtin a\nplugin b -x\n")
	set(site, "plugin/own", "#!/bin/sh\n")
	if _, err := site.Commit(noon); err != nil {
		t.Fatal(err)
	}
	ask := func(dir string, change func(*repo.Repo)) *repo.Request {
		t.Helper()
		r, err := repo.Open(disk, "/site", nil)
		if err != nil {
			t.Fatal(err)
		}
		change(r)
		if err := r.WriteRequest(disk, dir, "asked", noon); err != nil {
			t.Fatal(err)
		}
		q, err := repo.OpenRequest(disk, dir)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	got := words(t, ask("/r1", func(r *repo.Repo) { set(r, repo.AllowedPath, head+"builtin a\nplugin c 'd e'\n") }))
	for _, want := range []string{"+ may run: plugin c 'd e'", "- may not run any more: plugin b -x"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "builtin a") || strings.Contains(got, "plugin/own") {
		t.Errorf("what stays is told as a change:\n%s", got)
	}
	// Other keyholders vouch for all of it, so they read all of it.
	other, err := signing.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	got = words(t, ask("/r2", func(r *repo.Repo) {
		if _, err := r.Grant("targets", repo.Grant{Keys: []ed25519.PublicKey{other.Public()}, Threshold: 1}, nil); err != nil {
			t.Fatal(err)
		}
	}))
	for _, want := range []string{"+ may run: builtin a", "+ may run: plugin b -x", "= goes on listing plugin/own: 10 bytes"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	// Lines that are not what is signed are not shown as if they were.
	q := ask("/r3", func(r *repo.Repo) { set(r, repo.AllowedPath, head+"plugin evil\n") })
	names, err := disk.ReadDir("/r3/targets/checks")
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := fsys.WriteNew(disk, "/r3/targets/checks/"+names[0], []byte(head+"plugin harmless\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := words(t, q); !strings.Contains(got, "! the list of lines cannot be read") || strings.Contains(got, "harmless") {
		t.Errorf("other lines than the signed ones:\n%s", got)
	}
}
