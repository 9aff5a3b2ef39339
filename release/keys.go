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

// signers opens every key in the folder, by id. None is unlocked before it signs.
func (d keyDir) signers(ask signing.Ask) (map[string]signing.Signer, error) {
	out := map[string]signing.Signer{}
	if d == "" {
		return out, nil
	}
	if info, err := os.Stat(string(d)); err == nil && info.Mode().IsRegular() { // one key alone
		s, err := signing.Open(string(d), ask)
		if err != nil {
			return nil, err
		}
		out[signing.KeyID(s.Public())] = s
		return out, nil
	}
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, fmt.Errorf("read key folder: %w", err)
	}
	for _, e := range entries {
		if end := filepath.Ext(e.Name()); end != signing.KeyEnd && end != signing.HookEnd {
			continue
		}
		s, err := signing.Open(filepath.Join(string(d), e.Name()), ask)
		if err != nil {
			return nil, err
		}
		out[signing.KeyID(s.Public())] = s
	}
	return out, nil
}

// production is the keys of the folder for a repository that fleets trust.
type production struct{ have map[string]signing.Signer }

func (d keyDir) production(ask signing.Ask) (production, error) {
	have, err := d.signers(ask)
	if err != nil {
		return production{}, err
	}
	for _, s := range have {
		if s.Development() {
			return production{}, fmt.Errorf("%s holds a development key, and this is not a development repository", d)
		}
	}
	return production{have}, nil
}

// Signers brings those of the keys that are here.
func (p production) Signers(_ string, ids []string) ([]signing.Signer, error) {
	var out []signing.Signer
	for _, id := range ids {
		if s := p.have[id]; s != nil {
			out = append(out, s)
		}
	}
	return out, nil
}

// workbench is the keys of the folder for a development repository: those that the
// repository names, else the one that is called after the role.
type workbench struct {
	dir  keyDir
	have map[string]signing.Signer
}

func (d keyDir) workbench() (workbench, error) {
	have, err := d.signers(nil)
	if errors.Is(err, fs.ErrNotExist) {
		have, err = map[string]signing.Signer{}, nil
	}
	return workbench{d, have}, err
}

// Make is the role's key, new where it is a channel's first.
func (w workbench) Make(role string) (signing.Key, error) { return w.dir.development(role) }

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
