package catalog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Files beside the metadata.
const (
	pinnedFile = "pinned"   // SHA-256 in hex of the root that this store began with
	allowedEnd = ".allowed" // behind the SHA-256 of a list of lines
)

// Load reads what is stored anew: another core may have written it. It believes what verifies, expired or not.
func (c *Catalog) Load() {
	c.meta.Lock()
	v, err := c.load()
	c.meta.Unlock()
	if err != nil {
		c.o.Log.Error("what the site signed cannot be verified; it is asked for again", "err", err)
		v = &View{}
	}
	c.view.Store(v)
	poke(c.wake)
}

func (c *Catalog) load() (*View, error) {
	stored, err := c.stored()
	if err != nil || len(stored) < 2 { // a root alone says nothing
		return &View{}, err
	}
	set, err := tuf.Offline(stored)
	if err != nil {
		return nil, err
	}
	allowed, err := c.allowed(set, func(t tuf.Target) ([]byte, error) { return c.keptAllowed(t) })
	if err != nil {
		return nil, err
	}
	return viewOf(set, allowed, c.o.Platform)
}

// Refresh brings the site's metadata up to date, and reports whether the View is another. now is a time that is not before the true one by more
// than the clock is off; what the metadata itself proves to have passed counts, too. After an error what was known stays known.
func (c *Catalog) Refresh(ctx context.Context, now time.Time) (changed bool, err error) {
	c.meta.Lock()
	before := c.View()
	v, err := c.refresh(ctx, now)
	if err == nil {
		c.view.Store(v)
		changed = v.Version != before.Version || v.online != before.online
	}
	c.meta.Unlock()
	if err != nil {
		return false, fmt.Errorf("bring up to date what the site signed: %w", err)
	}
	if changed {
		c.o.Log.Info("took what the site signed", "version", v.Version, "lines", len(v.lines), "plugins", len(v.plugins))
		poke(c.wake)
		c.o.Changed()
	}
	return changed, nil
}

func (c *Catalog) refresh(ctx context.Context, now time.Time) (*View, error) {
	stored, err := c.stored()
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, errors.New("there is no trust document yet, so no root to begin with")
	}
	if set, err := tuf.Offline(stored); err == nil && set.Issued().After(now) {
		now = set.Issued() // time that has passed for certain
	}
	read := func(name string, limit int64) ([]byte, error) { return c.read(ctx, name, limit) }
	set, after, err := tuf.Refresh(stored, read, now)
	if err != nil {
		return nil, errors.Join(err, c.keep(after))
	}
	allowed, err := c.allowed(set, func(t tuf.Target) ([]byte, error) { return c.bringAllowed(ctx, t) })
	if err != nil {
		// The new targets are not kept: offline, the older ones with their list are believed until this works.
		delete(after, "targets.json")
		if old, ok := stored["targets.json"]; ok {
			after["targets.json"] = old
		}
		return nil, errors.Join(err, c.keep(after))
	}
	v, err := viewOf(set, allowed, c.o.Platform)
	if err != nil {
		return nil, err
	}
	if err := c.keep(after); err != nil {
		return nil, err
	}
	c.dropAllowed(set)
	return v, nil
}

// stored is the metadata on disk, or the pinned root alone; nil without a trust document. A document with another root than the one this store began with
// is another owner's word, unless the store has come to that very root by itself, or begins with it.
func (c *Catalog) stored() (tuf.Stored, error) {
	root := c.o.Root()
	if root == nil {
		return nil, nil
	}
	onDisk, err := c.onDisk()
	if err != nil {
		return nil, err
	}
	pin := hashOf(root)
	began, err := fsys.Read(c.o.Disk, filepath.Join(c.o.Trust, pinnedFile), sha256.Size*2+1)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	known := string(bytes.TrimSpace(began)) == pin
	if onDisk["root.json"] == nil || !known && !bytes.Equal(onDisk["root.json"], root) {
		fresh := tuf.Stored{"root.json": root}
		if err := c.change(onDisk, fresh); err != nil {
			return nil, err
		}
		onDisk = fresh
	}
	if known {
		return onDisk, nil
	}
	return onDisk, fsys.WriteNew(c.o.Disk, filepath.Join(c.o.Trust, pinnedFile), []byte(pin+"\n"), 0o644)
}

