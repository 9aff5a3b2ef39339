package authority

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// ErrNoRelease is the cause when there is no release repository, and so nothing that an agent could be told to trust.
var ErrNoRelease = errors.New("there is no release repository")

// Document is the SHA-256 of the current trust document, for new tokens; the document is served from then on. ErrNoRelease.
func (a *Authority) Document() ([32]byte, error) {
	release, err := a.release()
	if err != nil {
		return [32]byte{}, fmt.Errorf("make trust document: %w", err)
	}
	d := trust.Document{
		HubKey: a.HubKey().Public().(ed25519.PublicKey), CA: string(a.CA()), CoreRoot: release.Root(), SiteRoot: a.Site().Root,
	}
	data, err := d.Marshal()
	if err != nil {
		return [32]byte{}, fmt.Errorf("make trust document: %w", err)
	}
	hash := trust.Hash(data)
	name := a.documentName(hex.EncodeToString(hash[:]))
	if _, err := os.Stat(name); err == nil {
		return hash, nil
	}
	return hash, replaceFile(name, data)
}

// Served is the trust document with this hex SHA-256, current or earlier; false when there never was one.
func (a *Authority) Served(hash string) ([]byte, bool) {
	raw, err := hex.DecodeString(hash)
	if err != nil || len(raw) != 32 {
		return nil, false
	}
	data, err := os.ReadFile(a.documentName(hex.EncodeToString(raw)))
	if err != nil || trust.Hash(data) != [32]byte(raw) {
		return nil, false
	}
	return data, true
}

// Development says that the release repository's root is a development root; false when there is none.
func (a *Authority) Development() bool {
	release, err := a.release()
	return err == nil && release.Set().Development()
}

// release reads the release repository as it is now: its root may have been rotated since the last time.
func (a *Authority) release() (*repo.Repo, error) {
	release, err := repo.Open(fsys.Disk{}, a.o.Release, nil)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w in %q: agents need its root to verify what they run; make one with limpet-release, "+
			"and start the hub with --release DIR", ErrNoRelease, a.o.Release)
	}
	return release, err
}

func (a *Authority) documentName(hash string) string {
	return filepath.Join(a.o.Dir, "documents", hash+".json")
}
