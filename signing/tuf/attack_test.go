package tuf_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// attack is what a mirror, or a thief of some keys, shows to a client that has
// seen the sound repository once.
type attack struct {
	name string
	do   func(m *mirror)
	kind tuf.Kind
	role string
}

// before is a past moment, as metadata writes it.
func before(d time.Duration) string { return noon.Add(-d).Format(time.RFC3339) }

// wholly replaces the text of a file.
func wholly(m *mirror, name, old, new string) {
	if !strings.Contains(string(m.files[name]), old) {
		m.t.Fatalf("%s has no %s", name, old)
	}
	m.files[name] = []byte(strings.Replace(string(m.files[name]), old, new, 1))
}

// The ways in which most of them come. published is the next state of the repository,
// in which the roles given are new beside snapshot and timestamp.
func published(change func(m *mirror), roles ...string) func(*mirror) {
	return func(m *mirror) { change(m); m.bump(roles...); m.seal() }
}

// newRoot is the next root.
func newRoot(change func(m *mirror)) func(*mirror) {
	return func(m *mirror) { m.nextRoot(); change(m); m.seal() }
}

// behind is the next state, changed once everything was signed.
func behind(change func(m *mirror), roles ...string) func(*mirror) {
	return func(m *mirror) { m.bump(roles...); m.seal(); change(m) }
}

// meddled is the next state with other text in one file.
func meddled(name, old, new string) func(*mirror) {
	return behind(func(m *mirror) { wholly(m, name, old, new) })
}

var attacks = slices.Concat(plainAttacks, subtleAttacks, thresholdAttacks())