func (c *Catalog) onDisk() (tuf.Stored, error) {
	names, err := c.o.Disk.ReadDir(c.o.Trust)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	out := tuf.Stored{}
	for _, name := range names {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		data, err := fsys.Read(c.o.Disk, filepath.Join(c.o.Trust, name), tuf.MaxTargets)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		out[name] = data
	}
	return out, nil
}

// keep saves metadata in the order that never leaves a store without a way on.
func (c *Catalog) keep(after tuf.Stored) error {
	before, err := c.onDisk()
	if err != nil {
		return err
	}
	return c.change(before, after)
}

func (c *Catalog) change(before, after tuf.Stored) error {
	for _, step := range tuf.Changes(before, after) {
		name := filepath.Join(c.o.Trust, step.Name)
		var err error
		if step.Data == nil {
			if err = c.o.Disk.Remove(name); err == nil {
				err = c.o.Disk.SyncDir(c.o.Trust)
			}
		} else {
			err = fsys.WriteNew(c.o.Disk, name, step.Data, 0o644)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("keep what the site signed: %w", err)
		}
	}
	return nil
}

// allowed is the list of lines that a set names; nil without one.
func (c *Catalog) allowed(set *tuf.Set, bring func(tuf.Target) ([]byte, error)) ([]byte, error) {
	t, err := set.Target(AllowedPath)
	var why *tuf.Error
	if errors.As(err, &why) && why.Kind == tuf.NotListed {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if t.Role != "targets" || t.Length > MaxAllowed {
		return nil, fmt.Errorf("%s: signed by %s, %d bytes; it is signed by targets and has %d at most", t.Path, t.Role, t.Length, MaxAllowed)
	}
	return bring(t)
}

func (c *Catalog) allowedFile(t tuf.Target) string {
	return filepath.Join(c.o.Trust, hex.EncodeToString(t.SHA256[:])+allowedEnd)
}

func (c *Catalog) keptAllowed(t tuf.Target) ([]byte, error) {
	data, err := fsys.Read(c.o.Disk, c.allowedFile(t), MaxAllowed)
	if err != nil {
		return nil, err
	}
	return data, t.Check(bytes.NewReader(data))
}

// bringAllowed fetches the list where it is not here, and keeps it before the metadata that names it.
func (c *Catalog) bringAllowed(ctx context.Context, t tuf.Target) ([]byte, error) {
	if data, err := c.keptAllowed(t); err == nil {
		return data, nil
	}
	data, err := c.read(ctx, t.File, t.Length)
	if err != nil {
		return nil, err
	}
	if err := t.Check(bytes.NewReader(data)); err != nil {
		return nil, err
	}
	return data, fsys.WriteNew(c.o.Disk, c.allowedFile(t), data, 0o644)
}

// dropAllowed removes the lists that nothing names any more.
func (c *Catalog) dropAllowed(set *tuf.Set) {
	current := ""
	if t, err := set.Target(AllowedPath); err == nil {
		current = filepath.Base(c.allowedFile(t))
	}
	names, _ := c.o.Disk.ReadDir(c.o.Trust)
	for _, name := range names {
		if strings.HasSuffix(name, allowedEnd) && name != current {
			_ = c.o.Disk.Remove(filepath.Join(c.o.Trust, name)) // the next time
		}
	}
}

// read brings a whole small file; one that is longer than its limit is cut one byte behind it, which a verifier refuses.
func (c *Catalog) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	data := []byte{}
	for {
		p, err := c.o.Get(ctx, name, int64(len(data)))
		switch {
		case err != nil:
			return nil, err
		case p.Missing && len(data) == 0:
			return nil, fs.ErrNotExist
		}
		data = append(data, p.Data...)
		if int64(len(data)) > limit {
			return data[:limit+1], nil
		}
		if len(p.Data) == 0 || int64(len(data)) >= p.Size {
			return data, nil
		}
	}
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
