package tuf

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// Offline verifies stored metadata alone: every signature, and every hash and
// version that the parent role pins. It ignores expiry (see Set.Warnings), and
// where a refresh or a power cut left a role older than its parent lists, that
// older one is believed. want is as in Refresh. Errors are *Error.
func Offline(stored Stored, want ...string) (*Set, error) {
	root, err := storedRoot(stored)
	if err != nil {
		return nil, err
	}
	o := offline{stored: stored}
	set := &Set{root: root, edges: map[string]*targetsDoc{}}
	if set.timestamp, err = verifiedList(stored[fileName(roleTimestamp)], roleTimestamp, root.signers[roleTimestamp]); err != nil {
		return nil, err
	}
	if set.snapshot, err = verifiedList(stored[fileName(roleSnapshot)], roleSnapshot, root.signers[roleSnapshot]); err != nil {
		return nil, err
	}
	err = notNewer(roleSnapshot, stored[fileName(roleSnapshot)], set.snapshot.version, set.timestamp.meta[roleSnapshot])
	if err != nil {
		return nil, err
	}
	o.snapshot = set.snapshot
	if set.targets, err = o.role(roleTargets, root.signers[roleTargets]); err != nil {
		return nil, err
	}
	return set, set.open(want, func(_ *targetsDoc, e delegation) (*targetsDoc, error) { return o.role(e.role, e.signers) })
}

type offline struct {
	stored   Stored
	snapshot *listDoc
}

func (o offline) role(role string, keys signers) (*targetsDoc, error) {
	p, ok := o.snapshot.meta[role]
	data := o.stored[fileName(role)]
	switch {
	case !ok:
		return nil, refuse(Mixed, role, "the snapshot does not know it")
	case data == nil:
		return nil, refuse(Missing, role, "none is stored")
	case len(data) > MaxTargets:
		return nil, refuse(Endless, role, "the stored one is longer than "+strconv.Itoa(MaxTargets)+" bytes")
	}
	doc, err := readTargets(data, role)
	if err != nil {
		return nil, err
	}
	if err := keys.verify(doc.document, role); err != nil {
		return nil, err
	}
	return doc, notNewer(role, data, doc.version, p)
}

// notNewer holds a stored file against its pin. One that is older than the pin
// was verified when it was stored, and its successor never came.
func notNewer(role string, data []byte, version int64, p pin) error {
	if version < p.version {
		return nil
	}
	if err := samePin(role, version, p); err != nil {
		return err
	}
	return p.check(data, role)
}

// Change is one step of saving a store: write Data under Name durably (new file,
// sync, rename, sync of the folder), or remove Name when Data is nil.
type Change struct {
	Name string
	Data []byte
}

// Changes lists how to get from one store to the next so that a power cut
// between any two steps leaves a store that verifies or can be refreshed: when the
// root changes the keys of timestamp or snapshot, those that differ go first; then
// root, timestamp, snapshot, targets and delegated roles are written; then what is
// left over goes.
func Changes(from, to Stored) []Change {
	var out []Change
	fixed := []string{roleRoot, roleTimestamp, roleSnapshot, roleTargets}
	rotated := rotates(from[fileName(roleRoot)], to[fileName(roleRoot)])
	gone := map[string]bool{}
	for _, role := range fixed[1:3] {
		name := fileName(role)
		_, had := from[name]
		if _, has := to[name]; had && (!has || rotated && !bytes.Equal(from[name], to[name])) {
			out, gone[name] = append(out, Change{Name: name}), true
		}
	}
	order := func(name string) int {
		if i := slices.Index(fixed, strings.TrimSuffix(name, ".json")); i >= 0 {
			return i
		}
		return len(fixed)
	}
	for _, name := range sortedNames(to, order) {
		if !bytes.Equal(from[name], to[name]) {
			out = append(out, Change{Name: name, Data: to[name]})
		}
	}
	for _, name := range sortedNames(from, order) {
		if _, has := to[name]; !has && !gone[name] {
			out = append(out, Change{Name: name})
		}
	}
	return out
}

// rotates reports whether one of the two roots may revoke what the other's keys
// signed as timestamp and snapshot.
func rotates(from, to []byte) bool {
	if bytes.Equal(from, to) {
		return false
	}
	a, errA := readRoot(from)
	b, errB := readRoot(to)
	return errA != nil || errB != nil ||
		!a.signers[roleTimestamp].sameKeys(b.signers[roleTimestamp]) ||
		!a.signers[roleSnapshot].sameKeys(b.signers[roleSnapshot])
}

func sortedNames(s Stored, order func(string) int) []string {
	keys := make([]string, 0, len(s))
	for name := range s {
		keys = append(keys, strconv.Itoa(order(name))+name) // order is one digit
	}
	slices.Sort(keys)
	for i := range keys {
		keys[i] = keys[i][1:]
	}
	return keys
}