var plainAttacks = []attack{
	// Arbitrary software: somebody without the keys.
	{"timestamp by a stranger", published(func(m *mirror) { m.signers["timestamp"] = []string{"stranger"} }), tuf.Unsigned, "timestamp"},
	{"snapshot by a stranger", published(func(m *mirror) { m.signers["snapshot"] = []string{"stranger"} }), tuf.Unsigned, "snapshot"},
	{"targets by a stranger", published(func(m *mirror) { m.signers["targets"] = []string{"stranger"} }, "targets"), tuf.Unsigned, "targets"},
	{"delegated role by a stranger", published(func(m *mirror) { m.signers[stable] = []string{"stranger"} }, stable), tuf.Unsigned, stable},
	{"delegated role by the targets key", published(func(m *mirror) { m.signers[stable] = []string{"targets"} }, stable), tuf.Unsigned, stable},
	{"timestamp by the snapshot key", published(func(m *mirror) { m.signers["timestamp"] = []string{"snapshot"} }), tuf.Unsigned, "timestamp"},
	{"no signature at all", published(func(m *mirror) { m.signers["timestamp"] = nil }), tuf.Unsigned, "timestamp"},
	{"content changed under the signature", meddled("timestamp.json", `"version":3`, `"version":4`), tuf.Unsigned, "timestamp"},
	{"signature for another key id", meddled("timestamp.json", keyID("timestamp"), keyID("snapshot")), tuf.Unsigned, "timestamp"},
	{"signature cut short", meddled("timestamp.json", `"sig":"`, `"sig":"00`), tuf.Unsigned, "timestamp"},

	// Roots.
	{"root by one key of two", newRoot(func(m *mirror) { m.signers["root"] = []string{"root1"} }), tuf.Unsigned, "root"},
	{"root by new keys alone", newRoot(func(m *mirror) {
		maps.Copy(at(m.docs["root"], "keys"), keys("thief1", "thief2"))
		at(m.docs["root"], "roles")["root"] = role(2, "thief1", "thief2")
		m.signers["root"] = []string{"thief1", "thief2"}
	}), tuf.Unsigned, "root"},
	{"root by old keys alone", newRoot(func(m *mirror) {
		maps.Copy(at(m.docs["root"], "keys"), keys("new1", "new2"))
		at(m.docs["root"], "roles")["root"] = role(2, "new1", "new2")
	}), tuf.Unsigned, "root"},
	{"root that skips a version", func(m *mirror) {
		m.docs["root"]["version"] = 3
		m.files["2.root.json"] = m.sign("root")
	}, tuf.Chain, "root"},
	{"root that stands still", func(m *mirror) { m.files["2.root.json"] = m.files["1.root.json"] }, tuf.Chain, "root"},
	{"root with threshold 0", newRoot(func(m *mirror) { at(m.docs["root"], "roles", "timestamp")["threshold"] = 0 }), tuf.Malformed, "root"},
	{"root with a negative threshold", newRoot(func(m *mirror) { at(m.docs["root"], "roles", "timestamp")["threshold"] = -1 }), tuf.Malformed, "root"},
	{"root with a threshold nobody can meet", newRoot(func(m *mirror) { at(m.docs["root"], "roles", "timestamp")["threshold"] = 2 }), tuf.Unsigned, "timestamp"},
	{"root without a role", newRoot(func(m *mirror) { delete(at(m.docs["root"], "roles"), "snapshot") }), tuf.Malformed, "root"},
	{"root with a key of 31 bytes", newRoot(func(m *mirror) {
		at(m.docs["root"], "keys", keyID("snapshot"), "keyval")["public"] = public("snapshot")[2:]
	}), tuf.Malformed, "root"},
	{"root with an RSA key", newRoot(func(m *mirror) { at(m.docs["root"], "keys", keyID("snapshot"))["keytype"] = "rsa" }), tuf.Malformed, "root"},
	{"root expired", newRoot(func(m *mirror) { m.docs["root"]["expires"] = before(0) }), tuf.Expired, "root"},
	{"root too long", newRoot(func(m *mirror) { m.docs["root"]["x"] = strings.Repeat("x", tuf.MaxRoot) }), tuf.Endless, "root"},

	// Rollback.
	{"timestamp rolled back", func(m *mirror) { m.docs["timestamp"]["version"] = 1; m.seal() }, tuf.Rollback, "timestamp"},
	{"snapshot rolled back", func(m *mirror) {
		m.docs["timestamp"]["version"] = 9
		m.docs["snapshot"]["version"] = 1
		m.seal()
	}, tuf.Rollback, "timestamp"},
	{"targets rolled back", func(m *mirror) { m.bump(); m.docs["targets"]["version"] = 1; m.seal() }, tuf.Rollback, "targets"},
	{"delegated role rolled back", func(m *mirror) { m.bump(); m.docs[stable]["version"] = 1; m.seal() }, tuf.Rollback, stable},
	{"delegated role gone from the snapshot", published(func(m *mirror) {
		delete(at(m.docs["snapshot"], "meta"), stable+".json")
		delete(m.docs, stable)
	}), tuf.Rollback, stable},

	// Freeze.
	{"timestamp expired", published(func(m *mirror) { m.docs["timestamp"]["expires"] = before(time.Second) }), tuf.Expired, "timestamp"},
	{"timestamp that expires this moment", published(func(m *mirror) { m.docs["timestamp"]["expires"] = before(0) }), tuf.Expired, "timestamp"},
	{"snapshot expired", published(func(m *mirror) { m.docs["snapshot"]["expires"] = before(time.Second) }), tuf.Expired, "snapshot"},
	{"targets expired", published(func(m *mirror) { m.docs["targets"]["expires"] = before(time.Second) }, "targets"), tuf.Expired, "targets"},
	{"delegated role expired", published(func(m *mirror) { m.docs[stable]["expires"] = before(time.Second) }, stable), tuf.Expired, stable},

	// Endless data.
	{"timestamp too long", published(func(m *mirror) { m.docs["timestamp"]["x"] = strings.Repeat("x", tuf.MaxTimestamp) }), tuf.Endless, "timestamp"},
	{"snapshot longer than the timestamp says", behind(func(m *mirror) { m.files["3.snapshot.json"] = append(m.files["3.snapshot.json"], ' ') }), tuf.Endless, "snapshot"},
	{"targets longer than the snapshot says", behind(func(m *mirror) {
		m.files["3.targets.json"] = append(m.files["3.targets.json"], bytes.Repeat([]byte{' '}, 1<<20)...)
	}, "targets"), tuf.Endless, "targets"},
	{"snapshot above its limit, no length said", func(m *mirror) {
		m.bump()
		m.docs["snapshot"]["x"] = strings.Repeat("x", tuf.MaxSnapshot)
		m.seal()
		at(m.docs["timestamp"], "meta")["snapshot.json"] = obj{"version": 3}
		m.forge("timestamp")
	}, tuf.Endless, "snapshot"},

	// Mix and match.
	{"snapshot of another version", behind(func(m *mirror) {
		at(m.docs["timestamp"], "meta")["snapshot.json"] = obj{"version": 4}
		m.forge("timestamp")
		m.files["4.snapshot.json"] = m.files["3.snapshot.json"]
	}), tuf.Mixed, "snapshot"},
	{"snapshot of the same version, other content", behind(func(m *mirror) {
		m.docs["snapshot"]["x"] = 1
		m.forge("snapshot")
		m.files["3.snapshot.json"] = m.files["3.snapshot.json"][:at(m.docs["timestamp"], "meta", "snapshot.json")["length"].(int)]
	}), tuf.Mixed, "snapshot"},
	{"snapshot shorter than said", behind(func(m *mirror) { m.files["3.snapshot.json"] = []byte("{}") }), tuf.Mixed, "snapshot"},
	{"targets of another version", behind(func(m *mirror) {
		at(m.docs["snapshot"], "meta")["targets.json"] = obj{"version": 4}
		m.list("timestamp", "snapshot")
		m.forge("timestamp")
		m.files["4.targets.json"] = m.files["3.targets.json"]
	}, "targets"), tuf.Mixed, "targets"},
	{"delegated role the snapshot does not know", published(func(m *mirror) {
		d := m.docs["targets"]["delegations"].(obj)
		d["roles"] = append([]any{delegationTo("beta", []string{"stable"}, folder+"*/limpet-core")}, d["roles"].([]any)...)
	}, "targets"), tuf.Mixed, "beta"},
	{"unknown hash algorithm beside a good one", behind(func(m *mirror) {
		at(m.docs["timestamp"], "meta", "snapshot.json", "hashes")["md5"] = "00"
		m.forge("timestamp")
	}), tuf.Malformed, "timestamp"},
	{"unknown hash algorithm of a target", published(func(m *mirror) { at(m.docs[stable], "targets", core1, "hashes")["blake2b"] = "00" }, stable), tuf.Malformed, stable},
	{"target without hashes", published(func(m *mirror) { at(m.docs[stable], "targets", core1)["hashes"] = obj{} }, stable), tuf.Malformed, stable},
	{"target with a negative length", published(func(m *mirror) { at(m.docs[stable], "targets", core1)["length"] = -1 }, stable), tuf.Malformed, stable},

	// One role in another's place.
	{"snapshot as timestamp", func(m *mirror) {
		at(m.docs["root"], "roles")["snapshot"] = role(1, "timestamp")
		m.files["timestamp.json"] = m.files["2.snapshot.json"]
	}, tuf.WrongRole, "timestamp"},
	{"targets as root", func(m *mirror) { m.files["2.root.json"] = m.files["2.targets.json"] }, tuf.WrongRole, "root"},
	{"timestamp as delegated role", published(func(m *mirror) { m.docs[stable]["_type"] = "timestamp" }, stable), tuf.WrongRole, stable},

	// Delegations.
	{"delegated role named root", reservedRole("root"), tuf.Malformed, "targets"},
	{"delegated role named targets", reservedRole("targets"), tuf.Malformed, "targets"},
	{"delegated role named snapshot", reservedRole("snapshot"), tuf.Malformed, "targets"},
	{"delegated role named Timestamp", reservedRole("Timestamp"), tuf.Malformed, "targets"},
	{"delegated role twice", reservedRole(stable), tuf.Malformed, "targets"},
	{"delegated role with threshold 0", published(func(m *mirror) { m.edge()["threshold"] = 0 }, "targets"), tuf.Malformed, "targets"},
	{"delegation with paths and prefixes", published(func(m *mirror) { m.edge()["path_hash_prefixes"] = []any{"00"} }, "targets"), tuf.Malformed, "targets"},
	{"delegation with neither", published(func(m *mirror) { delete(m.edge(), "paths") }, "targets"), tuf.Malformed, "targets"},
	{"delegation with a bad pattern", published(func(m *mirror) { m.edge()["paths"] = []any{"["} }, "targets"), tuf.Malformed, "targets"},
	{"succinct roles", published(func(m *mirror) {
		d := at(m.docs["targets"], "delegations")
		delete(d, "roles")
		d["succinct_roles"] = obj{"keyids": []any{keyID("stable")}, "threshold": 1, "bit_length": 1, "name_prefix": "bin"}
	}, "targets"), tuf.Malformed, "targets"},
	{"delegations too deep", func(m *mirror) { m.chain(9); m.seal() }, tuf.Delegation, "deep-8"},
	{"too many delegated roles to visit", func(m *mirror) { m.fan(40); m.seal() }, tuf.Delegation, "wide-32"},

	// Bytes.
	{"member twice", meddled("timestamp.json", `"version":3`, `"version":3,"version":3`), tuf.Malformed, "timestamp"},
	{"trailing data", behind(func(m *mirror) { m.files["timestamp.json"] = append(m.files["timestamp.json"], "{}"...) }), tuf.Malformed, "timestamp"},
	{"float version", meddled("timestamp.json", `"version":3`, `"version":3.0`), tuf.Malformed, "timestamp"},
	{"member name in another case", meddled("timestamp.json", `"signed"`, `"Signed"`), tuf.Malformed, "timestamp"},
	{"two signatures under one key id", published(func(m *mirror) { m.signers["timestamp"] = []string{"timestamp", "timestamp"} }), tuf.Malformed, "timestamp"},
	{"signature not hex", meddled("timestamp.json", `"sig":"`, `"sig":"zz`), tuf.Malformed, "timestamp"},
	{"spec version 2", func(m *mirror) { m.docs["timestamp"]["spec_version"] = "2.0.0"; m.bump(); m.seal() }, tuf.Malformed, "timestamp"},
	{"version 0", func(m *mirror) { m.docs["timestamp"]["version"] = 0; m.seal() }, tuf.Malformed, "timestamp"},
	{"expiry with fractions", published(func(m *mirror) { m.docs["timestamp"]["expires"] = "2030-05-08T12:00:00.5Z" }), tuf.Malformed, "timestamp"},
	{"expiry in a time zone", published(func(m *mirror) { m.docs["timestamp"]["expires"] = "2030-05-08T12:00:00+01:00" }), tuf.Malformed, "timestamp"},
	{"issued after it expires", published(func(m *mirror) { m.docs["timestamp"]["issued"] = "2031-05-08T12:00:00Z" }), tuf.Malformed, "timestamp"},
	{"timestamp silent about the snapshot", func(m *mirror) {
		m.bump()
		m.docs["timestamp"]["meta"] = obj{"other.json": obj{"version": 1}}
		m.forge("timestamp")
	}, tuf.Malformed, "timestamp"},
	{"empty file", func(m *mirror) { m.files["timestamp.json"] = nil }, tuf.Malformed, "timestamp"},
	{"web page in its place", func(m *mirror) { m.files["timestamp.json"] = []byte("<html>sign in to the hotel") }, tuf.Malformed, "timestamp"},
	{"timestamp gone", func(m *mirror) { delete(m.files, "timestamp.json") }, tuf.Missing, "timestamp"},
	{"snapshot gone", behind(func(m *mirror) { delete(m.files, "3.snapshot.json") }), tuf.Missing, "snapshot"},
}

