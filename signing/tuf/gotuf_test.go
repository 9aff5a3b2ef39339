package tuf_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// gotuf shows the mirror to go-tuf's verifier and fails the test where we accepted
// what it refuses. ours is our verdict.
func gotuf(t testing.TB, m *mirror, stored tuf.Stored, ours error) {
	t.Helper()
	if theirs := theirVerdict(m, stored); ours == nil && theirs != nil {
		t.Errorf("we accept what go-tuf refuses: %v", theirs)
	}
}

// theirVerdict drives go-tuf's trusted metadata through the client workflow.
func theirVerdict(m *mirror, stored tuf.Stored) (err error) {
	defer func() {
		if p := recover(); p != nil { // a key of 31 bytes does that
			err = fmt.Errorf("go-tuf panics: %v", p)
		}
	}()
	trusted, err := trustedmetadata.New(stored["root.json"])
	if err != nil {
		return err
	}
	trusted.RefTime = noon
	for {
		data, err := m.source(fmt.Sprintf("%d.root.json", trusted.Root.Signed.Version+1), tuf.MaxRoot)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if _, err := trusted.UpdateRoot(data); err != nil {
			return err
		}
	}
	if old := stored["timestamp.json"]; old != nil {
		_, _ = trusted.UpdateTimestamp(old) // a stored one that is no good any more is no matter
	}
	data, err := m.source("timestamp.json", tuf.MaxTimestamp)
	if err != nil {
		return err
	}
	if _, err := trusted.UpdateTimestamp(data); err != nil && !errors.Is(err, &metadata.ErrEqualVersionNumber{}) {
		return err
	}
	// What is stored is asked first, as go-tuf's own updater does; but like anything else against the hash that its parent says.
	// go-tuf takes a stored snapshot of the right version as it is: one signed again under the same number it never fetches.
	load := func(role string, version int64, limit int64, take func(data []byte) error) error {
		if old := stored[role+".json"]; old != nil && take(old) == nil {
			return nil
		}
		data, err := m.source(fmt.Sprintf("%d.%s.json", version, role), limit)
		if err != nil {
			return err
		}
		return take(data)
	}
	err = load("snapshot", trusted.Timestamp.Signed.Meta["snapshot.json"].Version, tuf.MaxSnapshot, func(data []byte) error {
		_, err := trusted.UpdateSnapshot(data, false)
		return err
	})
	if err != nil {
		return err
	}
	err = load("targets", trusted.Snapshot.Signed.Meta["targets.json"].Version, tuf.MaxTargets, func(data []byte) error {
		_, err := trusted.UpdateTargets(data)
		return err
	})
	if err != nil {
		return err
	}
	delegations := trusted.Targets["targets"].Signed.Delegations
	if delegations == nil {
		return nil
	}
	for _, r := range delegations.GetRolesForTarget(core1) {
		meta, ok := trusted.Snapshot.Signed.Meta[r.Name+".json"]
		if !ok {
			return fmt.Errorf("no %s in the snapshot", r.Name)
		}
		err := load(r.Name, meta.Version, tuf.MaxTargets, func(data []byte) error {
			_, err := trusted.UpdateDelegatedTargets(data, r.Name, "targets")
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// FuzzNoMoreLenientThanGoTUF damages a sound repository in a way drawn from the
// seed, signs it again with the right keys, and compares the verdicts.
func FuzzNoMoreLenientThanGoTUF(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		m := newMirror(t)
		stored := m.refreshed()
		m.bump("targets", stable)
		roles := []string{"root", "timestamp", "snapshot", "targets", stable}
		role := roles[random.IntN(len(roles))]
		if role == "root" {
			m.nextRoot()
		}
		if random.IntN(4) > 0 { // damage below the parent's pins
			damage(random, m.docs[role])
			if !sealed(m) {
				return
			}
		} else { // damage after they were made
			m.seal()
			damage(random, m.docs[role])
			if _, ok := m.docs[role]["version"].(int); !ok {
				return
			}
			m.forge(role)
		}
		_, _, err := tuf.Refresh(stored, m.source, noon, core1)
		if gotuf(t, m, stored, err); t.Failed() {
			t.Logf("%s is now %s", role, encode(t, m.docs[role]))
		}
	})
}

// sealed seals a mirror whose damaged documents may not allow it.
func sealed(m *mirror) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	m.seal()
	return true
}

// damage changes one thing somewhere in a document.
func damage(random *rand.Rand, doc obj) {
	names := make([]string, 0, len(doc))
	for name := range doc {
		names = append(names, name)
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	name := names[random.IntN(len(names))]
	if below, ok := doc[name].(obj); ok && len(below) > 0 && random.IntN(5) > 0 {
		damage(random, below)
		return
	}
	if list, ok := doc[name].([]any); ok && len(list) > 0 && random.IntN(2) > 0 {
		if below, ok := list[random.IntN(len(list))].(obj); ok {
			damage(random, below)
			return
		}
	}
	odd := []any{nil, true, false, "", "x", "0", "ff", "../x", -1, 0, 1, 2, 1 << 40, []any{}, []any{"x"}, obj{}, obj{"version": 1},
		"2030-05-01T12:00:00Z", "2035-01-01T00:00:00Z", public("thief"), keyID("root1"), "timestamp"}
	switch random.IntN(4) {
	case 0:
		delete(doc, name)
	case 1:
		doc[name+"x"] = odd[random.IntN(len(odd))]
	default:
		doc[name] = odd[random.IntN(len(odd))]
	}
}
