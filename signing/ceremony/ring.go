package ceremony

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/limpet-monitoring/limpet/signing"
)

// Ring is keys that are at hand, by id. It is a repo.Ring.
type Ring map[string]signing.Signer

// OpenRing opens key files, or every key of a folder, for a repository that fleets trust. None is unlocked before it signs.
func OpenRing(ask signing.Ask, places ...string) (Ring, error) {
	out := Ring{}
	for _, place := range places {
		more, err := OpenKeys(ask, place)
		if err != nil {
			return nil, err
		}
		for _, s := range more {
			if s.Development() {
				return nil, fmt.Errorf("%s holds a development key, and this is not a development repository", place)
			}
		}
		maps.Copy(out, more)
	}
	return out, nil
}

// OpenKeys opens one key file, or every key of a folder.
func OpenKeys(ask signing.Ask, place string) (Ring, error) {
	out := Ring{}
	files := []string{place}
	if info, err := os.Stat(place); err != nil || info.IsDir() {
		entries, err := os.ReadDir(place)
		if err != nil {
			return nil, fmt.Errorf("read key folder: %w", err)
		}
		files = nil
		for _, e := range entries {
			if end := filepath.Ext(e.Name()); end == signing.KeyEnd || end == signing.HookEnd {
				files = append(files, filepath.Join(place, e.Name()))
			}
		}
	}
	for _, file := range files {
		s, err := signing.Open(file, ask)
		if err != nil {
			return nil, err
		}
		out[signing.KeyID(s.Public())] = s
	}
	return out, nil
}

// Signers brings those of the keys that are here.
func (r Ring) Signers(_ string, ids []string) ([]signing.Signer, error) {
	var out []signing.Signer
	for _, id := range ids {
		if s := r[id]; s != nil {
			out = append(out, s)
		}
	}
	return out, nil
}
