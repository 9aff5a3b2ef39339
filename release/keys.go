package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/ceremony"
)

// topRoles are the roles with a key file of their own in a development repository;
// the delegated roles of a channel share "channel-CHANNEL.key".
var topRoles = []string{"root", "targets", "snapshot", "timestamp"}

// keyDir is a folder of key files. What they are called matters for development keys
// alone; others are known by their public half.
type keyDir string

// file is where a role's development key lies.
func (d keyDir) file(role string) string {
	name := role
	if channel, _, delegated := strings.Cut(role, "-"); delegated {
		name = "channel-" + channel
	}
	return filepath.Join(string(d), name+signing.KeyEnd)
}

// ensure brings a role's development key, made at its first use.
func (d keyDir) ensure(role string) (signing.Key, error) {
	key, err := signing.Load(d.file(role))
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return signing.Key{}, fmt.Errorf("make key folder: %w", err)
	}
	if key, err = signing.Generate(true); err != nil {
		return signing.Key{}, err
	}
	return key, key.Save(d.file(role))
}

// development brings keys for a development repository: those of channels are made
// when they are missing, the others have to be there.
func (d keyDir) development(role string) (signing.Key, error) {
	if strings.Contains(role, "-") {
		return d.ensure(role)
	}
	return signing.Load(d.file(role))
}

// production is the keys of the folder for a repository that fleets trust.
func (d keyDir) production(ask signing.Ask) (ceremony.Ring, error) {
	if d == "" {
		return ceremony.Ring{}, nil
	}
	return ceremony.OpenRing(ask, string(d))
}

// workbench is the keys of the folder for a development repository: those that the
// repository names, else the one that is called after the role.
type workbench struct {
	dir  keyDir
	have ceremony.Ring
	dry  bool // no key is written
}

func (d keyDir) workbench(dry bool) (workbench, error) {
	have, err := ceremony.OpenKeys(nil, string(d))
	if errors.Is(err, fs.ErrNotExist) {
		have, err = ceremony.Ring{}, nil
	}
	return workbench{d, have, dry}, err
}

// Make is the role's key, new where it is a channel's first.
func (w workbench) Make(role string) (signing.Key, error) {
	if _, err := os.Stat(w.dir.file(role)); w.dry && errors.Is(err, fs.ErrNotExist) {
		return signing.Generate(true)
	}
	return w.dir.development(role)
}

// Signers brings the keys that are here, at least the role's own.
func (w workbench) Signers(role string, ids []string) ([]signing.Signer, error) {
	var out []signing.Signer
	for _, id := range ids {
		if s := w.have[id]; s != nil && s.Development() {
			out = append(out, s)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	key, err := w.dir.development(role)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(ids, key.ID()) {
		return nil, fmt.Errorf("%s does not sign %s; are these the keys of this repository?", w.dir.file(role), role)
	}
	return []signing.Signer{key}, nil
}
