// Package repo builds and updates a TUF repository: a folder of plain files that
// any web server can hand out. It signs with go-tuf and, before anything is
// announced, reads the result back with signing/tuf as a stranger would: two
// implementations have to agree, or nothing is published.
//
// A change is collected in memory (Add, Refresh) and written by Commit: target
// files first, then metadata under names nobody asks for yet, the timestamp last.
// A power cut anywhere leaves the repository as it was or as it should be. One
// writer at a time; who that is the caller sees to. The layout is
// docs/release-format.md.
package repo

import (
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// How long each role is good for. Short where the key is online and signs by
// itself, long where people have to meet.
const (
	timestampLife = 7 * 24 * time.Hour
	snapshotLife  = 14 * 24 * time.Hour
	targetsLife   = 90 * 24 * time.Hour
	rootLife      = 365 * 24 * time.Hour
)

// maxTarget is the longest target taken, in bytes: several times what a core is.
const maxTarget = 256 << 20

// developmentMark is the member of a root's signed part that says it is for
// development only.
const developmentMark = "x-limpet-development"

// Repo is a repository and the changes to it that were not committed yet. It is
// for one goroutine.
type Repo struct {
	disk fsys.FS
	dir  string
	ring Ring // nil: opened for reading only

	rootBytes  []byte
	root       *metadata.Metadata[metadata.RootType]
	rootBefore *voters // who has to sign a root, too, that other keys follow; nil where they stay
	timestamp  *metadata.Metadata[metadata.TimestampType]
	snapshot   *metadata.Metadata[metadata.SnapshotType]
	targets    map[string]*metadata.Metadata[metadata.TargetsType] // "targets" and the delegated roles
	set        *tuf.Set                                            // what is published, verified; nil before the first Commit

	ahead []byte            // a root that is out, while what its keys are to sign is not: see load
	stale map[string]bool   // roles to sign anew
	fixed map[string]bool   // of these, the ones that came with a request, whose content is settled
	files map[string][]byte // target files to write, by their path below dir
}

// Create makes a repository in memory that Commit will write: a root and an empty
// targets, each role signed by its one key. Nothing may be in dir that is a
// repository already. A development repository says so in its root, for good.
func Create(disk fsys.FS, dir string, keys Keys, development bool) (*Repo, error) {
	plan := Plan{Development: development, Roles: map[string]Grant{}}
	for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
		key, err := keys(role)
		if err != nil {
			return nil, fmt.Errorf("create repository %s: key of %s: %w", dir, role, err)
		}
		plan.Roles[role] = Grant{[]ed25519.PublicKey{key.Public()}, 1, key.Development()}
	}
	return Found(disk, dir, keys, plan)
}

// Open reads a repository and verifies every signature in it, expired or not: what
// somebody else put on the server is not signed again. ring may be nil for a
// repository that is only read. A folder without one is fs.ErrNotExist.
func Open(disk fsys.FS, dir string, ring Ring) (*Repo, error) {
	if keys, ok := ring.(Keys); ok && keys == nil {
		ring = nil
	}
	r := empty(disk, dir, ring)
	if err := r.load(); err != nil {
		return nil, fmt.Errorf("open repository %s: %w", dir, err)
	}
	return r, nil
}

func empty(disk fsys.FS, dir string, ring Ring) *Repo {
	return &Repo{disk: disk, dir: dir, ring: ring, stale: map[string]bool{}, fixed: map[string]bool{}, files: map[string][]byte{}}
}

func (r *Repo) load() error {
	version, err := newestRoot(r.disk, r.dir)
	if err != nil {
		return err
	}
	if err := r.loadFrom(version); err != nil {
		if r.loadBehind(version) {
			return nil
		}
		return fmt.Errorf("it is damaged: %v", err) // not %w: a missing file is not a missing repository
	}
	return nil
}

// loadBehind reads a repository whose change of keys was cut short between its root and its timestamp, as it was before: the same change
// again is then published after all, and no other (see resumes).
func (r *Repo) loadBehind(version int64) bool {
	before := empty(r.disk, r.dir, r.ring)
	if version < 2 || before.loadFrom(version-1) != nil {
		return false
	}
	ahead, err := r.Read(strconv.FormatInt(version, 10)+".root.json", tuf.MaxRoot)
	if err != nil {
		return false
	}
	*r, r.ahead = *before, ahead
	return true
}

