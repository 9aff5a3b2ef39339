package tuf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

const evil = folder + "9.9.9/limpet-core"

// lists makes a role list a core that the publisher never made.
func lists(role string) func(*mirror) {
	return func(m *mirror) {
		m.docs[role]["targets"].(obj)[evil] = fileOf("evil", customOf("9.9.9", 99))
		m.bump(role)
		m.seal()
	}
}

// by signs a role with the keys given, the thief's own among them.
func by(role string, do func(*mirror), labels ...string) func(*mirror) {
	return func(m *mirror) { m.signers[role] = labels; do(m) }
}

// twoTargets is a publisher who signs targets with two keys of three.
func twoTargets(m *mirror) {
	for k, v := range keys("targets2", "targets3") {
		at(m.docs["root"], "keys")[k] = v
	}
	at(m.docs["root"], "roles")["targets"] = role(2, "targets", "targets2", "targets3")
	m.signers["targets"] = []string{"targets", "targets2"}
}

type theft struct {
	keys, what string
	prepare    func(*mirror)
	do         func(*mirror)
	kind       tuf.Kind
}

func (th theft) name() string { return strings.ReplaceAll(th.keys+" "+th.what, ",", "") }

// thefts are what somebody may do who controls the mirror and holds some keys. They
// are the rows of docs/threat-model.md; kind 0 is what nothing here prevents.
var thefts = []theft{
	{"none", "lists a core", nil, by(stable, lists(stable), "thief"), tuf.Unsigned},
	{"none", "shows nothing new", nil, func(*mirror) {}, 0},
	{"timestamp", "lists a core", nil, by(stable, by("snapshot", lists(stable), "thief"), "thief"), tuf.Unsigned},
	{"timestamp", "says that there is nothing new, for ever", nil, func(m *mirror) {
		m.docs["timestamp"]["version"] = 99
		m.docs["timestamp"]["expires"] = noon.Add(3650 * day).Format(time.RFC3339)
		m.forge("timestamp")
	}, 0},
	{"timestamp", "says so when the snapshot has expired", func(m *mirror) { m.docs["snapshot"]["expires"] = noon.Add(time.Second).Format(time.RFC3339) }, func(m *mirror) {
		m.docs["timestamp"]["version"] = 99
		m.forge("timestamp")
	}, tuf.Expired},
	{"timestamp", "goes back to an older snapshot", nil, func(m *mirror) {
		m.docs["timestamp"]["version"] = 99
		m.docs["snapshot"]["version"] = 1
		m.seal()
	}, tuf.Rollback},
	{"snapshot, timestamp", "lists a core", nil, by(stable, lists(stable), "snapshot", "timestamp"), tuf.Unsigned},
	{"snapshot, timestamp", "lists it in targets", nil, by("targets", lists("targets"), "snapshot"), tuf.Unsigned},
	{"snapshot, timestamp", "goes back to older releases", nil, func(m *mirror) { m.bump(); m.docs[stable]["version"] = 1; m.seal() }, tuf.Rollback},
	{"snapshot, timestamp", "withholds a role", nil, func(m *mirror) {
		m.bump()
		delete(m.docs["snapshot"]["meta"].(obj), stable+".json")
		m.list("timestamp", "snapshot")
		m.forge("timestamp")
	}, tuf.Rollback},
	{"snapshot, timestamp", "makes a new root", nil, func(m *mirror) {
		m.nextRoot()
		m.signers["root"] = []string{"snapshot", "timestamp"}
		m.seal()
	}, tuf.Unsigned},
	{"one key of root", "makes a new root", nil, func(m *mirror) { m.nextRoot(); m.signers["root"] = []string{"root1"}; m.seal() }, tuf.Unsigned},
	{"one key of targets", "lists a core", twoTargets, by("targets", lists("targets"), "targets"), tuf.Unsigned},
	{"one key of targets", "gives the channel another key", twoTargets, func(m *mirror) {
		at(m.docs["targets"], "delegations")["keys"] = keys("thief")
		m.edge()["keyids"] = []any{keyID("thief")}
		m.signers["targets"], m.signers[stable] = []string{"targets"}, []string{"thief"}
		m.bump("targets")
		lists(stable)(m)
	}, tuf.Unsigned},
	{"another channel", "lists a core of this one", func(m *mirror) { beta(m) }, func(m *mirror) {
		m.docs["beta"]["targets"].(obj)[evil] = fileOf("evil", customOf("9.9.9", 99))
		m.bump("beta")
		m.seal()
	}, 0}, // accepted, and not listed: see below
	{"this channel", "lists a core", nil, lists(stable), 0},
}

// beta adds a second channel, with a key of its own.
func beta(m *mirror) {
	d := at(m.docs["targets"], "delegations")
	d["keys"] = keys("stable", "beta")
	d["roles"] = append([]any{delegationTo("beta", []string{"beta"}, "core/beta/linux-amd64/*/limpet-core")}, d["roles"].([]any)...)
	m.docs["beta"] = signed("targets", 90*day, obj{"targets": obj{}})
	m.signers["beta"] = []string{"beta"}
}

func TestWhatAThiefCanAndCannotDo(t *testing.T) {
	for _, c := range thefts {
		t.Run(c.name(), func(t *testing.T) {
			m := newMirror(t)
			if c.prepare != nil {
				c.prepare(m)
			}
			m.bump("targets", stable)
			m.seal()
			stored := m.refreshed()
			c.do(m)
			now := noon
			if c.kind == tuf.Expired {
				now = now.Add(time.Second)
			}
			set, after, err := tuf.Refresh(stored, m.source, now, folder, "core/beta/linux-amd64/")
			if kind, _ := kindOf(t, err); kind != c.kind {
				t.Errorf("%v, want %v", err, c.kind)
			}
			if err != nil {
				if set, err = tuf.Offline(after, folder); err != nil {
					t.Fatal(err)
				}
			}
			_, err = set.Target(evil)
			if can := c.keys == "this channel"; (err == nil) != can {
				t.Errorf("the thief's core: %v", err)
			}
			if _, err := set.Target(core1); err != nil {
				t.Errorf("the publisher's core: %v", err)
			}
		})
	}
}

// After a theft of the online keys: new ones, and everybody is back, however far the
// thief pushed the versions.
func TestNewKeysEndATheft(t *testing.T) {
	m := newMirror(t)
	for _, role := range []string{"timestamp", "snapshot"} {
		m.docs[role]["version"] = 1 << 62
		m.docs[role]["expires"] = noon.Add(3650 * day).Format(time.RFC3339)
	}
	m.seal()
	stored := m.refreshed()
	m.rotate("timestamp", "timestamp2", 1)
	at(m.docs["root"], "keys")[keyID("snapshot2")] = tufKey("snapshot2")
	at(m.docs["root"], "roles")["snapshot"] = role(1, "snapshot2")
	m.signers["snapshot"] = []string{"snapshot2"}
	m.number(2, "timestamp", "snapshot")
	m.seal()
	if _, _, err := tuf.Refresh(stored, m.source, noon, folder); err != nil {
		t.Error(err)
	}
}