func reservedRole(name string) func(*mirror) {
	return func(m *mirror) {
		d := at(m.docs["targets"], "delegations")
		d["roles"] = append(d["roles"].([]any), delegationTo(name, []string{"stable"}, "x/*"))
		m.bump("targets")
		m.seal()
	}
}

func (m *mirror) nextRoot() { m.docs["root"]["version"] = m.version("root") + 1 }

// edge is the delegation to the stable role.
func (m *mirror) edge() obj { return at(m.docs["targets"], "delegations")["roles"].([]any)[0].(obj) }

// chain puts n roles between targets and nothing, each below the last.
func (m *mirror) chain(n int) {
	parent := "targets"
	for i := range n {
		name := fmt.Sprintf("deep-%d", i)
		m.docs[parent]["delegations"] = obj{"keys": keys("stable"), "roles": []any{delegationTo(name, []string{"stable"}, folder+"*/limpet-core")}}
		m.docs[name] = signed("targets", day, obj{"targets": obj{}})
		m.signers[name] = []string{"stable"}
		parent = name
	}
	m.bump("targets")
}

// fan puts n roles beside each other, none of which ends a search.
func (m *mirror) fan(n int) {
	var list []any
	for i := range n {
		name := fmt.Sprintf("wide-%02d", i)
		d := delegationTo(name, []string{"stable"}, folder+"*/limpet-core")
		d["terminating"] = false
		list = append(list, d)
		m.docs[name] = signed("targets", day, obj{"targets": obj{}})
		m.signers[name] = []string{"stable"}
	}
	m.docs["targets"]["delegations"] = obj{"keys": keys("stable"), "roles": list}
	m.bump("targets")
}

