package tuf

import (
	"crypto/sha256"
	"path"
	"strconv"
	"strings"
)

// Bounds of one search through delegations.
const (
	maxVisits     = 32
	maxDelegation = 8 // edges from targets down
)

// targetsDoc is targets or a delegated role.
type targetsDoc struct {
	document
	role        string
	targets     map[string]target
	delegations []delegation
}

type target struct {
	pin
	custom value
}

// delegation is one edge: who may sign for which paths.
type delegation struct {
	signers
	role        string
	terminating bool
	paths       []string // patterns; "*" stays within its folder
	prefixes    []string // of the SHA-256 of the path, in hex
}

func readTargets(data []byte, role string) (*targetsDoc, error) {
	doc, err := readDocument(data, role, roleTargets)
	if err != nil {
		return nil, err
	}
	var d decoder
	out := &targetsDoc{document: doc, role: role, targets: map[string]target{}}
	list := d.need(doc.body, "targets", object)
	for i, name := range list.names {
		out.targets[name] = d.target(name, list.items[i])
	}
	if all, ok := doc.body.member("delegations"); ok {
		out.delegations = d.delegations(all)
	}
	if d.err != nil {
		return nil, refuse(Malformed, role, d.err.Error())
	}
	return out, nil
}

func (d *decoder) target(name string, v value) target {
	if name == "" || len(name) > maxNameLength {
		d.fail("target path empty or too long")
	}
	t := target{custom: d.maybe(v, "custom", object)}
	t.length = d.int(v, "length", 0, maxTarget)
	d.hashes(v, &t.pin)
	return t
}

func (d *decoder) delegations(v value) []delegation {
	if v.kind != object {
		d.fail(`"delegations" has the wrong type`)
	}
	if _, ok := v.member("succinct_roles"); ok {
		d.fail("succinct roles are not part of this profile")
	}
	ring := d.keyring(v)
	roles := d.need(v, "roles", array).items
	if len(roles) > maxRoles {
		d.fail("too many delegated roles")
		return nil
	}
	out, seen := make([]delegation, 0, len(roles)), map[string]bool{}
	for _, item := range roles {
		edge := d.delegation(item, ring)
		if seen[edge.role] {
			d.fail("delegated role " + strconv.Quote(edge.role) + " twice")
		}
		seen[edge.role] = true
		out = append(out, edge)
	}
	return out
}

func (d *decoder) delegation(v value, ring map[string]publicKey) delegation {
	edge := delegation{
		signers:     d.signers(v, ring),
		role:        d.text(v, "name"),
		terminating: d.need(v, "terminating", boolean).text == "true",
		paths:       d.texts(v, "paths", maxRoles),
		prefixes:    d.texts(v, "path_hash_prefixes", 1<<14),
	}
	if reserved(edge.role) || edge.role == "" || len(edge.role) > 128 {
		d.fail("role name " + strconv.Quote(edge.role) + " is reserved, empty or too long")
	}
	_, byPath := v.member("paths")
	_, byHash := v.member("path_hash_prefixes")
	if byPath == byHash {
		d.fail("a delegation needs either paths or path_hash_prefixes")
	}
	for _, p := range edge.paths {
		for _, part := range strings.Split(p, "/") {
			if _, err := path.Match(part, ""); err != nil || len(p) > maxNameLength {
				d.fail("bad path pattern " + strconv.Quote(p))
			}
		}
	}
	for _, p := range edge.prefixes {
		if p == "" || strings.Trim(p, hexDigits) != "" {
			d.fail("bad path hash prefix " + strconv.Quote(p))
		}
	}
	return edge
}

// reserved reports the names of the four fixed roles, in any case: a store may
// lie on a file system that does not tell "Targets.json" from "targets.json".
func reserved(role string) bool {
	switch strings.ToLower(role) {
	case roleRoot, roleTimestamp, roleSnapshot, roleTargets:
		return true
	}
	return false
}

// covers reports whether the edge speaks for a target path.
func (e delegation) covers(target string) bool {
	for _, pattern := range e.paths {
		if matches(strings.Split(pattern, "/"), strings.Split(target, "/")) {
			return true
		}
	}
	if len(e.prefixes) == 0 {
		return false
	}
	sum := sha256.Sum256([]byte(target))
	hash := hexed(sum[:])
	for _, prefix := range e.prefixes {
		if strings.HasPrefix(hash, prefix) {
			return true
		}
	}
	return false
}

// reaches reports whether the edge may speak for anything below dir, which ends
// in "/".
func (e delegation) reaches(dir string) bool {
	parts := strings.Split(strings.TrimSuffix(dir, "/"), "/")
	for _, pattern := range e.paths {
		p := strings.Split(pattern, "/")
		if len(p) > len(parts) && matches(p[:len(parts)], parts) {
			return true
		}
	}
	return len(e.prefixes) > 0
}

// matches compares folder by folder, so that nothing in a pattern, a character
// class included, can stand for "/".
func matches(pattern, parts []string) bool {
	if len(pattern) != len(parts) {
		return false
	}
	for i := range parts {
		if ok, _ := path.Match(pattern[i], parts[i]); !ok {
			return false
		}
	}
	return true
}

// edgeKey names an edge; trust in a role is trust in one edge that leads to it.
func edgeKey(parent *targetsDoc, e delegation) string { return parent.role + "\x00" + e.role }

// search walks the delegations in their order, depth first (TUF 5.6.7). load
// brings the role behind an edge, verified for that edge. It ends at the first
// role where found says so, or behind a terminating edge.
type search struct {
	follow func(delegation) bool
	load   func(parent *targetsDoc, e delegation) (*targetsDoc, error)
	found  func(*targetsDoc) bool
	sweep  bool // visit all edges that follow lets through, terminating or not
	seen   map[string]bool
}

// visit reports whether the search is over.
func (s *search) visit(doc *targetsDoc, depth int) (bool, error) {
	if s.found(doc) {
		return true, nil
	}
	for _, edge := range doc.delegations {
		key := edge.role
		if s.sweep {
			key = edgeKey(doc, edge)
		}
		if s.seen[key] || !s.follow(edge) {
			continue
		}
		s.seen[key] = true
		if depth == maxDelegation || len(s.seen) > maxVisits {
			return true, refuse(Delegation, edge.role, "below "+doc.role)
		}
		child, err := s.load(doc, edge)
		if err != nil {
			return true, err
		}
		if over, err := s.visit(child, depth+1); over || err != nil {
			return true, err
		}
		if edge.terminating && !s.sweep {
			return true, nil
		}
	}
	return false, nil
}
