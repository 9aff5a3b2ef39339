// Package site is the fleet owner's repository as the hub keeps it on disk: its key for what is signed every day, the lock that makes one process its writer, what
// the repository lists (View), and the parts of its files that agents ask for.
//
// What a repository is, and who may sign what, is signing/repo's; when to sign anew is package authority's; ceremonies are the commands `limpet-hub site`.
// Whoever changes the repository holds the lock meanwhile, and opens it anew: another process may have written since.
package site

import (
	"cmp"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// Limits. Agents hold to the same ones.
const (
	MaxPlugin  = 64 << 20 // bytes of one plugin's file
	MaxAllowed = 1 << 20  // bytes of the list of lines
	maxName    = 128      // bytes of a plugin's name
)

// Waits for the lock: writers hold it for as long as a few synced writes take.
const (
	lockTries = 50
	lockPause = 100 * time.Millisecond
)

// ErrBusy is the cause when another process is writing to the repository.
var ErrBusy = errors.New("another limpet-hub or limpet-release is writing to the site's repository; try again when it is done")

// Place is the folder of the hub's keys, with the site's repository in it.
type Place string

// Dir is the repository. Key is the hub's key for it; NextKey is one that takes its place as soon as the root names it.
func (p Place) Dir() string     { return filepath.Join(string(p), "site") }
func (p Place) Key() string     { return filepath.Join(string(p), "site.key") }
func (p Place) NextKey() string { return filepath.Join(string(p), "site.next.key") }

// Lock makes the caller the repository's only writer. It waits a few seconds for another. ErrBusy.
func (p Place) Lock() (*platforms.Lock, error) {
	if err := os.MkdirAll(p.Dir(), 0o755); err != nil {
		return nil, fmt.Errorf("make the site's folder: %w", err)
	}
	for try := 1; ; try++ {
		l, err := platforms.Take(filepath.Join(p.Dir(), ".lock"))
		switch {
		case err == nil:
			return l, nil
		case !errors.Is(err, platforms.ErrLocked):
			return nil, err
		case try == lockTries:
			return nil, ErrBusy
		}
		time.Sleep(lockPause)
	}
}

// Exists reports whether there is a repository.
func (p Place) Exists() (bool, error) {
	_, err := repo.Open(fsys.Disk{}, p.Dir(), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// DailyKey is the hub's key, made when missing. The caller holds the lock.
func (p Place) DailyKey() (signing.Key, error) {
	if err := p.settle(); err != nil {
		return signing.Key{}, err
	}
	return ensure(p.Key())
}

// ensure reads a key, or makes it.
func ensure(name string) (signing.Key, error) {
	key, err := signing.Load(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = signing.Generate(false); err != nil {
		return signing.Key{}, err
	}
	return key, key.Save(name)
}

// Successor is the key that will take the place of the hub's, made when missing.
func (p Place) Successor() (signing.Key, error) { return ensure(p.NextKey()) }

// settle puts the successor in the place of the key before it once the root has it sign the timestamp. The old key is gone from then on: it may
// have been enough for everything once, and whoever finds it must not be able to begin there.
func (p Place) settle() error {
	next, err := signing.Load(p.NextKey())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r, err := repo.Open(fsys.Disk{}, p.Dir(), nil)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !r.Signs("timestamp", next.ID()) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Rename(p.NextKey(), p.Key()); err != nil {
		return fmt.Errorf("put the site's new key in its place: %w", err)
	}
	return fsys.Disk{}.SyncDir(string(p))
}

// Open opens the repository with the hub's key, or makes one whose every role that key signs. The caller holds the lock.
func (p Place) Open(now time.Time) (*repo.Repo, error) {
	key, err := p.DailyKey()
	if err != nil {
		return nil, err
	}
	return repo.InitSite(fsys.Disk{}, p.Dir(), key, now)
}

// Grant is one key alone.
func Grant(key ed25519.PublicKey) repo.Grant {
	return repo.Grant{Keys: []ed25519.PublicKey{key}, Threshold: 1}
}

// Plugin is one plugin of the catalog.
type Plugin struct {
	Name     string `json:"name"`
	Platform string `json:"platform"` // GOOS-GOARCH, "" = every one
	SHA256   string `json:"sha256"`
	Length   int64  `json:"length"`
}

// View is what the repository lists. It is immutable.
type View struct {
	Version uint64 // of the targets
	Offline bool   // people sign root and targets: the hub cannot
	Lines   map[string]bool
	Plugins []Plugin // by name, then platform
	Root    []byte   // the newest
}

// Find is the file of a plugin for a platform: its own, else the one for all.
func (v *View) Find(name, platform string) (Plugin, bool) {
	var found Plugin
	for _, p := range v.Plugins {
		if p.Name == name && (p.Platform == platform || p.Platform == "" && found.Name == "") {
			found = p
		}
	}
	return found, found.Name != ""
}

// Hashes are what a check of that plugin may name: the SHA-256 of each file of the catalog, and "" for one of the box's own where the
// catalog has none for every platform.
func (v *View) Hashes(name string) []string {
	out, everywhere := []string(nil), false
	for _, p := range v.Plugins {
		if p.Name == name {
			out, everywhere = append(out, p.SHA256), everywhere || p.Platform == ""
		}
	}
	if !everywhere {
		out = append(out, "")
	}
	return out
}

// Read is what is published now.
func (p Place) Read() (*View, error) {
	r, err := repo.Open(fsys.Disk{}, p.Dir(), nil)
	if err != nil {
		return nil, err
	}
	return ViewOf(r)
}

// ViewOf is what an opened repository lists, changes not committed yet included.
func ViewOf(r *repo.Repo) (*View, error) {
	v := &View{Root: r.Root(), Lines: map[string]bool{}}
	if set := r.Set(); set != nil { // nil before a first commit
		v.Offline = !set.HeldOnline("root") && !set.HeldOnline("targets")
		for _, e := range set.Expiries() {
			if e.Role == "targets" {
				v.Version = uint64(e.Version)
			}
		}
	}
	for _, target := range r.TargetNames() {
		if rest, ok := strings.CutPrefix(target, repo.PluginDir); ok {
			dir, name := path.Split(rest)
			sum, length, _ := r.TargetOf(target)
			v.Plugins = append(v.Plugins, Plugin{Name: name, Platform: strings.TrimSuffix(dir, "/"), SHA256: hex.EncodeToString(sum[:]), Length: length})
		}
	}
	slices.SortFunc(v.Plugins, func(a, b Plugin) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Platform, b.Platform))
	})
	data, err := r.TargetFile(repo.AllowedPath, MaxAllowed)
	if errors.Is(err, fs.ErrNotExist) && !slices.Contains(r.TargetNames(), repo.AllowedPath) {
		return v, nil
	}
	if err == nil {
		v.Lines, err = check.ReadLines(data)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", repo.AllowedPath, err)
	}
	return v, nil
}
