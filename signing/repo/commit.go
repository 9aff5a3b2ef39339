package repo

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
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

// Refresh marks for signing what should not wait: snapshot and timestamp always,
// the others within 14 days of their expiry or after it.
func (r *Repo) Refresh(now time.Time) {
	due := now.Add(warnAhead)
	if !r.root.Signed.Expires.After(due) {
		r.stale[metadata.ROOT] = true
	}
	for role, t := range r.targets {
		if !t.Signed.Expires.After(due) {
			r.stale[role] = true
		}
	}
	r.stale[metadata.SNAPSHOT] = true
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
	out, err := r.signAll(issued)
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
	return nil
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

// signAll signs the stale roles and all that lists them, and returns the files.
func (r *Repo) signAll(now time.Time) (map[string][]byte, error) {
	out := map[string][]byte{}
	if r.stale[metadata.ROOT] {
		if r.rootBytes != nil {
			r.root.Signed.Version++
		}
		r.root.Signed.Expires = now.Add(rootLife)
		data, err := sign(r.keys, metadata.ROOT, r.root)
		if err != nil {
			return nil, err
		}
		out[strconv.FormatInt(r.root.Signed.Version, 10)+".root.json"] = data
		r.rootBytes = data
	}
	for _, role := range slices.Sorted(maps.Keys(r.targets)) {
		if !r.stale[role] {
			continue
		}
		t := r.targets[role]
		t.Signed.Expires = now.Add(targetsLife)
		if t.Signed.Version = 1; r.snapshotHas(role) {
			t.Signed.Version = r.snapshot.Signed.Meta[role+".json"].Version + 1
		}
		data, err := sign(r.keys, role, t)
		if err != nil {
			return nil, err
		}
		r.snapshot.Signed.Meta[role+".json"] = listed(data, t.Signed.Version)
		out[versioned(r.snapshot.Signed.Meta, role)] = data
	}
	return out, r.signOnline(now, out)
}

// snapshotHas reports whether a role was published before.
func (r *Repo) snapshotHas(role string) bool {
	_, ok := r.snapshot.Signed.Meta[role+".json"]
	return ok && r.set != nil
}

// signOnline signs snapshot and timestamp, which every commit changes.
func (r *Repo) signOnline(now time.Time, out map[string][]byte) error {
	if r.set != nil {
		r.snapshot.Signed.Version++
		r.timestamp.Signed.Version++
	}
	issued := map[string]any{"issued": now.Format(time.RFC3339)}
	r.snapshot.Signed.Expires, r.snapshot.Signed.UnrecognizedFields = now.Add(snapshotLife), issued
	data, err := sign(r.keys, metadata.SNAPSHOT, r.snapshot)
	if err != nil {
		return err
	}
	r.timestamp.Signed.Meta[metadata.SNAPSHOT+".json"] = listed(data, r.snapshot.Signed.Version)
	out[versioned(r.timestamp.Signed.Meta, metadata.SNAPSHOT)] = data
	r.timestamp.Signed.Expires, r.timestamp.Signed.UnrecognizedFields = now.Add(timestampLife), issued
	out["timestamp.json"], err = sign(r.keys, metadata.TIMESTAMP, r.timestamp)
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
// is not listed yet first, the timestamp, by which all is found, last. A first
// root is written last of all: it is what makes a folder a repository.
func (r *Repo) write(out map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		if err := r.writeTarget(name, r.files[name]); err != nil {
			return err
		}
	}
	if err := r.makeFolders("."); err != nil {
		return err
	}
	last := []string{"timestamp.json"}
	if r.set == nil {
		last = append(last, "1.root.json")
	}
	first := slices.DeleteFunc(slices.Sorted(maps.Keys(out)), func(name string) bool { return slices.Contains(last, name) })
	for _, name := range append(first, last...) {
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

// sign replaces the signatures of a role by one of its key.
func sign[T metadata.Roles](keys Keys, role string, meta *metadata.Metadata[T]) ([]byte, error) {
	if keys == nil {
		return nil, errors.New("the repository was opened for reading only")
	}
	key, err := keys(role)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", role, err)
	}
	meta.ClearSignatures()
	if _, err := meta.Sign(signer{key}); err != nil {
		return nil, fmt.Errorf("sign %s: %w", role, err)
	}
	data, err := meta.ToBytes(false)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", role, err)
	}
	return append(data, '\n'), nil
}

// signer lends a key to go-tuf.
type signer struct{ key signing.Key }

func (s signer) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return s.key.Public(), nil
}

func (s signer) SignMessage(message io.Reader, _ ...signature.SignOption) ([]byte, error) {
	data, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	return s.key.Sign(data), nil
}

func tufKey(keys Keys, role string) (*metadata.Key, error) {
	key, err := keys(role)
	if err != nil {
		return nil, fmt.Errorf("key of %s: %w", role, err)
	}
	return metadata.KeyFromPublicKey(ed25519.PublicKey(key.Public()))
}

// InitSite opens the site's repository in dir, or makes an empty one whose every
// role is signed by the one key that the hub holds. It returns the repository,
// whose Root goes into the trust document.
func InitSite(disk fsys.FS, dir string, key signing.Key, now time.Time) (*Repo, error) {
	keys := func(string) (signing.Key, error) { return key, nil }
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
