package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/fetch"
)

// Bounds of what one mirror takes.
const (
	maxRepository = 64 << 30 // bytes of everything that is listed
	maxFiles      = 100_000
	tryAgain      = 2 * time.Second // before a download that broke is gone on with
)

// Folders of a copy that are not served.
const (
	trustFolder = ".trust" // metadata as it was verified last: what protects from older ones
	partFolder  = ".part"  // unfinished downloads, by hash
)

// wanted is everything that a release repository can list.
var wanted = []string{"core/", "stub/"}

// ErrNoRoot is the cause when a copy has no root yet and none was given.
var ErrNoRoot = errors.New("there is no root to verify this mirror against")

// Copy is a folder that holds the copy of a release repository. One goroutine uses it.
type Copy struct {
	dir  string
	log  *slog.Logger
	disk fsys.FS
	now  func() time.Time
}

// NewCopy names the folder, which is made when something is first put in it.
func NewCopy(dir string, log *slog.Logger) *Copy {
	return &Copy{dir: dir, log: log, disk: fsys.Disk{}, now: time.Now}
}

// Trusts says whether the copy has a root.
func (c *Copy) Trusts() bool {
	_, err := c.size(filepath.Join(c.dir, trustFolder, "root.json"))
	return err == nil
}

// Trust makes the place's first root the copy's, and returns its SHA-256. sum, where it is not nil, is what it must be.
func (c *Copy) Trust(ctx context.Context, from *fetch.Mirror, sum *[32]byte) ([32]byte, error) {
	root, err := from.Small(ctx, "1.root.json", tuf.MaxRoot)
	if err != nil {
		return [32]byte{}, err
	}
	got := sha256.Sum256(root)
	if sum != nil && got != *sum {
		return got, fmt.Errorf("trust the root of %s: its SHA-256 is %s, not what was given", from, hex.EncodeToString(got[:]))
	}
	if err := c.folders(); err != nil {
		return got, err
	}
	return got, fsys.WriteNew(c.disk, filepath.Join(c.dir, trustFolder, "root.json"), root, 0o644)
}

// Bring makes the copy what the place has: verified first, then targets, then metadata, the timestamp last; then what was listed once and is no longer goes, a
// day late. Cut short anywhere, it leaves what was served before, and the next call goes on. changed says that the timestamp is another one.
func (c *Copy) Bring(ctx context.Context, from *fetch.Mirror) (changed bool, err error) {
	from = from.Onto(c.disk)
	if err := c.folders(); err != nil {
		return false, err
	}
	stored, err := c.stored()
	if err != nil {
		return false, err
	}
	source := func(name string, max int64) ([]byte, error) { return from.Small(ctx, name, max) }
	set, after, err := tuf.Refresh(stored, source, c.surely(stored), wanted...)
	if e := c.keep(tuf.Changes(stored, after)); e != nil {
		return false, e
	}
	if err != nil {
		return false, fmt.Errorf("verify releases of %s: %w", from, err)
	}
	if err := c.targets(ctx, from, set); err != nil {
		return false, err
	}
	if changed, err = c.metadata(ctx, from, set, after); err != nil {
		return false, err
	}
	if err := c.collect(set); err != nil { // the copy is whole without it
		c.log.Warn("what the release repository lists no longer is not removed", "err", err)
	}
	return changed, nil
}

func (c *Copy) folders() error {
	for _, name := range []string{trustFolder, partFolder} {
		if err := c.folder(filepath.Join(c.dir, name)); err != nil {
			return fmt.Errorf("make the copy's folder: %w", err)
		}
	}
	return nil
}

// folder makes a folder whose name, and those of the folders up to the copy's own, are durable: a file synced in it would else go with them.
func (c *Copy) folder(dir string) error {
	if _, err := c.disk.ReadDir(dir); err == nil {
		return nil
	}
	if err := c.disk.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for dir != c.dir && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		if err := c.disk.SyncDir(dir); err != nil {
			return err
		}
	}
	return c.disk.SyncDir(filepath.Dir(c.dir))
}

// size is a file's.
func (c *Copy) size(name string) (int64, error) {
	f, err := c.disk.Open(name, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Size()
}

// stored reads what was verified before.
func (c *Copy) stored() (tuf.Stored, error) {
	dir, stored := filepath.Join(c.dir, trustFolder), tuf.Stored{}
	names, err := c.disk.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the copy's metadata: %w", err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		if stored[name], err = fsys.Read(c.disk, filepath.Join(dir, name), tuf.MaxTargets); err != nil {
			return nil, fmt.Errorf("read the copy's metadata: %w", err)
		}
	}
	if stored["root.json"] == nil {
		return nil, ErrNoRoot
	}
	return stored, nil
}

// surely is the latest of the clock and the time that stored metadata proves to have passed.
func (c *Copy) surely(stored tuf.Stored) time.Time {
	now := c.now()
	if set, err := tuf.Offline(stored, wanted...); err == nil && set.Issued().After(now) {
		return set.Issued()
	}
	return now
}

