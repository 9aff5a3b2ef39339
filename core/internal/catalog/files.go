package catalog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// A plugin of the catalog lies as HASH.NAME in one flat folder, made once and never written again; what of it has come so far is part-HASH.NAME.
const (
	partStart = "part-"
	fileMode  = 0o755
	maxName   = 128 // bytes, so that the whole file name stays below 255
)

func validName(name string) bool { return check.ValidFile(name) && len(name) <= maxName }

// file is one plugin that a revision names.
type file struct {
	Plugin
	have, size int64  // bytes, while it comes
	err        error  // why it is not here, nil = it is on its way
	fails      uint   // in a row
	due        moment // not before
}

// Plugin names a plugin of the catalog: its SHA-256 in hex, and what it is called.
type Plugin struct{ Hash, Name string }

func (p Plugin) base() string                 { return p.Hash + "." + p.Name }
func (c *Catalog) path(p Plugin) string       { return filepath.Join(c.o.Dir, p.base()) }
func (c *Catalog) part(p Plugin) string       { return filepath.Join(c.o.Dir, partStart+p.base()) }
func (c *Catalog) has(name, hash string) bool { return c.there(Plugin{hash, name}) }

// there says whether the file lies here; whether it is sound is seen when it is run.
func (c *Catalog) there(p Plugin) bool {
	f, err := c.o.Disk.Open(c.path(p), os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// Want says which plugins revisions name, the running one and those that may come back. What is not among them is removed;
// what is missing comes by itself, as long as Run runs.
func (c *Catalog) Want(all []Plugin) {
	c.mu.Lock()
	before := c.wanted
	c.wanted = nil
	for _, p := range all {
		f := &file{Plugin: p}
		for _, old := range before {
			if old.Plugin == p {
				f = old
			}
		}
		c.wanted = append(c.wanted, f)
	}
	c.mu.Unlock()
	c.collect(all)
	poke(c.wake)
}

// collect removes what nobody names. What cannot be removed is removed another time; a run that has it open is not disturbed.
func (c *Catalog) collect(keep []Plugin) {
	wanted := map[string]bool{}
	for _, p := range keep {
		wanted[p.base()] = true
	}
	entries, err := c.o.Disk.ReadDir(c.o.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.o.Log.Warn("catalog not looked through", "err", err)
	}
	for _, name := range entries {
		if wanted[strings.TrimPrefix(name, partStart)] {
			continue
		}
		if err := c.o.Disk.Remove(filepath.Join(c.o.Dir, name)); err != nil {
			c.o.Log.Warn("plugin that no revision names not removed", "file", name, "err", err)
			continue
		}
		c.o.Log.Info("removed a plugin that no revision names", "file", name)
		c.forget(filepath.Join(c.o.Dir, name))
	}
}

// Program opens a plugin to be run by its descriptor, and has hashed it by that very descriptor: unless it is the file, unchanged, that was
// hashed before. What is not here yet, or is not what it should be, is an error for people; the latter is removed and comes again.
func (c *Catalog) Program(name, hash string) (*os.File, error) {
	p := Plugin{hash, name}
	f, err := os.Open(c.path(p))
	if errors.Is(err, fs.ErrNotExist) {
		poke(c.wake) // it may have been here
		return nil, c.missing(p)
	}
	if err != nil {
		return nil, fmt.Errorf("plugin %s of the catalog: %w", name, err)
	}
	if err := c.verify(f, p); err != nil {
		f.Close()
		if errors.Is(err, errChanged) {
			err = c.removeChanged(p)
		}
		return nil, err
	}
	return f, nil
}

// errChanged: a file is not what it was when it came.
var errChanged = errors.New("changed on this disk")

// removeChanged removes such a file, which nobody here has open, and says so.
func (c *Catalog) removeChanged(p Plugin) error {
	c.forget(c.path(p))
	if err := os.Remove(c.path(p)); err != nil {
		return fmt.Errorf("plugin %s of the catalog was changed on this disk, and cannot be removed: %w", p.Name, err)
	}
	poke(c.wake)
	return fmt.Errorf("plugin %s of the catalog was changed on this disk: it is not run, and comes again from the hub", p.Name)
}

// missing says why a plugin is not here.
func (c *Catalog) missing(p Plugin) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.wanted {
		if f.Plugin != p {
			continue
		}
		progress := ""
		if f.size > 0 {
			progress = fmt.Sprintf(" (%d of %d kB)", f.have>>10, (f.size+1023)>>10)
		}
		if f.err != nil {
			return fmt.Errorf("plugin %s of the catalog is not here yet%s: %w", p.Name, progress, f.err)
		}
		return fmt.Errorf("plugin %s of the catalog is on its way from the hub%s", p.Name, progress)
	}
	return fmt.Errorf("plugin %s of the catalog is not here, and nothing asks for it", p.Name)
}

// verify holds an open file against its hash.
func (c *Catalog) verify(f *os.File, p Plugin) error {
	path := c.path(p)
	before, known := stampOf(f)
	c.mu.Lock()
	last, ok := c.sound[path]
	c.mu.Unlock()
	if known && ok && last == before {
		return nil
	}
	sum, err := hashFile(f)
	if err == nil && sum == p.Hash {
		after, _ := stampOf(f)
		if known && after == before && before.settled() {
			c.mu.Lock()
			c.sound[path] = before
			c.mu.Unlock()
		}
		_, err = f.Seek(0, io.SeekStart)
		return err
	}
	if err != nil {
		return fmt.Errorf("plugin %s of the catalog: %w", p.Name, err)
	}
	c.o.Log.Error("a plugin of the catalog was changed on this disk; it is not run, and comes again", "plugin", p.Name, "sha256", sum, "wanted", p.Hash)
	return errChanged
}

func (c *Catalog) forget(path string) {
	c.mu.Lock()
	delete(c.sound, path)
	c.mu.Unlock()
}

// place makes a part that is whole the plugin's file. It was hashed by the descriptor it was written by.
func (c *Catalog) place(p Plugin) error {
	if err := c.o.Disk.Rename(c.part(p), c.path(p)); err != nil {
		return err
	}
	return c.o.Disk.SyncDir(c.o.Dir)
}

// open opens a part to go on with it.
func (c *Catalog) open(p Plugin) (fsys.File, int64, error) {
	f, err := c.o.Disk.Open(c.part(p), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, 0, err
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
	}
	return f, size, err
}
