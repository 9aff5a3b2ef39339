package tuf_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// FuzzSequences lets a repository and its mirror live for a while, honestly and not, and
// compares the verdicts on every look of one client that keeps its store.
func FuzzSequences(f *testing.F) {
	for seed := range uint64(30) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		m := newMirror(t)
		stored, past := m.fresh(), []map[string][]byte{}
		for step := range 8 {
			past = append(past, maps.Clone(m.files))
			what := misdeed(random, m, past)
			if what == "" {
				return // damaged beyond signing
			}
			set, after, err := tuf.Refresh(stored, m.source, noon, core1)
			if gotuf(t, m, stored, err); t.Failed() {
				t.Fatalf("step %d: %s", step, what)
			}
			if err == nil {
				older, _ := tuf.Offline(stored, core1)
				for i, e := range set.Expiries() {
					if older != nil && i < len(older.Expiries()) && older.Expiries()[i].Role == e.Role && e.Version < older.Expiries()[i].Version {
						t.Fatalf("step %d: %s: %s goes back from %d to %d", step, what, e.Role, older.Expiries()[i].Version, e.Version)
					}
				}
			}
			stored = after
		}
	})
}

// misdeed changes a mirror in one of the ways a publisher, a thief or a bad network does,
// and says which. Keys of timestamp and snapshot stay: what follows from their change is
// where we and go-tuf differ on purpose.
func misdeed(random *rand.Rand, m *mirror, past []map[string][]byte) string {
	role := []string{"timestamp", "snapshot", "targets", stable}[random.IntN(4)]
	switch random.IntN(9) {
	case 0, 1, 2:
		m.bump("targets", stable)
		m.seal()
		return "a release"
	case 3:
		m.nextRoot()
		m.seal()
		return "a root"
	case 4:
		m.files = maps.Clone(past[random.IntN(len(past))])
		return "an earlier state"
	case 5:
		old := past[random.IntN(len(past))]
		for _, name := range slices.Sorted(maps.Keys(m.files)) {
			if old[name] != nil && random.IntN(2) > 0 {
				m.files[name] = old[name]
			}
		}
		return "a mixture"
	case 6:
		m.docs[role]["version"] = 1 + random.IntN(6)
		m.seal()
		return role + " of another version"
	case 7:
		delete(m.files, slices.Sorted(maps.Keys(m.files))[random.IntN(len(m.files))])
		return "a file gone"
	}
	broken := m.docs[role]
	m.docs[role] = clone(broken)
	damage(random, m.docs[role])
	ok := sealed(m)
	m.docs[role] = broken // the publisher's own copy is sound
	if !ok {
		return ""
	}
	return fmt.Sprintf("a damaged %s", role)
}

func clone(doc obj) obj {
	out := obj{}
	for name, v := range doc {
		if below, ok := v.(obj); ok {
			v = clone(below)
		}
		out[name] = v
	}
	return out
}
