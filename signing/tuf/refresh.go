package tuf

import (
	"errors"
	"io/fs"
	"maps"
	"strconv"
	"strings"
	"time"
)

// maxRotations is how many new roots one Refresh follows. Whoever missed more
// than that gets there by asking again.
const maxRotations = 256

// Refresh runs the client workflow (TUF 5.3 to 5.6) against src at the fixed
// time now, which is the latest of the clock and the newest Set.Issued ever seen.
//
// want names what the caller will ask the Set for: target paths, or folders
// ending in "/" for everything beneath them. Only the delegated roles that may
// list one of them are fetched.
//
// The Stored returned is never nil and is to be saved (see Changes) whatever the
// error is: it holds each role that was verified before something was refused,
// which is what rollback protection and recovery after a key rotation stand on.
// The Set is nil when the error is not. Errors are *Error.
func Refresh(stored Stored, src Source, now time.Time, want ...string) (*Set, Stored, error) {
	r := refresh{src: src, now: now, stored: Stored{}}
	maps.Copy(r.stored, stored)
	set, err := r.run(want)
	if err != nil {
		return nil, r.stored, err
	}
	for name := range r.stored { // roles nobody asked for any more
		if !set.uses(name) {
			delete(r.stored, name)
		}
	}
	return set, r.stored, nil
}

// refresh is one run of the workflow.
type refresh struct {
	src    Source
	now    time.Time
	stored Stored
	set    Set
}

func (r *refresh) run(want []string) (*Set, error) {
	if err := r.root(); err != nil {
		return nil, err
	}
	if err := r.timestamp(); err != nil {
		return nil, err
	}
	if err := r.snapshot(); err != nil {
		return nil, err
	}
	var err error
	if r.set.targets, err = r.child(roleTargets, r.set.root.signers[roleTargets]); err != nil {
		return nil, err
	}
	r.set.edges = map[string]*targetsDoc{}
	return &r.set, r.set.open(want, func(_ *targetsDoc, e delegation) (*targetsDoc, error) { return r.child(e.role, e.signers) })
}

// root follows the chain of roots, each signed by the one before it and by
// itself (TUF 5.3).
func (r *refresh) root() error {
	root, err := storedRoot(r.stored)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		next := root.version + 1
		data, err := r.fetch(roleRoot, strconv.FormatInt(next, 10)+".root.json", MaxRoot)
		if isMissing(err) {
			break // 5.3.3: the chain ends here
		}
		if err != nil {
			return err
		}
		if n == maxRotations {
			return refuse(Chain, roleRoot, "more than "+strconv.Itoa(maxRotations)+" new roots at once; ask again for the rest")
		}
		if root, err = r.rotate(root, data); err != nil {
			return err
		}
	}
	r.set.root = root
	return r.fresh(roleRoot, root.header) // 5.3.10
}

// rotate accepts data as the successor of old.
func (r *refresh) rotate(old *rootDoc, data []byte) (*rootDoc, error) {
	next, err := readRoot(data)
	if err != nil {
		return nil, err
	}
	if err := old.signers[roleRoot].verify(next.document, roleRoot); err != nil { // 5.3.4
		return nil, err
	}
	if next.version != old.version+1 { // 5.3.5
		return nil, refuse(Chain, roleRoot, "version "+strconv.FormatInt(next.version, 10)+" after "+strconv.FormatInt(old.version, 10))
	}
	if err := next.signers[roleRoot].verify(next.document, roleRoot); err != nil { // 5.3.4
		return nil, err
	}
	// 5.3.11: a thief of the old keys may have pushed the versions up; what they
	// signed is forgotten, so that the new keys can start below.
	for _, role := range [...]string{roleTimestamp, roleSnapshot} {
		if !next.signers[role].sameKeys(old.signers[role]) {
			delete(r.stored, fileName(roleTimestamp))
			delete(r.stored, fileName(roleSnapshot))
		}
	}
	r.stored[fileName(roleRoot)] = data // 5.3.8
	return next, nil
}

func (r *refresh) timestamp() error {
	keys := r.set.root.signers[roleTimestamp]
	data, err := r.fetch(roleTimestamp, "timestamp.json", MaxTimestamp)
	if err != nil {
		return err
	}
	next, err := verifiedList(data, roleTimestamp, keys) // 5.4.2
	if err != nil {
		return err
	}
	// A stored one that today's root does not sign protects nobody.
	if old, err := verifiedList(r.stored[fileName(roleTimestamp)], roleTimestamp, keys); err == nil {
		if next.version < old.version || next.meta[roleSnapshot].version < old.meta[roleSnapshot].version { // 5.4.3
			return refuse(Rollback, roleTimestamp, "version "+strconv.FormatInt(next.version, 10)+" after "+strconv.FormatInt(old.version, 10))
		}
		if next.version == old.version {
			next, data = old, r.stored[fileName(roleTimestamp)]
		}
	}
	if err := r.fresh(roleTimestamp, next.header); err != nil { // 5.4.4, also for one already stored
		return err
	}
	r.set.timestamp = next
	r.stored[fileName(roleTimestamp)] = data // 5.4.5
	return nil
}

func (r *refresh) snapshot() error {
	keys, p := r.set.root.signers[roleSnapshot], r.set.timestamp.meta[roleSnapshot]
	old, oldErr := verifiedList(r.stored[fileName(roleSnapshot)], roleSnapshot, keys)
	data, err := r.pinned(roleSnapshot, roleSnapshot, p, keys, MaxSnapshot) // 5.5.2 to 5.5.4
	if err != nil {
		return err
	}
	next, err := readList(data, roleSnapshot)
	if err != nil {
		return err
	}
	if oldErr == nil {
		if err := next.follows(old); err != nil { // 5.5.5
			return err
		}
	}
	if err := r.fresh(roleSnapshot, next.header); err != nil { // 5.5.6
		return err
	}
	r.set.snapshot = next
	r.stored[fileName(roleSnapshot)] = data // 5.5.7
	return nil
}

