// Package catalog is what the fleet's owner has signed for this box: the metadata of the site's repository, the lines that a box with `trust = signed`
// may run, and the plugin files that come from the hub, by content hash.
//
// It owns state/trust/site and state/catalog. Metadata is verified with signing/tuf from the root that the trust document names; it begins with nothing
// else. What was taken once is judged offline at every start: expiry stops updating, never running. A plugin's file is hashed by the very
// descriptor that is run: before its first run, at every later start, and whenever the file on disk is another than the one that was hashed.
//
// It decides nothing about what runs (core/internal/config does, by a View), and speaks to nobody: Options.Get brings files of the repository.
// A core that does not schedule reads and writes nothing here.
package catalog

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Limits.
const (
	MaxPlugin  = 64 << 20 // bytes of one plugin's file
	MaxAllowed = 1 << 20  // bytes of the list of lines: as much as a whole checks.yaml
	// Reserve is the room on disk that a download leaves free, in bytes: results and metadata have to be kept, too.
	Reserve = 16 << 20
)

// AllowedPath is the target that lists the lines a box with `trust = signed` may run. PluginDir is the folder of targets that are plugins: PluginDir +
// NAME for every platform, PluginDir + GOOS-GOARCH/NAME for one.
const (
	AllowedPath = "checks/allowed"
	PluginDir   = "plugin/"
)

// Piece is a part of a file of the site's repository.
type Piece struct {
	Data    []byte // empty at the file's end
	Size    int64  // of the whole file
	Missing bool   // there is no such file
}

// Options are what a catalog works with. All but Space (nil = platforms.Space) and Log are needed.
type Options struct {
	Disk     fsys.FS
	Trust    string        // folder of the metadata (platforms.Layout.TrustSite)
	Dir      string        // folder of the plugins' files (platforms.Layout.Catalog)
	Platform string        // GOOS-GOARCH
	Root     func() []byte // the site's root as the trust document has it; nil = no document yet
	// Get brings a part of a file of the repository. Its errors are those of the way: another try may do.
	Get     func(ctx context.Context, name string, offset int64) (Piece, error)
	Changed func()       // called, without locks, when the View is another
	Came    func(Plugin) // likewise, when a plugin came
	Space   func(dir string) (int64, error)
	Log     *slog.Logger
}

// Catalog is one box's. Its methods may be called by several goroutines.
type Catalog struct {
	o    Options
	view atomic.Pointer[View]
	wake chan struct{} // holds one: something is wanted, or may be there now

	meta sync.Mutex // guards the metadata on disk

	mu     sync.Mutex // guards what follows
	wanted []*file
	sound  map[string]stamp // path → the file as it was when its hash held
}

// New reads what is stored. What cannot be verified counts as not there; the log says so.
func New(o Options) *Catalog {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Space == nil {
		o.Space = platforms.Space
	}
	c := &Catalog{o: o, wake: make(chan struct{}, 1), sound: map[string]stamp{}}
	c.view.Store(&View{})
	c.Load()
	return c
}

// View is what was verified last; it is never nil.
func (c *Catalog) View() *View { return c.view.Load() }

// View is what the site has signed, as it was verified. It is immutable.
type View struct {
	Version uint64 // of the site's targets; 0 = nothing is known
	set     *tuf.Set
	lines   map[string]bool
	plugins map[string][]listed // by name
	online  string              // why no line counts as signed; "" = they count
}

// listed is one plugin as it is signed.
type listed struct {
	hash   string // hex
	length int64
	file   string // below the repository
	here   bool   // for this platform alone
}

// errNothing is what a box says that has nothing from the site.
var errNothing = errors.New("nothing that the site's owner signed has come to this box yet")

// errNobody is what a box says of a line that is not in the list.
var errNobody = errors.New("nobody signed for it; the owner does with limpet-hub site sign")

// Signed says why a line (check.Check.Line) may not run on a box with `trust = signed`; nil = it may.
func (v *View) Signed(line string) error {
	switch {
	case v.Version == 0:
		return errNothing
	case v.online != "":
		return errors.New(v.online)
	case !v.lines[line]:
		return errNobody
	}
	return nil
}

// Listed says why a plugin of the catalog may not run; nil = the site lists this very file under this name, for this platform.
func (v *View) Listed(name, hash string) error {
	if v.Version == 0 {
		return errNothing
	}
	if _, ok := v.find(name, hash); ok {
		return nil
	}
	if len(v.plugins[name]) > 0 {
		return errors.New("the catalog has another file of this name by now; the hub sends the revision that goes with it")
	}
	return errors.New("the catalog does not have it; limpet-hub plugin add puts it there")
}

func (v *View) find(name, hash string) (listed, bool) {
	for _, p := range v.plugins[name] {
		if p.hash == hash {
			return p, true
		}
	}
	return listed{}, false
}

// Find is the plugin of this name that this box runs: the one for its platform before the one for all.
func (v *View) Find(name string) (found Plugin, ok bool) {
	for _, p := range v.plugins[name] {
		if p.here || !ok {
			found, ok = Plugin{Hash: p.hash, Name: name}, true
		}
	}
	return found, ok
}

// Warnings lists what of the site's metadata expires soon or has expired.
func (v *View) Warnings(now time.Time) []tuf.Warning {
	if v.set == nil {
		return nil
	}
	return v.set.Warnings(now)
}

// viewOf reads a verified set. allowed is the list of lines, verified.
func viewOf(set *tuf.Set, allowed []byte, platform string) (*View, error) {
	v := &View{set: set, plugins: map[string][]listed{}}
	for _, e := range set.Expiries() {
		if e.Role == "targets" {
			v.Version = uint64(e.Version)
		}
	}
	for _, role := range []string{"root", "targets"} {
		if set.HeldOnline(role) {
			v.online = "the hub itself holds the key of the site's " + role + ", so nothing it sends counts as signed; limpet-hub site init takes it offline"
			break
		}
	}
	var err error
	if allowed != nil {
		if v.lines, err = check.ReadLines(allowed); err != nil {
			return nil, fmt.Errorf("read %s: %w", AllowedPath, err)
		}
	}
	targets, err := set.Under(PluginDir)
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		dir, name := path.Split(t.Path)
		if t.Role != "targets" || dir != PluginDir && dir != PluginDir+platform+"/" || t.Length > MaxPlugin || !validName(name) {
			continue
		}
		v.plugins[name] = append(v.plugins[name], listed{hex.EncodeToString(t.SHA256[:]), t.Length, t.File, dir != PluginDir})
	}
	return v, nil
}

// Kept is the View as it is asked of what ran before: a plugin that is on this disk goes on when the site lists another file under its
// name by now, until the revision with that one is taken.
func (c *Catalog) Kept() Kept { return Kept{c, c.View()} }

// Kept is a View together with what is on this disk.
type Kept struct {
	c *Catalog
	v *View
}

// Signed is that of the View.
func (k Kept) Signed(line string) error { return k.v.Signed(line) }

// Listed is that of the View, but for plugins that are here.
func (k Kept) Listed(name, hash string) error {
	err := k.v.Listed(name, hash)
	if err != nil && (k.v.Version == 0 || len(k.v.plugins[name]) > 0) && k.c.has(name, hash) {
		return nil
	}
	return err
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
