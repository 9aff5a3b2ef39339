// Package mirror has the release repository: it serves the plain files, to anyone, for what they are is proved by signatures and
// not by where they come from; it copies them from elsewhere, verified first; and it keeps the list of releases that are held. It
// lists no folders, leaves the given one by no path, and signs nothing.
package mirror

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
)

// Mirror is an http.Handler for /release/.
type Mirror struct{ root *os.Root }

// Open opens the folder. An error names what is missing.
func Open(dir string) (*Mirror, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Mirror{root}, nil
}

// Close ends it.
func (m *Mirror) Close() error { return m.root.Close() }

// ServeHTTP answers with a file, or a part of it where one is asked for. Metadata changes in place and is asked for anew each
// time; targets never change under their name.
func (m *Mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean("/"+strings.TrimPrefix(r.URL.Path, "/release")), "/")
	if strings.HasPrefix(name, ".") || strings.Contains(name, "/.") { // what is unfinished, and locks
		http.Error(w, "no such file in the release repository", http.StatusNotFound)
		return
	}
	f, err := m.root.Open(name)
	switch {
	case errors.Is(err, fs.ErrPermission):
		http.Error(w, "the hub may not read this file", http.StatusForbidden)
		return
	case err != nil:
		http.Error(w, "no such file in the release repository", http.StatusNotFound)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		http.Error(w, "no such file in the release repository", http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	kind := "application/octet-stream"
	if strings.HasSuffix(name, ".json") {
		kind = "application/json"
	}
	w.Header().Set("Content-Type", kind)
	http.ServeContent(w, r, "", info.ModTime(), f)
}
