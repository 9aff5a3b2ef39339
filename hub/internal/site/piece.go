package site

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// metadataName is what of the repository's folder is metadata that agents ask for.
var metadataName = regexp.MustCompile(`^(timestamp|[1-9][0-9]{0,18}\.[a-z0-9-]{1,64})\.json$`)

// Piece answers for a part of a file. It reads nothing but the repository's metadata and targets.
func (p Place) Piece(name string, offset int64) *wire.SitePiece {
	piece, err := p.piece(name, offset)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &wire.SitePiece{Missing: true}
	case err != nil:
		return &wire.SitePiece{Error: "the hub's log says why"} // not the path, nor the system's words
	}
	return piece
}

func (p Place) piece(name string, offset int64) (*wire.SitePiece, error) {
	target := strings.HasPrefix(name, "targets/") && path.Clean(name) == name && !strings.ContainsAny(name, `\:`)
	if len(name) > wire.MaxSiteName || offset < 0 || !target && !metadataName.MatchString(name) {
		return nil, fs.ErrNotExist
	}
	root, err := os.OpenRoot(p.Dir())
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fs.ErrNotExist, err)
	}
	data := make([]byte, max(0, min(wire.MaxSitePiece, info.Size()-offset)))
	n, err := f.ReadAt(data, offset)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return &wire.SitePiece{Size: info.Size(), Data: data[:n]}, nil
}
