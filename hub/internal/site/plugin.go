package site

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// ErrOffline is the cause when people have to sign what the hub is asked to change.
var ErrOffline = errors.New("people sign what the site lists, the hub cannot")

var platformName = regexp.MustCompile(`^[a-z0-9]{1,16}-[a-z0-9]{1,16}$`)

// Target is the target of a plugin; platform "" = for every one.
func Target(name, platform string) (string, error) {
	switch {
	case !check.ValidFile(name) || len(name) > maxName || strings.ContainsFunc(name, unicode.IsSpace):
		return "", fmt.Errorf("%q is no plugin's name: it is a bare file name of at most %d bytes, without blanks", name, maxName)
	case platform == "":
		return repo.PluginDir + name, nil
	case !platformName.MatchString(platform):
		return "", fmt.Errorf("platform %q: it is GOOS-GOARCH, such as linux-amd64", platform)
	}
	return repo.PluginDir + platform + "/" + name, nil
}

// Put lists a plugin's file in an opened repository, and reports whether that is a change.
func Put(r *repo.Repo, name, platform string, data []byte) (bool, error) {
	target, err := Target(name, platform)
	switch {
	case err != nil:
		return false, err
	case len(data) == 0:
		return false, errors.New("the file is empty")
	case len(data) > MaxPlugin:
		return false, fmt.Errorf("the file has more than %d MiB, and boxes take no larger one", MaxPlugin>>20)
	}
	return r.SetTarget(target, data)
}

// AddPlugin signs a plugin with the hub's own key. ErrOffline where that is not enough, ErrBusy.
func (p Place) AddPlugin(name, platform string, data []byte, now time.Time) (changed bool, err error) {
	err = p.change(now, func(r *repo.Repo) error {
		changed, err = Put(r, name, platform, data)
		return err
	})
	return changed, err
}

// RemovePlugin takes a plugin out of the catalog; platform "" = for every platform. fs.ErrNotExist where there is none; otherwise as AddPlugin.
func (p Place) RemovePlugin(name, platform string, now time.Time) error {
	return p.change(now, func(r *repo.Repo) error { return Drop(r, name, platform) })
}

// Drop takes a plugin out of an opened repository; otherwise as RemovePlugin.
func Drop(r *repo.Repo, name, platform string) error {
	found := false
	for _, target := range r.TargetNames() {
		rest, ours := strings.CutPrefix(target, repo.PluginDir)
		dir, base, deep := strings.Cut(rest, "/")
		if !deep {
			dir, base = "", rest
		}
		if ours && base == name && (platform == "" || platform == dir) {
			found = r.DropTarget(target) || found
		}
	}
	if !found {
		return fmt.Errorf("the catalog has no plugin %s: %w", name, fs.ErrNotExist)
	}
	return nil
}

// change makes a change that the hub's own key signs.
func (p Place) change(now time.Time, do func(*repo.Repo) error) error {
	lock, err := p.Lock()
	if err != nil {
		return err
	}
	defer lock.Release()
	r, err := p.Open(now)
	if err != nil {
		return err
	}
	if !r.AtHand("targets") {
		return ErrOffline
	}
	if err := do(r); err != nil {
		return err
	}
	_, err = r.Commit(now)
	return err
}
