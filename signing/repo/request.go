package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// A request is a folder that goes from machine to machine until enough people have
// signed what is in it: docs/release-format.md, "Requests".
const (
	requestFile   = "request.json"
	baseDir       = "base"       // the repository's metadata as it was
	papersDir     = "sign"       // the metadata to be signed
	signaturesDir = "signatures" // one file a role and key

	requestFormat = 1
	maxRequest    = 1 << 20  // bytes of request.json
	maxSignature  = 4 << 10  // bytes of a signature's file
	maxFiles      = 4 * 1024 // of one request
)

// requestHead is request.json, the last file written: without it there is no request.
type requestHead struct {
	Format  int               `json:"format"`
	Made    string            `json:"made"`
	Purpose string            `json:"purpose"` // what the publisher says it is for
	Papers  []string          `json:"papers"`  // names below sign/
	Targets map[string]string `json:"targets"` // names below targets/ → SHA-256 in hex
}

// signatureFile is what one keyholder adds.
type signatureFile struct {
	Role      string `json:"role"`
	Version   int64  `json:"version"`
	KeyID     string `json:"keyid"`
	Signature string `json:"sig"`
}

// Request is a request as it was read: what is to be signed, and what was before.
type Request struct {
	Made    time.Time
	Purpose string // the word of whoever made it; believe Words instead

	disk   fsys.FS
	dir    string
	head   requestHead
	base   *Repo // nil: this is a repository's beginning
	after  *Repo // as it will be
	papers []*paper
}

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
		role := strings.TrimSuffix(name, ".json")
		if r.set != nil && r.published(role) {
			names = append(names, strconv.FormatInt(r.publishedVersion(role), 10)+"."+role+".json")
		}
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
	return nil
}

// published reports whether a role is in what clients see today.
func (r *Repo) published(role string) bool { return r.publishedVersion(role) > 0 }

func (r *Repo) publishedVersion(role string) int64 {
	if m := r.snapshot.Signed.Meta[role+".json"]; m != nil {
		return m.Version
	}
	return 0
}

// OpenRequest reads a request, verifies the repository it changes, and takes those of
// its signatures that count. What is in it beyond that is for Words to say and for
// people to judge. A folder without one is fs.ErrNotExist.
func OpenRequest(disk fsys.FS, dir string) (*Request, error) {
	q := &Request{disk: disk, dir: dir}
	if err := q.load(); err != nil {
		return nil, fmt.Errorf("read request %s: %w", dir, err)
	}
	return q, nil
}

func (q *Request) load() error {
	data, err := fsys.Read(q.disk, filepath.Join(q.dir, requestFile), maxRequest)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &q.head); err != nil {
		return fmt.Errorf("%s: %w", requestFile, err)
	}
	if q.head.Format != requestFormat || len(q.head.Papers) == 0 || len(q.head.Targets) > maxFiles {
		return errors.New("it is of another limpet-release")
	}
	if q.Made, err = time.Parse(time.RFC3339, q.head.Made); err != nil {
		return fmt.Errorf("%s: %w", requestFile, err)
	}
	q.Purpose = q.head.Purpose
	if err := q.loadBase(); err != nil {
		return err
	}
	for _, name := range q.head.Papers {
		if err := q.after.takePaper(q.disk, filepath.Join(q.dir, papersDir), name); err != nil {
			return err
		}
	}
	if q.papers, err = q.after.papers(q.Made); err != nil {
		return err
	}
	return q.loadSignatures()
}

// loadBase opens what the request begins from, twice: to compare with, and to change.
func (q *Request) loadBase() error {
	dir := filepath.Join(q.dir, baseDir)
	base, err := Open(q.disk, dir, nil)
	switch {
	case err == nil:
		q.base = base
		q.after, err = Open(q.disk, dir, nil)
		return err
	case errors.Is(err, fs.ErrNotExist):
		q.after = beginning(q.disk, q.dir, nil)
		return nil
	}
	return err
}

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

