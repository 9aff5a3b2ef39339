package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// beginning is a repository that has nothing yet, to be filled from a request.
func beginning(disk fsys.FS, dir string, ring Ring) *Repo {
	r := empty(disk, dir, ring)
	r.timestamp, r.snapshot = metadata.Timestamp(), metadata.Snapshot()
	r.snapshot.Signed.Meta = map[string]*metadata.MetaFiles{}
	r.targets = map[string]*metadata.Metadata[metadata.TargetsType]{}
	return r
}

// takePaper puts one file of metadata, signed or not, in the place of what r has of
// that role. It has to be the very next version.
func (r *Repo) takePaper(disk fsys.FS, dir, name string) error {
	number, rest, _ := strings.Cut(name, ".")
	role, ok := strings.CutSuffix(rest, ".json")
	version, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || role == "" || strings.ContainsAny(role, `/\:`) || role == metadata.SNAPSHOT || role == metadata.TIMESTAMP {
		return fmt.Errorf("%q is no metadata that people sign", name)
	}
	data, err := fsys.Read(disk, filepath.Join(dir, name), tuf.MaxTargets)
	if err != nil {
		return err
	}
	if role == metadata.ROOT {
		err = r.takeRoot(data, version)
	} else {
		err = r.takeTargets(role, data, version)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	r.stale[role], r.fixed[role], r.stale[metadata.SNAPSHOT] = true, true, true
	return nil
}

func (r *Repo) takeRoot(data []byte, version int64) error {
	next, err := metadata.Root().FromBytes(data)
	if err != nil {
		return err
	}
	was := int64(0)
	if r.root != nil {
		was = r.root.Signed.Version
		before := r.grantOf(metadata.ROOT)
		r.rootBefore = &before
	}
	if next.Signed.Version != version || version != was+1 {
		return &Outdated{metadata.ROOT, version, was}
	}
	r.root = next
	return nil
}

func (r *Repo) takeTargets(role string, data []byte, version int64) error {
	next, err := metadata.Targets().FromBytes(data)
	if err != nil {
		return err
	}
	was := int64(0)
	if r.set != nil {
		was = r.publishedVersion(role)
	}
	if next.Signed.Version != version || version != was+1 {
		return &Outdated{role, version, was}
	}
	r.targets[role] = next
	return nil
}

// Outdated is the error of a request that does not follow what is published.
type Outdated struct {
	Role         string
	Version, Now int64
}

func (o *Outdated) Error() string {
	return fmt.Sprintf("the request has version %d of %s, and version %d is published; make the request anew", o.Version, o.Role, o.Now)
}

// publishedVersion is the version that clients see today of targets or a delegated
// role, 0 where there is none.
func (r *Repo) publishedVersion(role string) int64 {
	if m := r.snapshot.Signed.Meta[role+".json"]; m != nil {
		return m.Version
	}
	return 0
}

// Begin is a new repository in dir, made of a request that began from nothing.
func Begin(disk fsys.FS, dir string, ring Ring) (*Repo, error) {
	if _, err := newestRoot(disk, dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("create repository %s: %w", dir, errors.Join(err, fs.ErrExist))
	}
	return beginning(disk, dir, ring), nil
}

// Adopt takes over what a request changes, with its signatures and files; Commit then
// publishes it. Done means that exactly this is published already.
func (r *Repo) Adopt(q *Request) (done bool, err error) {
	if r.holds(q) {
		return true, nil
	}
	for _, p := range q.papers {
		data, err := p.file()
		if err != nil {
			return false, err
		}
		if p.role == metadata.ROOT {
			err = r.takeRoot(data, p.version)
		} else {
			err = r.takeTargets(p.role, data, p.version)
		}
		if err != nil {
			return false, fmt.Errorf("adopt request %s: %w", q.dir, err)
		}
		r.stale[p.role], r.fixed[p.role], r.stale[metadata.SNAPSHOT] = true, true, true
	}
	return false, r.adoptFiles(q)
}

// holds reports whether the request's papers are what is published.
func (r *Repo) holds(q *Request) bool {
	if r.set == nil {
		return false
	}
	for _, p := range q.papers {
		switch {
		case p.role == metadata.ROOT && r.root.Signed.Version < p.version,
			p.role != metadata.ROOT && r.publishedVersion(p.role) < p.version:
			return false
		}
		data, err := r.Read(p.name(), tuf.MaxTargets)
		if err != nil {
			return false
		}
		if payload, err := payloadOf(p.role, data); err != nil || string(payload) != string(p.payload) {
			return false
		}
	}
	return true
}

// adoptFiles reads the request's target files; each has to be what its head says, and
// what was signed names them by their hash.
func (r *Repo) adoptFiles(q *Request) error {
	for name, sum := range q.head.Targets {
		if !filepath.IsLocal(filepath.FromSlash(name)) || strings.ContainsAny(name, `\:`) || !strings.Contains(path.Base(name), sum) {
			return fmt.Errorf("adopt request %s: %q is no name of a target's file", q.dir, name)
		}
		data, err := fsys.Read(q.disk, filepath.Join(q.dir, "targets", filepath.FromSlash(name)), maxTarget)
		if err != nil {
			return fmt.Errorf("adopt request %s: %w", q.dir, err)
		}
		if got := sha256.Sum256(data); hex.EncodeToString(got[:]) != sum {
			return fmt.Errorf("adopt request %s: targets/%s was changed since", q.dir, name)
		}
		r.files["targets/"+name] = data
	}
	return nil
}
