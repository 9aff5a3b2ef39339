package repo

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// warnAhead is how long before its expiry Refresh signs a root, targets or
// delegated role anew: when tuf would begin to warn.
const warnAhead = 14 * 24 * time.Hour

// clockSlack is how far a clock may have been set back since the last signing.
const clockSlack = time.Hour

// Refresh marks for signing what should not wait: snapshot and timestamp always, and
// what is due of the others where enough of its keys are at hand. It returns what is
// due and needs people who are not here.
func (r *Repo) Refresh(now time.Time) (left []string) {
	for _, role := range r.Due(now) {
		if r.atHand(role) {
			r.renew(role)
		} else {
			left = append(left, role)
		}
	}
	r.stale[metadata.SNAPSHOT] = true
	return left
}

// RenewDue marks for signing all that is due, for a request.
func (r *Repo) RenewDue(now time.Time) {
	for _, role := range r.Due(now) {
		r.renew(role)
	}
}

// atHand reports whether the keys here are enough for a role. Where that cannot be
// told they count as enough: signing then says what is wrong with them.
func (r *Repo) atHand(role string) bool {
	if r.ring == nil {
		return false
	}
	v := r.grantOf(role)
	signers, err := r.ring.Signers(role, slices.Sorted(maps.Keys(v.keys)))
	if err != nil {
		return true
	}
	here := map[string]bool{}
	for _, s := range signers {
		if id := signing.KeyID(s.Public()); v.keys[id] != nil {
			here[id] = true
		}
	}
	return len(here) >= v.threshold
}

// Due lists the roles, beside snapshot and timestamp, that are within 14 days of
// their expiry or past it.
func (r *Repo) Due(now time.Time) []string {
	var out []string
	due := now.Add(warnAhead)
	if !r.root.Signed.Expires.After(due) {
		out = append(out, metadata.ROOT)
	}
	for _, role := range slices.Sorted(maps.Keys(r.targets)) {
		if !r.targets[role].Signed.Expires.After(due) {
			out = append(out, role)
		}
	}
	return out
}

// renew marks a role for signing. What came with a request keeps the request's
// expiry.
func (r *Repo) renew(role string) {
	if !r.fixed[role] {
		r.stale[role] = true
	}
}

// Changed reports whether Commit has anything to do.
func (r *Repo) Changed() bool { return len(r.stale) > 0 || len(r.files) > 0 }

// Commit signs what changed, verifies the result, and writes it durably. now is
// the time of signing. It reports false when there was nothing to do. After an
// error the repository on disk is as before, or as it should be; open it anew.
func (r *Repo) Commit(now time.Time) (bool, error) {
	if !r.Changed() {
		return false, nil
	}
	if err := r.commit(now.UTC().Truncate(time.Second)); err != nil {
		return false, fmt.Errorf("publish to %s: %w", r.dir, err)
	}
	return true, nil
}

func (r *Repo) commit(now time.Time) error {
	issued, err := r.issued(now)
	if err != nil {
		return err
	}
	if err := r.resumes(); err != nil {
		return err
	}
	papers, err := r.papers(issued)
	if err != nil {
		return err
	}
	out, err := r.signAll(papers, issued)
	if err != nil {
		return err
	}
	set, err := r.judge(out, issued)
	if err != nil {
		return fmt.Errorf("what was just signed does not verify (are these the keys of this repository?): %w", err)
	}
	if err := r.write(out); err != nil {
		return err
	}
	r.set, r.stale, r.files = set, map[string]bool{}, map[string][]byte{}
	r.fixed, r.rootBefore, r.ahead = map[string]bool{}, nil, nil
	return nil
}

// resumes refuses, where a root is out already and nothing yet of what its keys sign, all but the change that it was made for: clients may have that root,
// and none of another one with its number.
func (r *Repo) resumes() error {
	if r.ahead == nil {
		return nil
	}
	ahead, err := metadata.Root().FromBytes(r.ahead)
	if err != nil {
		return err
	}
	there, err := keysOf(ahead)
	if err != nil {
		return err
	}
	if is, err := keysOf(r.root); err != nil || !r.stale[metadata.ROOT] || is != there {
		return fmt.Errorf("the change of keys that made root %d was cut short, and boxes may have that root: give its limpet-release rotate, or collect its request, once more before anything else", ahead.Signed.Version)
	}
	return nil
}

// keysOf is what a root says about who signs what, to compare.
func keysOf(root *metadata.Metadata[metadata.RootType]) (string, error) {
	text, err := cjson.EncodeCanonical(map[string]any{"keys": root.Signed.Keys, "roles": root.Signed.Roles})
	return string(text), err
}

// issued is the time to sign with: never before the last one, which boxes take as
// a floor under their clocks.
func (r *Repo) issued(now time.Time) (time.Time, error) {
	if r.set == nil || !r.set.Issued().After(now) {
		return now, nil
	}
	last := r.set.Issued()
	if last.Sub(now) > clockSlack {
		return now, fmt.Errorf("the clock says %s, but the last signing was at %s; set the clock", now.Format(time.RFC3339), last.Format(time.RFC3339))
	}
	return last, nil
}

