package tuf

import (
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Set is verified metadata.
type Set struct {
	root      *rootDoc
	timestamp *listDoc
	snapshot  *listDoc
	targets   *targetsDoc
	edges     map[string]*targetsDoc // delegated roles, by the edge they were verified for
}

// open loads the delegated roles that the wanted paths and folders need.
func (s *Set) open(want []string, load func(*targetsDoc, delegation) (*targetsDoc, error)) error {
	once := func(parent *targetsDoc, e delegation) (*targetsDoc, error) {
		if doc, ok := s.edges[edgeKey(parent, e)]; ok {
			return doc, nil
		}
		doc, err := load(parent, e)
		if err == nil {
			s.edges[edgeKey(parent, e)] = doc
		}
		return doc, err
	}
	for _, path := range want {
		find := search{load: once, seen: map[string]bool{}}
		if strings.HasSuffix(path, "/") {
			find.sweep = true
			find.follow = func(e delegation) bool { return e.reaches(path) }
			find.found = func(*targetsDoc) bool { return false }
		} else {
			find.follow = func(e delegation) bool { return e.covers(path) }
			find.found = func(doc *targetsDoc) bool { _, ok := doc.targets[path]; return ok }
		}
		if _, err := find.visit(s.targets, 0); err != nil {
			return err
		}
	}
	return nil
}

// uses reports whether a stored file belongs to this set.
func (s *Set) uses(name string) bool {
	for _, e := range s.Expiries() {
		if fileName(e.Role) == name {
			return true
		}
	}
	return false
}

// Development reports whether the root says of itself that it is for development
// only (`"x-limpet-development": true` in its signed part).
func (s *Set) Development() bool { return s.root.development }

// Issued is when the timestamp was signed, by the publisher's clock: a time that
// has certainly passed. It is zero where the timestamp does not say, and where it
// says a time at which root, targets or a delegated role had expired: people
// signed those, and the keys that sign every day prove nothing beyond them. Who
// stole these would else move the time of all who listen past whatever people
// sign to end it.
func (s *Set) Issued() time.Time {
	issued := s.timestamp.issued
	for _, doc := range append(s.loaded(), s.targets) {
		if !doc.expires.After(issued) {
			return time.Time{}
		}
	}
	if !s.root.expires.After(issued) {
		return time.Time{}
	}
	return issued
}

// Target looks a target up by its path, through the delegations in their order
// (TUF 5.6.7). The error is NotListed when nobody entitled to lists it, and
// NotLoaded when the path was not covered by want.
func (s *Set) Target(path string) (Target, error) {
	if !plainPath(path) {
		return Target{}, refuse(Malformed, path, "not a plain relative path")
	}
	var in *targetsDoc
	find := search{
		seen:   map[string]bool{},
		follow: func(e delegation) bool { return e.covers(path) },
		load: func(parent *targetsDoc, e delegation) (*targetsDoc, error) {
			if doc, ok := s.edges[edgeKey(parent, e)]; ok {
				return doc, nil
			}
			return nil, refuse(NotLoaded, path, "role "+e.role)
		},
		found: func(doc *targetsDoc) bool {
			_, ok := doc.targets[path]
			if ok {
				in = doc
			}
			return ok
		},
	}
	if _, err := find.visit(s.targets, 0); err != nil {
		return Target{}, err
	}
	if in == nil {
		return Target{}, refuse(NotListed, path, "")
	}
	return s.target(path, in)
}

func (s *Set) target(path string, in *targetsDoc) (Target, error) {
	t := in.targets[path]
	dir, base := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, base = path[:i+1], path[i+1:]
	}
	out := Target{Path: path, Role: in.role, Length: t.length, sha512: t.sha512, custom: t.custom}
	hash := t.sha256
	if out.only512 = hash == nil; out.only512 {
		hash = t.sha512
	} else {
		out.SHA256 = [sha256.Size]byte(hash)
	}
	if s.root.consistent {
		base = hexed(hash) + "." + base
	}
	out.File = "targets/" + dir + base
	return out, nil
}