// TestAttacks shows each attack to a client that has seen the repository at its
// second version: the refusal is the right one, nothing that was trusted before is
// lost, and the next honest version is accepted.
func TestAttacks(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			m := newMirror(t)
			m.bump("targets", stable)
			m.seal()
			stored := m.refreshed()
			given := maps.Clone(stored)

			a.do(m)
			set, after, err := tuf.Refresh(stored, m.source, noon, folder)
			if kind, where := kindOf(t, err); kind != a.kind || where != a.role {
				t.Fatalf("refused as %v (%s), want %v (%s): %v", kind, where, a.kind, a.role, err)
			}
			if set != nil {
				t.Error("a set came back with the error")
			}
			if !maps.EqualFunc(stored, given, bytes.Equal) {
				t.Error("the store that was given was changed")
			}
			gotuf(t, m, stored, err)
			// A new root that was really signed may have left nobody who speaks for a role.
			sameRoot := bytes.Equal(after["root.json"], given["root.json"])
			if _, err := tuf.Offline(after, folder); err != nil && sameRoot && bytes.Equal(after["targets.json"], given["targets.json"]) {
				t.Errorf("what is left does not verify offline: %v", err)
			}

			honest := newMirror(t)
			for _, doc := range honest.docs {
				doc["version"] = 50
			}
			honest.docs["root"]["version"] = 1
			for n := 2; n < 4; n++ {
				if bytes.Equal(after["root.json"], m.files[fmt.Sprintf("%d.root.json", n)]) {
					honest.docs["root"]["version"] = n + 1
				}
			}
			honest.seal()
			if a.kind == tuf.Delegation {
				return // snapshot and targets were really signed: no way back to fewer roles
			}
			if _, _, err := tuf.Refresh(after, honest.source, noon, folder); err != nil {
				t.Errorf("the honest mirror is refused afterwards: %v", err)
			}
		})
	}
}
