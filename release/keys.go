package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/limpet-monitoring/limpet/signing"
)

// topRoles are the roles with a key file of their own; the delegated roles of a
// channel share "channel-CHANNEL.key".
var topRoles = []string{"root", "targets", "snapshot", "timestamp"}

// keyDir is a folder of key files.
type keyDir string

// file is where a role's key lies.
func (d keyDir) file(role string) string {
	name := role
	if channel, _, delegated := strings.Cut(role, "-"); delegated {
		name = "channel-" + channel
	}
	return filepath.Join(string(d), name+".key")
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

// production brings keys for a repository that fleets trust.
func (d keyDir) production(role string) (signing.Key, error) {
	key, err := signing.Load(d.file(role))
	if err == nil && key.Development() {
		return signing.Key{}, fmt.Errorf("%s is a development key, and this is not a development repository", d.file(role))
	}
	return key, err
}
