package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// WriteRequest writes what is to be signed into a new folder, with the signatures of
// the keys at hand, instead of committing it. now is when it counts from. The
// repository in memory is of no use afterwards.
func (r *Repo) WriteRequest(disk fsys.FS, dir, purpose string, now time.Time) error {
	now = now.UTC().Truncate(time.Second)
	papers, err := r.papers(now)
	if err != nil {
		return err
	}
	if len(papers) == 0 {
		return errors.New("nothing in it is for people to sign; no request is needed")
	}
	if err := r.writeRequest(&Repo{disk: disk, dir: dir}, purpose, now, papers); err != nil {
		return fmt.Errorf("write request %s: %w", dir, err)
	}
	return nil
}

// writeRequest lends out's way of writing, which is a repository's, to a request.
func (r *Repo) writeRequest(out *Repo, purpose string, now time.Time, papers []*paper) error {
	if names, err := out.disk.ReadDir(out.dir); err == nil && len(names) > 0 {
		return errors.New("the folder is not empty; take another, or collect what is in it")
	}
	head := requestHead{Format: requestFormat, Made: now.Format(time.RFC3339), Purpose: purpose, Targets: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		sum := sha256.Sum256(r.files[name])
		head.Targets[strings.TrimPrefix(name, "targets/")] = hex.EncodeToString(sum[:])
		if err := out.writeTarget(name, r.files[name]); err != nil {
			return err
		}
	}
	if r.set != nil {
		if err := r.copyBase(out); err != nil {
			return err
		}
	}
	for _, p := range papers {
		data, err := p.file()
		if err != nil {
			return err
		}
		head.Papers = append(head.Papers, p.name())
		if err := out.writeTarget(path.Join(papersDir, p.name()), data); err != nil {
			return err
		}
	}
	if err := out.makeFolders(signaturesDir); err != nil {
		return err
	}
	text, err := json.MarshalIndent(head, "", "  ")
	if err != nil {
		return err
	}
	return out.writeTarget(requestFile, append(text, '\n'))
}

// copyBase copies the metadata that clients see today, so that a keyholder without
// the repository can tell what changes.
func (r *Repo) copyBase(out *Repo) error {
	names := []string{"timestamp.json", versioned(r.timestamp.Signed.Meta, metadata.SNAPSHOT)}
	for name := range r.snapshot.Signed.Meta {
		names = append(names, versioned(r.snapshot.Signed.Meta, strings.TrimSuffix(name, ".json")))
	}
	newest, err := newestRoot(r.disk, r.dir)
	if err != nil {
		return err
	}
	for n := int64(1); n <= newest; n++ {
		names = append(names, strconv.FormatInt(n, 10)+".root.json")
	}
	for _, name := range names {
		data, err := r.Read(name, tuf.MaxTargets)
		if err != nil {
			return err
		}
		if err := out.writeTarget(path.Join(baseDir, name), data); err != nil {
			return err
		}
	}
	return r.copyAllowed(out)
}
