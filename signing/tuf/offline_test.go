package tuf_test

import (
	"testing"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Offline forgives age alone: signatures, hashes and versions hold as ever.
func TestOfflineVerifiesAllButAge(t *testing.T) {
	stranger := func(role string) func(*mirror) []byte {
		return func(m *mirror) []byte {
			m.signers[role] = []string{"stranger"}
			return m.sign(role)
		}
	}
	changed := func(role string, version int) func(*mirror) []byte {
		return func(m *mirror) []byte {
			m.docs[role]["x"], m.docs[role]["version"] = 1, version
			return m.sign(role)
		}
	}
	for _, c := range []struct {
		name, role string
		forge      func(*mirror) []byte
		want       tuf.Kind
	}{
		{"root by one key of two", "root", func(m *mirror) []byte { m.signers["root"] = []string{"root1"}; return m.sign("root") }, tuf.Unsigned},
		{"timestamp by a stranger", "timestamp", stranger("timestamp"), tuf.Unsigned},
		{"snapshot by a stranger", "snapshot", stranger("snapshot"), tuf.Unsigned},
		{"targets by a stranger", "targets", stranger("targets"), tuf.Unsigned},
		{"delegated role by a stranger", stable, stranger(stable), tuf.Unsigned},
		{"snapshot of this version, other content", "snapshot", changed("snapshot", 2), tuf.Endless},
		{"targets of this version, other content", "targets", changed("targets", 2), tuf.Endless},
		{"delegated role of this version, other content", stable, changed(stable, 2), tuf.Endless},
		{"snapshot newer than listed", "snapshot", changed("snapshot", 3), tuf.Mixed},
		{"targets newer than listed", "targets", changed("targets", 3), tuf.Mixed},
		{"delegated role newer than listed", stable, changed(stable, 3), tuf.Mixed},
		{"snapshot older than listed", "snapshot", changed("snapshot", 1), 0},
		{"targets older than listed", "targets", changed("targets", 1), 0},
		{"delegated role older than listed", stable, changed(stable, 1), 0},
		{"targets in place of a delegated role", stable, func(m *mirror) []byte { return m.sign("targets") }, tuf.Unsigned},
	} {
		m := newMirror(t)
		m.bump("targets", stable)
		m.seal()
		stored := m.refreshed()
		stored[c.role+".json"] = c.forge(m)
		_, err := tuf.Offline(stored, folder)
		if kind, where := kindOf(t, err); kind != c.want || kind != 0 && where != c.role {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestRefreshStartsFromASignedRoot(t *testing.T) {
	m := newMirror(t)
	m.signers["root"] = []string{"root1"}
	_, _, err := tuf.Refresh(tuf.Stored{"root.json": m.sign("root")}, m.source, noon)
	if kind, where := kindOf(t, err); kind != tuf.Unsigned || where != "root" {
		t.Error(err)
	}
}

// A parent may give a length alone.
func TestLengthAloneHolds(t *testing.T) {
	m := newMirror(t)
	length := at(m.docs["timestamp"], "meta", "snapshot.json")["length"].(int)
	for add, want := range map[int]tuf.Kind{-1: tuf.Endless, 0: 0, 1: tuf.Mixed} {
		at(m.docs["timestamp"], "meta")["snapshot.json"] = obj{"version": 1, "length": length + add}
		m.forge("timestamp")
		_, _, err := tuf.Refresh(m.fresh(), m.source, noon, folder)
		if kind, _ := kindOf(t, err); kind != want {
			t.Errorf("a length %+d off: %v, want %v", add, err, want)
		}
	}
}
