package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMirrorOverTheWeb copies a repository from an address: verified, only what is new, and never back.
func TestMirrorOverTheWeb(t *testing.T) {
	r := tool{t, t.TempDir()}
	repo, to := filepath.Join(r.dir, "repo"), filepath.Join(r.dir, "copy")
	publish := func(version string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(r.dir, "core"), []byte(strings.Repeat("core "+version, 1000)), 0o755); err != nil {
			t.Fatal(err)
		}
		r.run(0, "publish", "--dir", "$repo", "--keys", "$keys", "--version", version, "--core", "linux-amd64=$core")
	}
	r.run(0, "init", "--dir", "$repo", "--keys", "$keys", "--development")
	publish("1.0.0")
	shown, lies, asked := repo, "", map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		asked[q.URL.Path]++
		if lies != "" && strings.Contains(q.URL.Path, lies) {
			_, _ = w.Write([]byte("something else"))
			return
		}
		http.FileServer(http.Dir(shown)).ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)

	_, out := r.run(2, "mirror", "--dir", server.URL, "--to", to)
	if !strings.Contains(out, "say with --root") {
		t.Errorf("over http without a root: %s", out)
	}
	lies = "/targets/packed/"
	if _, out := r.run(1, "mirror", "--dir", server.URL, "--to", to, "--root", "$repo/1.root.json"); !strings.Contains(out, "hash is not what was signed") {
		t.Errorf("another packed file: %s", out)
	}
	if _, err := os.Stat(filepath.Join(to, "timestamp.json")); err == nil {
		t.Error("what is not whole is shown")
	}
	lies = ""
	r.run(0, "mirror", "--dir", server.URL, "--to", to, "--root", "$repo/1.root.json")
	r.run(0, "verify", "--dir", to)
	old := filepath.Join(r.dir, "old")
	if err := os.CopyFS(old, os.DirFS(repo)); err != nil {
		t.Fatal(err)
	}

	publish("1.1.0")
	clear(asked)
	out, _ = r.run(0, "mirror", "--dir", server.URL+"/", "--to", to)
	if !strings.Contains(out, "copied 5 of 9 files") {
		t.Errorf("a second release: %s", out)
	}
	for path := range asked {
		if strings.Contains(path, "/1.0.0/") || path == "/1.root.json" {
			t.Errorf("%s was fetched again", path)
		}
	}
	r.run(0, "verify", "--dir", to)
	if out, _ := r.run(0, "mirror", "--dir", server.URL, "--to", to); !strings.Contains(out, "has it all") {
		t.Errorf("again: %s", out)
	}
	shown = old
	if _, out := r.run(1, "mirror", "--dir", server.URL, "--to", to); !strings.Contains(out, "rollback") || !strings.Contains(out, server.URL) {
		t.Errorf("an older state: %s", out)
	}
	shown = repo
	lies = "/timestamp.json"
	if _, out := r.run(1, "mirror", "--dir", server.URL, "--to", to); !strings.Contains(out, "timestamp.json") {
		t.Errorf("no timestamp: %s", out)
	}
	r.run(0, "verify", "--dir", to)
}
