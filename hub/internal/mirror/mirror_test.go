package mirror

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestServesFilesAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	release := filepath.Join(dir, "release")
	for name, text := range map[string]string{"release/metadata/root.json": "{}", "release/targets/core": "0123456789", "secret": "no"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "secret"), filepath.Join(release, "link")); err != nil {
		t.Fatal(err)
	}
	m, err := Open(release)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, c := range []struct {
		path, ranged string
		status       int
		body         string
	}{
		{"/release/metadata/root.json", "", 200, "{}"},
		{"/release/targets/core", "bytes=2-4", 206, "234"},
		{"/release/targets/core", "bytes=7-", 206, "789"},
		{"/release/", "", 404, ""}, {"/release/metadata", "", 404, ""}, {"/release/missing", "", 404, ""},
		{"/release/../secret", "", 404, ""}, {"/release/metadata/../../secret", "", 404, ""}, {"/release/link", "", 404, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "https://hub/", nil)
		r.URL.Path = c.path
		if c.ranged != "" {
			r.Header.Set("Range", c.ranged)
		}
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		if w.Code != c.status || c.body != "" && w.Body.String() != c.body {
			t.Errorf("%s %s: %d %q", c.path, c.ranged, w.Code, w.Body)
		}
	}
}

func TestOpenNamesWhatIsMissing(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing folder was opened")
	}
}