// signOnline signs snapshot and timestamp, which every commit changes.
func (r *Repo) signOnline(now time.Time, out map[string][]byte) error {
	if r.set != nil {
		r.snapshot.Signed.Version++
		r.timestamp.Signed.Version++
	}
	issued := map[string]any{"issued": now.Format(time.RFC3339)}
	r.snapshot.Signed.Expires, r.snapshot.Signed.UnrecognizedFields = now.Add(snapshotLife), issued
	r.snapshot.ClearSignatures()
	p, err := newPaper(metadata.SNAPSHOT, r.snapshot.Signed.Version, r.snapshot, r.grantOf(metadata.SNAPSHOT))
	if err != nil {
		return err
	}
	data, err := p.complete(r.ring)
	if err != nil {
		return err
	}
	r.timestamp.Signed.Meta[metadata.SNAPSHOT+".json"] = listed(data, r.snapshot.Signed.Version)
	out[versioned(r.timestamp.Signed.Meta, metadata.SNAPSHOT)] = data
	r.timestamp.Signed.Expires, r.timestamp.Signed.UnrecognizedFields = now.Add(timestampLife), issued
	r.timestamp.ClearSignatures()
	if p, err = newPaper(metadata.TIMESTAMP, r.timestamp.Signed.Version, r.timestamp, r.grantOf(metadata.TIMESTAMP)); err != nil {
		return err
	}
	out["timestamp.json"], err = p.complete(r.ring)
	return err
}

func listed(data []byte, version int64) *metadata.MetaFiles {
	sum := sha256.Sum256(data)
	m := metadata.MetaFile(version)
	m.Length, m.Hashes = int64(len(data)), metadata.Hashes{"sha256": sum[:]}
	return m
}

// judge runs the client over what would be published, as a stranger who has
// nothing but the first root, and so through every rotation. Every core has to say
// about itself what a stub understands.
func (r *Repo) judge(out map[string][]byte, now time.Time) (*tuf.Set, error) {
	src := func(name string, limit int64) ([]byte, error) {
		if data, ok := out[name]; ok {
			return data, nil
		}
		return r.Read(name, limit)
	}
	first, err := src("1.root.json", tuf.MaxRoot)
	if err != nil {
		return nil, err
	}
	set, _, err := tuf.Refresh(tuf.Stored{"root.json": first}, src, now, r.folders()...)
	if err != nil {
		return nil, err
	}
	for _, dir := range r.folders() {
		parts := strings.Split(dir, "/")
		if len(parts) < 3 || parts[0] != "core" {
			continue
		}
		if _, skipped := set.Cores(parts[1], parts[2]); skipped != nil {
			return nil, errors.Join(skipped...)
		}
	}
	return set, nil
}

// write makes it durable in the order in which clients follow it backwards: what
// is not listed yet first, the timestamp, by which all is found, last. A root comes
// right before it: clients that have it ask for what its keys signed. A first root
// is written last of all: it is what makes a folder a repository.
func (r *Repo) write(out map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		if err := r.writeTarget(name, r.files[name]); err != nil {
			return err
		}
	}
	if err := r.makeFolders("."); err != nil {
		return err
	}
	last := []string{strconv.FormatInt(r.root.Signed.Version, 10) + ".root.json", "timestamp.json"}
	if r.set == nil {
		slices.Reverse(last)
	}
	first := slices.DeleteFunc(slices.Sorted(maps.Keys(out)), func(name string) bool { return slices.Contains(last, name) })
	for _, name := range append(first, last...) {
		if out[name] == nil {
			continue // most commits have no root
		}
		if err := fsys.WriteNew(r.disk, filepath.Join(r.dir, name), out[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeTarget writes one target file, unless it is there already and whole.
func (r *Repo) writeTarget(name string, data []byte) error {
	full := filepath.Join(r.dir, filepath.FromSlash(name))
	if old, err := fsys.Read(r.disk, full, int64(len(data))); err == nil && sha256.Sum256(old) == sha256.Sum256(data) {
		return nil
	}
	if err := r.makeFolders(path.Dir(name)); err != nil {
		return err
	}
	return fsys.WriteNew(r.disk, full, data, 0o644)
}

// makeFolders makes the folders down to dir (below r.dir), each durably.
func (r *Repo) makeFolders(dir string) error {
	if dir != "." {
		if err := r.makeFolders(path.Dir(dir)); err != nil {
			return err
		}
	}
	full := filepath.Join(r.dir, filepath.FromSlash(dir))
	if err := r.disk.MkdirAll(full, 0o755); err != nil {
		return err
	}
	return r.disk.SyncDir(filepath.Dir(full))
}

// InitSite opens the site's repository in dir, or makes an empty one whose every
// role is signed by the one key that the hub holds. It returns the repository,
// whose Root goes into the trust document.
func InitSite(disk fsys.FS, dir string, key signing.Key, now time.Time) (*Repo, error) {
	keys := Keys(func(string) (signing.Key, error) { return key, nil })
	r, err := Open(disk, dir, keys)
	if err == nil {
		if _, ok := r.root.Signed.Keys[key.ID()]; !ok {
			return nil, fmt.Errorf("open repository %s: its root does not name the site key %s", dir, key.ID())
		}
		return r, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if r, err = Create(disk, dir, keys, key.Development()); err != nil {
		return nil, err
	}
	if _, err := r.Commit(now); err != nil {
		return nil, err
	}
	return r, nil
}