func (r *Repo) loadFrom(version int64) error {
	stored := tuf.Stored{}
	// Every file but root and timestamp has to be the very one its parent lists:
	// an older one, well signed, must not come back to life by our signature.
	read := func(role, name string, limit int64, pin *metadata.MetaFiles) ([]byte, error) {
		data, err := r.Read(name, limit)
		if err == nil && pin != nil {
			err = pin.VerifyLengthHashes(data)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		stored[role+".json"] = data
		return data, nil
	}
	var err error
	if r.rootBytes, err = read(metadata.ROOT, strconv.FormatInt(version, 10)+".root.json", tuf.MaxRoot, nil); err != nil {
		return err
	}
	if r.root, err = metadata.Root().FromBytes(r.rootBytes); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	data, err := read(metadata.TIMESTAMP, "timestamp.json", tuf.MaxTimestamp, nil)
	if err != nil {
		return err
	}
	if r.timestamp, err = metadata.Timestamp().FromBytes(data); err != nil {
		return fmt.Errorf("timestamp: %w", err)
	}
	meta := r.timestamp.Signed.Meta
	if data, err = read(metadata.SNAPSHOT, versioned(meta, metadata.SNAPSHOT), tuf.MaxSnapshot, meta["snapshot.json"]); err != nil {
		return err
	}
	if r.snapshot, err = metadata.Snapshot().FromBytes(data); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	r.targets = map[string]*metadata.Metadata[metadata.TargetsType]{}
	for name, pin := range r.snapshot.Signed.Meta {
		role := strings.TrimSuffix(name, ".json")
		if data, err = read(role, versioned(r.snapshot.Signed.Meta, role), tuf.MaxTargets, pin); err != nil {
			return err
		}
		if r.targets[role], err = metadata.Targets().FromBytes(data); err != nil {
			return fmt.Errorf("%s: %w", role, err)
		}
	}
	r.set, err = tuf.Offline(stored, r.folders()...)
	return err
}

// Root is the newest root.json, byte for byte: what a box must have to trust this
// repository. It is nil before the first Commit.
func (r *Repo) Root() []byte { return r.rootBytes }

// Set is what is published, verified. It is nil before the first Commit.
func (r *Repo) Set() *tuf.Set { return r.set }

// Roles lists the delegated roles, ordered by name.
func (r *Repo) Roles() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.targets)), func(role string) bool { return role == metadata.TARGETS })
}

// Read brings a published file of the repository, for signing/tuf: it is a
// tuf.Source.
func (r *Repo) Read(name string, limit int64) ([]byte, error) {
	return fsys.Read(r.disk, filepath.Join(r.dir, filepath.FromSlash(name)), limit)
}

// folders lists what the delegated roles speak for.
func (r *Repo) folders() []string {
	targets := r.targets[metadata.TARGETS]
	if targets == nil || targets.Signed.Delegations == nil {
		return nil
	}
	var out []string
	for _, role := range targets.Signed.Delegations.Roles {
		for _, pattern := range role.Paths {
			dir, _, _ := strings.Cut(pattern, "*")
			out = append(out, dir)
		}
	}
	return out
}

// newestRoot is the highest N of the N.root.json in dir.
func newestRoot(disk fsys.FS, dir string) (int64, error) {
	names, err := disk.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, name := range names {
		number, ok := strings.CutSuffix(name, ".root.json")
		if n, err := strconv.ParseInt(number, 10, 64); ok && err == nil {
			newest = max(newest, n)
		}
	}
	if newest == 0 {
		return 0, fmt.Errorf("no root in it: %w", fs.ErrNotExist)
	}
	return newest, nil
}

// versioned is the file name of a role as its parent lists it.
func versioned(meta map[string]*metadata.MetaFiles, role string) string {
	var version int64
	if m := meta[role+".json"]; m != nil {
		version = m.Version
	}
	return strconv.FormatInt(version, 10) + "." + role + ".json"
}