// Under lists the targets below a folder ("core/stable/linux-amd64/") that
// Target would find, ordered by path.
func (s *Set) Under(dir string) ([]Target, error) {
	names := map[string]bool{}
	for _, doc := range append(s.loaded(), s.targets) {
		for name := range doc.targets {
			if strings.HasPrefix(name, dir) {
				names[name] = true
			}
		}
	}
	ordered := make([]string, 0, len(names))
	for name := range names {
		ordered = append(ordered, name)
	}
	slices.Sort(ordered) // the names: to sort whole targets costs the stub 30 kB of code
	var out []Target
	for _, name := range ordered {
		t, err := s.Target(name)
		if e, ok := err.(*Error); ok && e.Kind == NotListed {
			continue // listed by a role that may not
		}
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// loaded lists the delegated roles, each once, ordered by name.
func (s *Set) loaded() []*targetsDoc {
	byRole := map[string]*targetsDoc{}
	for _, doc := range s.edges {
		byRole[doc.role] = doc
	}
	roles := make([]string, 0, len(byRole))
	for role := range byRole {
		roles = append(roles, role)
	}
	slices.Sort(roles)
	out := make([]*targetsDoc, len(roles))
	for i, role := range roles {
		out[i] = byRole[role]
	}
	return out
}

// Target is one file of the repository.
type Target struct {
	Path    string            // "core/stable/linux-amd64/0.1.0/limpet-core"
	File    string            // where a mirror has it, below its root: "targets/core/stable/linux-amd64/0.1.0/SHA256.limpet-core"
	Role    string            // who listed it
	Length  int64             // bytes, exactly
	SHA256  [sha256.Size]byte // of the whole file; all zero, which no file has, where only a SHA-512 is listed
	sha512  []byte            // where the publisher gave one
	only512 bool
	custom  value
}

// Check reads r to its end, or to one byte past the signed length, and holds it
// against the length and every hash that was signed. Errors of r are Unreadable.
func (t Target) Check(r io.Reader) error {
	h256, hashes := sha256.New(), []io.Writer{}
	hashes = append(hashes, h256)
	var h512 hash.Hash
	if t.sha512 != nil {
		h512 = sha512.New()
		hashes = append(hashes, h512)
	}
	n, err := io.Copy(io.MultiWriter(hashes...), io.LimitReader(r, t.Length+1))
	switch {
	case err != nil:
		return &Error{Kind: Unreadable, Role: t.Path, Err: err}
	case n > t.Length:
		return refuse(Endless, t.Path, "longer than "+strconv.FormatInt(t.Length, 10)+" bytes")
	case n < t.Length:
		return refuse(Mixed, t.Path, strconv.FormatInt(n, 10)+" bytes where "+strconv.FormatInt(t.Length, 10)+" were signed")
	case !t.only512 && string(h256.Sum(nil)) != string(t.SHA256[:]):
		return refuse(Mixed, t.Path, "SHA-256 is not what was signed")
	case h512 != nil && string(h512.Sum(nil)) != string(t.sha512):
		return refuse(Mixed, t.Path, "SHA-512 is not what was signed")
	}
	return nil
}

// HeldOnline reports whether those who sign timestamp or snapshot are enough to sign role (root or targets) as well: then whoever has the machine that
// signs every day can sign it, and nothing it says is anybody's word from offline.
func (s *Set) HeldOnline(role string) bool {
	online, shared := map[publicKey]bool{}, map[publicKey]bool{}
	for _, daily := range [...]string{roleTimestamp, roleSnapshot} {
		for _, key := range s.root.signers[daily].keys {
			online[key] = true
		}
	}
	v := s.root.signers[role]
	for _, key := range v.keys {
		if online[key] {
			shared[key] = true
		}
	}
	return len(shared) >= v.threshold
}