// loadSignatures takes what keyholders have added. A signature that does not count is
// refused aloud: somebody believes that it does.
func (q *Request) loadSignatures() error {
	names, err := q.disk.ReadDir(filepath.Join(q.dir, signaturesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".json") {
			continue // what file systems and people leave in folders
		}
		if err := q.loadSignature(name); err != nil {
			return fmt.Errorf("%s/%s: %w", signaturesDir, name, err)
		}
	}
	return nil
}

func (q *Request) loadSignature(name string) error {
	data, err := fsys.Read(q.disk, filepath.Join(q.dir, signaturesDir, name), maxSignature)
	if err != nil {
		return err
	}
	var s signatureFile
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	sig, err := hex.DecodeString(s.Signature)
	if err != nil {
		return err
	}
	for _, p := range q.papers {
		if p.role == s.Role && p.version == s.Version {
			if !p.add(s.KeyID, sig) {
				return fmt.Errorf("it is no signature of this %s by one who may sign it", p.role)
			}
			return nil
		}
	}
	return fmt.Errorf("it is for version %d of %s, which is not in this request", s.Version, s.Role)
}

// Roles lists what is to be signed.
func (q *Request) Roles() []string {
	var out []string
	for _, p := range q.papers {
		out = append(out, p.role)
	}
	return out
}

// Lacks lists the roles that too few have signed yet.
func (q *Request) Lacks() []Lack { return lacking(q.papers) }

// For lists the roles that a key may sign, and those of them it has signed already.
func (q *Request) For(id string) (may, done []string) {
	for _, p := range q.papers {
		if !slices.ContainsFunc(p.may, func(v voters) bool { return v.keys[id] != nil }) {
			continue
		}
		may = append(may, p.role)
		if p.signatures[id] != nil {
			done = append(done, p.role)
		}
	}
	return may, done
}

// Sign signs every role that the key may sign and has not, adds the signatures to the
// folder, and returns the roles.
func (q *Request) Sign(s signing.Signer) ([]string, error) {
	id := signing.KeyID(s.Public())
	if s.Development() != q.after.development() {
		return nil, errors.New("a development key signs for development repositories only, and no other key does")
	}
	var out []string
	for _, p := range q.papers {
		if p.signatures[id] != nil || !slices.ContainsFunc(p.may, func(v voters) bool { return v.keys[id] != nil }) {
			continue
		}
		sig, err := s.Sign(p.payload)
		if err != nil {
			return out, fmt.Errorf("sign %s: %w", p.role, err)
		}
		if !p.add(id, sig) {
			return out, fmt.Errorf("sign %s: the signature does not verify", p.role)
		}
		text, err := json.MarshalIndent(signatureFile{p.role, p.version, id, hex.EncodeToString(sig)}, "", "  ")
		if err != nil {
			return out, err
		}
		name := filepath.Join(q.dir, signaturesDir, p.role+"."+id[:16]+".json")
		if err := fsys.WriteNew(q.disk, name, append(text, '\n'), 0o644); err != nil {
			return out, err
		}
		out = append(out, p.role)
	}
	return out, nil
}

// development reports whether the root says so.
func (r *Repo) development() bool {
	return r.root != nil && r.root.Signed.UnrecognizedFields[developmentMark] == true
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

// CopySignatures copies the signature files of one folder of a request, or of a folder
// that holds nothing else, to another of the same request, and returns how many there
// were. Whether they count is for OpenRequest to say.
func CopySignatures(disk fsys.FS, from, to string) (int, error) {
	dir := filepath.Join(from, signaturesDir)
	names, err := disk.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		dir = from
		names, err = disk.ReadDir(dir)
	}
	if err != nil {
		return 0, fmt.Errorf("read signatures: %w", err)
	}
	n := 0
	for _, name := range names {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		data, err := fsys.Read(disk, filepath.Join(dir, name), maxSignature)
		if err == nil {
			err = fsys.WriteNew(disk, filepath.Join(to, signaturesDir, name), data, 0o644)
		}
		if err != nil {
			return n, fmt.Errorf("copy signature: %w", err)
		}
		n++
	}
	return n, nil
}