func (c *Copy) keep(changes []tuf.Change) error {
	dir := filepath.Join(c.dir, trustFolder)
	for _, change := range changes {
		name := filepath.Join(dir, change.Name)
		err := error(nil)
		if change.Data != nil {
			err = fsys.WriteNew(c.disk, name, change.Data, 0o644)
		} else if err = c.disk.Remove(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			err = c.disk.SyncDir(dir)
		}
		if err != nil {
			return fmt.Errorf("keep the copy's metadata: %w", err)
		}
	}
	return nil
}

// item is one file to have.
type item struct {
	fetch.Want
	maybe bool // a mirror may lack it: there is another way to the same bytes
}

// items lists what a repository says it has, within bounds.
func items(set *tuf.Set) ([]item, error) {
	var out []item
	total := int64(0)
	for _, folder := range wanted {
		targets, err := set.Under(folder)
		if err != nil {
			return nil, err
		}
		for _, t := range targets {
			out = append(out, item{Want: fetch.Want{Name: t.File, Length: t.Length, SHA256: t.SHA256}})
			core, err := set.Core(t.Path)
			if err != nil {
				continue // a program of the stub, or a release for later readers
			}
			if p := core.Packed; p != nil {
				out = append(out, item{fetch.Want{Name: "targets/" + p.Path, Length: p.Length, SHA256: p.SHA256}, true})
			}
			for _, d := range core.Deltas {
				out = append(out, item{fetch.Want{Name: "targets/" + d.Path, Length: d.Length, SHA256: d.SHA256}, true})
			}
		}
	}
	for _, i := range out {
		total += i.Length
	}
	if total > maxRepository || len(out) > maxFiles {
		return nil, fmt.Errorf("read what is listed: %d files, %d bytes are more than a hub takes", len(out), total)
	}
	return out, nil
}

// targets brings what is listed and not here.
func (c *Copy) targets(ctx context.Context, from *fetch.Mirror, set *tuf.Set) error {
	list, err := items(set)
	if err != nil {
		return err
	}
	for _, i := range list {
		name := filepath.Join(c.dir, filepath.FromSlash(i.Name))
		if size, err := c.size(name); err == nil && size == i.Length {
			continue // its hash was checked when it came
		}
		err := c.target(ctx, from, i.Want, name)
		if err != nil && i.maybe && ctx.Err() == nil {
			c.log.Info("mirror lacks a file that need not be there", "mirror", from.String(), "file", i.Name, "err", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// target brings one file, going on with what an earlier call began.
func (c *Copy) target(ctx context.Context, from *fetch.Mirror, want fetch.Want, name string) error {
	part := filepath.Join(c.dir, partFolder, hex.EncodeToString(want.SHA256[:]))
	if err := from.Large(ctx, want, part, pause); err != nil {
		return err
	}
	f, err := c.disk.Open(part, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("keep %s: %w", want.Name, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep %s: %w", want.Name, err)
	}
	if err := c.folder(filepath.Dir(name)); err != nil {
		return fmt.Errorf("keep %s: %w", want.Name, err)
	}
	if err := c.disk.Rename(part, name); err != nil {
		return fmt.Errorf("keep %s: %w", want.Name, err)
	}
	return c.disk.SyncDir(filepath.Dir(name))
}

func pause(ctx context.Context, _ int) error {
	t := time.NewTimer(tryAgain)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// metadata puts what was verified where it is served, the timestamp last.
func (c *Copy) metadata(ctx context.Context, from *fetch.Mirror, set *tuf.Set, stored tuf.Stored) (changed bool, err error) {
	for _, e := range set.Expiries() {
		if e.Role == "root" {
			if err := c.roots(ctx, from, e.Version, stored["root.json"]); err != nil {
				return false, err
			}
			continue
		}
		if e.Role == "timestamp" {
			continue
		}
		data, ok := stored[e.Role+".json"]
		if !ok {
			return false, fmt.Errorf("serve metadata: the role %q has no plain name", e.Role)
		}
		if err := c.place(strconv.FormatInt(e.Version, 10)+"."+e.Role+".json", data); err != nil {
			return false, err
		}
	}
	timestamp := filepath.Join(c.dir, "timestamp.json")
	before, err := fsys.Read(c.disk, timestamp, tuf.MaxTargets)
	if err == nil && string(before) == string(stored["timestamp.json"]) {
		return false, nil
	}
	return true, fsys.WriteNew(c.disk, timestamp, stored["timestamp.json"], 0o644)
}

// roots has every root from the first on, for whoever trusts an old one. Whoever follows them verifies them.
func (c *Copy) roots(ctx context.Context, from *fetch.Mirror, newest int64, data []byte) error {
	for n := int64(1); n < newest; n++ {
		name := strconv.FormatInt(n, 10) + ".root.json"
		if _, err := c.size(filepath.Join(c.dir, name)); err == nil {
			continue
		}
		old, err := from.Small(ctx, name, tuf.MaxRoot)
		if err != nil {
			return err
		}
		if err := c.place(name, old); err != nil {
			return err
		}
	}
	return c.place(strconv.FormatInt(newest, 10)+".root.json", data)
}

// place writes a metadata file under its name, unless it is there.
func (c *Copy) place(name string, data []byte) error {
	path := filepath.Join(c.dir, name)
	if old, err := fsys.Read(c.disk, path, tuf.MaxTargets); err == nil && string(old) == string(data) {
		return nil
	}
	return fsys.WriteNew(c.disk, path, data, 0o644)
}
