package repo

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
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
	if q.after.root == nil || q.after.targets[metadata.TARGETS] == nil {
		return errors.New("it begins a repository without a root and targets")
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