// follows refuses a snapshot in which a role is older than in old, or gone.
func (l *listDoc) follows(old *listDoc) error {
	if l.version < old.version {
		return refuse(Rollback, roleSnapshot, "version "+strconv.FormatInt(l.version, 10)+" after "+strconv.FormatInt(old.version, 10))
	}
	for role, before := range old.meta {
		after, ok := l.meta[role]
		if !ok {
			return refuse(Rollback, role, "gone from the snapshot")
		}
		if after.version < before.version {
			return refuse(Rollback, role, "version "+strconv.FormatInt(after.version, 10)+" after "+strconv.FormatInt(before.version, 10))
		}
	}
	return nil
}

// child brings targets or a delegated role (TUF 5.6.1 to 5.6.6).
func (r *refresh) child(role string, keys signers) (*targetsDoc, error) {
	p, ok := r.set.snapshot.meta[role]
	if !ok {
		return nil, refuse(Mixed, role, "the snapshot does not know it")
	}
	data, err := r.pinned(role, roleTargets, p, keys, MaxTargets)
	if err != nil {
		return nil, err
	}
	doc, err := readTargets(data, role)
	if err != nil {
		return nil, err
	}
	if err := r.fresh(role, doc.header); err != nil {
		return nil, err
	}
	r.stored[fileName(role)] = data
	return doc, nil
}

// pinned brings a file that its parent pins, verified in all but its expiry: from
// the store when that one is it, else from the mirror.
func (r *refresh) pinned(role, kind string, p pin, keys signers, limit int64) ([]byte, error) {
	if p.length > 0 && p.length < limit {
		limit = p.length
	}
	if data, ok := r.stored[fileName(role)]; ok && int64(len(data)) <= limit && p.verify(data, role, kind, keys) == nil {
		return data, nil
	}
	name := fileName(role)
	if r.set.root.consistent {
		name = strconv.FormatInt(p.version, 10) + "." + name
	}
	data, err := r.fetch(role, name, limit)
	if err != nil {
		return nil, err
	}
	return data, p.verify(data, role, kind, keys)
}

// verify holds data against its pin and its role's keys, in the order of TUF 5.5
// and 5.6: hashes, signatures, version.
func (p pin) verify(data []byte, role, kind string, keys signers) error {
	if err := p.check(data, role); err != nil {
		return err
	}
	doc, err := readDocument(data, role, kind)
	if err != nil {
		return err
	}
	if err := keys.verify(doc, role); err != nil {
		return err
	}
	return samePin(role, doc.version, p)
}

// fetch asks the source, and holds it to the limit.
func (r *refresh) fetch(role, name string, limit int64) ([]byte, error) {
	data, err := r.src(name, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{Kind: Missing, Role: role, Detail: name}
	}
	if err != nil {
		return nil, &Error{Kind: Unreadable, Role: role, Detail: name, Err: err}
	}
	if int64(len(data)) > limit {
		return nil, refuse(Endless, role, name+" is longer than "+strconv.FormatInt(limit, 10)+" bytes")
	}
	if data == nil {
		data = []byte{} // there, and empty
	}
	return data, nil
}

// fresh refuses what has expired at the fixed time of this refresh.
func (r *refresh) fresh(role string, h header) error {
	if !h.expires.After(r.now) {
		return refuse(Expired, role, "since "+h.expires.Format(timeFormat)+", now "+r.now.UTC().Format(timeFormat))
	}
	return nil
}

func samePin(role string, version int64, p pin) error {
	if version != p.version {
		return refuse(Mixed, role, "version "+strconv.FormatInt(version, 10)+" where "+strconv.FormatInt(p.version, 10)+" was signed")
	}
	return nil
}

func isMissing(err error) bool {
	e, ok := err.(*Error)
	return ok && e.Kind == Missing
}

// storedRoot reads the root everything starts from.
func storedRoot(s Stored) (*rootDoc, error) {
	data, ok := s[fileName(roleRoot)]
	if !ok {
		return nil, refuse(Missing, roleRoot, "no root is stored")
	}
	if len(data) > MaxRoot {
		return nil, refuse(Endless, roleRoot, "the stored one is longer than "+strconv.Itoa(MaxRoot)+" bytes")
	}
	root, err := readRoot(data)
	if err != nil {
		return nil, err
	}
	return root, root.signers[roleRoot].verify(root.document, roleRoot)
}

func verifiedList(data []byte, role string, keys signers) (*listDoc, error) {
	if data == nil {
		return nil, refuse(Missing, role, "none is stored")
	}
	if len(data) > MaxSnapshot {
		return nil, refuse(Endless, role, "the stored one is too long")
	}
	list, err := readList(data, role)
	if err != nil {
		return nil, err
	}
	return list, keys.verify(list.document, role)
}

// fileName is a role's name in a store, and in a mirror after the version. What a
// file name should not hold is percent-encoded, so that no role can name a file
// outside of its folder.
func fileName(role string) string {
	const upper = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(role) {
		c := role[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
			out.WriteByte(c)
		default:
			out.WriteByte('%')
			out.WriteByte(upper[c>>4])
			out.WriteByte(upper[c&15])
		}
	}
	return out.String() + ".json"
}
