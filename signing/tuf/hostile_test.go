package tuf_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// More of what a mirror may show; see attacks.
func init() {
	attacks = append(attacks,
		attack{"root with a fifth role", func(m *mirror) {
			m.nextRoot()
			at(m.docs["root"], "roles")["mirrors"] = role(1, "timestamp")
			m.seal()
		}, tuf.Malformed, "root"},
		attack{"root that names a key it does not have", func(m *mirror) {
			m.nextRoot()
			at(m.docs["root"], "roles")["timestamp"] = role(1, "stranger")
			m.seal()
		}, tuf.Malformed, "root"},
		attack{"root that names a key twice", func(m *mirror) {
			m.nextRoot()
			at(m.docs["root"], "roles")["timestamp"] = role(1, "timestamp", "timestamp")
			m.seal()
		}, tuf.Malformed, "root"},
		attack{"root of the version before", func(m *mirror) {
			m.docs["root"]["version"] = 1
			m.docs["root"]["x"] = 1 // another root 1, really signed
			m.files["2.root.json"] = m.sign("root")
		}, tuf.Chain, "root"},
		attack{"root by a threshold of the old, one short of the new", func(m *mirror) {
			m.nextRoot()
			maps.Copy(at(m.docs["root"], "keys"), keys("new1", "new2"))
			at(m.docs["root"], "roles")["root"] = role(2, "root1", "new1", "new2")
			m.seal()
		}, tuf.Unsigned, "root"},
		attack{"root expired behind a good one", func(m *mirror) {
			m.nextRoot()
			m.seal()
			m.nextRoot()
			m.docs["root"]["expires"] = before(1)
			m.seal()
		}, tuf.Expired, "root"},
		attack{"snapshot silent about the targets", func(m *mirror) {
			m.bump()
			m.docs["snapshot"]["meta"] = obj{stable + ".json": obj{"version": 2}}
			m.list("timestamp", "snapshot")
			m.forge("timestamp")
		}, tuf.Malformed, "snapshot"},
		attack{"snapshot about a file that is no metadata", func(m *mirror) {
			m.bump()
			m.docs["snapshot"]["meta"].(obj)["targets"] = obj{"version": 2}
			m.list("timestamp", "snapshot")
			m.forge("timestamp")
		}, tuf.Malformed, "snapshot"},
		attack{"targets gone", func(m *mirror) { m.bump("targets"); m.seal(); delete(m.files, "3.targets.json") }, tuf.Missing, "targets"},
		attack{"delegated role gone", func(m *mirror) { m.bump(stable); m.seal(); delete(m.files, "3."+stable+".json") }, tuf.Missing, stable},
		attack{"delegated role longer than the snapshot says", func(m *mirror) {
			m.bump(stable)
			m.seal()
			m.files["3."+stable+".json"] = append(m.files["3."+stable+".json"], ' ')
		}, tuf.Endless, stable},
		attack{"delegated role of another version", func(m *mirror) {
			m.bump(stable)
			m.seal()
			at(m.docs["snapshot"], "meta")[stable+".json"] = obj{"version": 4}
			m.list("timestamp", "snapshot")
			m.forge("timestamp")
			m.files["4."+stable+".json"] = m.files["3."+stable+".json"]
		}, tuf.Mixed, stable},
		attack{"delegated role of the same version, other content", func(m *mirror) {
			m.bump(stable)
			m.docs[stable]["x"] = 1
			m.seal()
			m.docs[stable]["x"] = 2
			m.forge(stable)
		}, tuf.Mixed, stable},
		attack{"delegated role by one valid signature twice", func(m *mirror) {
			at(m.docs["targets"], "delegations")["keys"] = keys("stable", "other")
			m.edge()["keyids"], m.edge()["threshold"] = []any{keyID("stable"), keyID("other")}, 2
			m.bump("targets", stable)
			m.seal()
			m.addSignature("3."+stable+".json", keyID("stable"), "stable")
			m.repin(stable)
		}, tuf.Malformed, stable},
		attack{"delegated role by one valid signature under both ids", func(m *mirror) {
			at(m.docs["targets"], "delegations")["keys"] = keys("stable", "other")
			m.edge()["keyids"], m.edge()["threshold"] = []any{keyID("stable"), keyID("other")}, 2
			m.bump("targets", stable)
			m.seal()
			m.addSignature("3."+stable+".json", keyID("other"), "stable")
			m.repin(stable)
		}, tuf.Unsigned, stable},
		attack{"delegated role with no key", func(m *mirror) { m.edge()["keyids"] = []any{}; m.bump("targets", stable); m.seal() }, tuf.Unsigned, stable},
		attack{"delegated role with no name", reservedRole(""), tuf.Malformed, "targets"},
		attack{"delegations that are a list", func(m *mirror) { m.docs["targets"]["delegations"] = []any{}; m.bump("targets"); m.seal() }, tuf.Malformed, "targets"},
		attack{"delegation with a hash prefix that is no hex", badPrefix("0G"), tuf.Malformed, "targets"},
		attack{"delegation with an empty hash prefix", badPrefix(""), tuf.Malformed, "targets"},
		attack{"delegation of a key of 31 bytes", func(m *mirror) {
			at(m.docs["targets"], "delegations", "keys", keyID("stable"), "keyval")["public"] = public("stable")[2:]
			m.bump("targets")
			m.seal()
		}, tuf.Malformed, "targets"},
		attack{"target with no name", func(m *mirror) { m.docs[stable]["targets"].(obj)[""] = fileOf("x", nil); m.bump(stable); m.seal() }, tuf.Malformed, stable},
		attack{"succinct roles beside others", func(m *mirror) {
			at(m.docs["targets"], "delegations")["succinct_roles"] = obj{}
			m.bump("targets")
			m.seal()
		}, tuf.Malformed, "targets"},
	)
}

func badPrefix(p string) func(*mirror) {
	return func(m *mirror) {
		delete(m.edge(), "paths")
		m.edge()["path_hash_prefixes"] = []any{"00", p}
		m.bump("targets")
		m.seal()
	}
}

// What the specification asks of a client (1.0.34, "detailed client workflow"), and
// the attack that is refused because of it. Steps that are no refusal have a test:
// the second column is then its name.
var musts = []struct{ step, attack string }{
	{"4.2 keyid of signatures unique", "two signatures under one key id"},
	{"4.2 threshold at least one", "root with threshold 0"},
	{"4.3 keyids unique", "root that names a key twice"},
	{"4.5 delegated names not those of top-level roles", "delegated role named targets"},
	{"4.5 either paths or path_hash_prefixes", "delegation with paths and prefixes"},
	{"5.1 fixed time", "TestClocks"},
	{"5.2 trusted root", "TestRefreshStartsFromASignedRoot"},
	{"5.3.2 next root, version by version", "TestRootRotation"},
	{"5.3.3 length limit of a root", "root too long"},
	{"5.3.4 signed by the old root", "root by new keys alone"},
	{"5.3.4 signed by itself", "root by old keys alone"},
	{"5.3.4 threshold of distinct keys", "root by one key of two"},
	{"5.3.4 threshold of distinct keys", "root by one key under two ids"},
	{"5.3.5 exactly the next version", "root that skips a version"},
	{"5.3.5 exactly the next version", "root that stands still"},
	{"5.3.5 exactly the next version", "root of the version before"},
	{"5.3.7 expiry of intermediate roots", "TestExpiredRootsInTheChainDoNotMatter"},
	{"5.3.8 root kept at once", "TestRotationForgetsWhatTheOldKeysSigned"},
	{"5.3.10 last root expired", "root expired"},
	{"5.3.11 fast-forward recovery", "TestFastForwardRecovery"},
	{"5.3.11 fast-forward recovery", "TestEveryChangeOfKeysForgets"},
	{"5.4.1 length limit of the timestamp", "timestamp too long"},
	{"5.4.2 timestamp signed", "timestamp by a stranger"},
	{"5.4.3.1 timestamp not older", "timestamp rolled back"},
	{"5.4.3.1 same timestamp not replaced", "TestSameVersionOtherContentIsNotTaken"},
	{"5.4.3.2 snapshot in it not older", "snapshot rolled back"},
	{"5.4.4 timestamp expired", "timestamp expired"},
	{"5.4.4 stored timestamp expired", "TestExpiryStopsUpdatingNeverRunning"},
	{"5.4.5 timestamp kept", "TestSourceErrorsComeThrough"},
	{"5.5.1 length of the snapshot", "snapshot longer than the timestamp says"},
	{"5.5.2 hash of the snapshot", "snapshot of the same version, other content"},
	{"5.5.3 snapshot signed", "snapshot by a stranger"},
	{"5.5.4 version of the snapshot", "snapshot of another version"},
	{"5.5.5 roles in it not older", "targets rolled back"},
	{"5.5.5 roles in it not older", "delegated role rolled back"},
	{"5.5.5 roles in it not gone", "delegated role gone from the snapshot"},
	{"5.5.6 snapshot expired", "snapshot expired"},
	{"5.6.1 length of targets", "targets longer than the snapshot says"},
	{"5.6.2 hash of targets", "delegated role of the same version, other content"},
	{"5.6.3 targets signed", "targets by a stranger"},
	{"5.6.4 version of targets", "targets of another version"},
	{"5.6.5 targets expired", "targets expired"},
	{"5.6.7.1 each role once", "TestDelegationOrder"},
	{"5.6.7.1 limit of roles visited", "too many delegated roles to visit"},
	{"5.6.7.2 delegated role signed", "delegated role by a stranger"},
	{"5.6.7.2 delegated role expired", "delegated role expired"},
	{"5.6.7.2.1 terminating", "TestDelegationOrder"},
	{"5.7.1 no target listed", "TestTarget"},
	{"5.7.2 length of the target", "TestTargetCheck"},
	{"5.7.2 hash of the target", "TestTargetCheck"},
}

// Published advisories of other clients, and the attack or test that shows that this
// one has not got the flaw.
var advisories = []struct{ id, client, attack string }{
	{"CVE-2015-9258", "notary", "root with an RSA key"},
	{"CVE-2015-9259", "notary", "root expired"},
	{"CVE-2020-15093", "tough", "delegated role by one valid signature twice"},
	{"CVE-2020-6173", "python-tuf", "signatures"},
	{"CVE-2020-6174", "python-tuf", "two signatures under one key id"},
	{"CVE-2020-15163", "python-tuf", "root by old keys alone"},
	{"CVE-2020-15163", "python-tuf", "TestWhatWasRefusedIsNotTrustedLater"},
	{"CVE-2021-41131", "python-tuf", "TestFileNamesStayInTheirFolder"},
	{"CVE-2021-41149", "tough", "TestTarget"},
	{"CVE-2021-41150", "tough", "TestFileNamesStayInTheirFolder"},
	{"CVE-2022-29173", "go-tuf", "delegated role rolled back"},
	{"CVE-2022-29173", "go-tuf", "timestamp rolled back"},
	{"CVE-2024-47534", "go-tuf", "TestDelegationOrder"},
	{"CVE-2025-2885", "tough", "root that skips a version"},
	{"CVE-2025-2886", "tough", "TestDelegationOrder"},
	{"CVE-2025-2887", "tough", "delegated role rolled back"},
	{"CVE-2025-2888", "tough", "snapshot rolled back"},
	{"CVE-2026-23991", "go-tuf", "TestNoBytesMakeItPanic"},
	{"CVE-2026-23992", "go-tuf", "delegated role with threshold 0"},
	{"CVE-2026-24686", "go-tuf", "TestFileNamesStayInTheirFolder"},
	{"CVE-2026-6966", "tough", "delegated role by one valid signature twice"},
	{"CVE-2026-6967", "tough", "delegated role expired"},
	{"CVE-2026-6967", "tough", "delegated role longer than the snapshot says"},
	{"CVE-2026-6967", "tough", "delegated role of the same version, other content"},
	{"CVE-2026-6968", "tough", "TestTarget"},
	{"go-tuf#733", "go-tuf", "root by one key under two ids"},
	{"go-tuf#739", "go-tuf", "delegation of a key of 31 bytes"},
	{"rust-tuf#283", "rust-tuf", "two signatures under one key id"},
	{"tuf-conformance#405", "go-tuf, python-tuf", "TestTrustIsByEdge"},
}

// Each step and each advisory points at something that exists.
func TestEveryMustAndAdvisoryHasItsAttack(t *testing.T) {
	known := map[string]bool{}
	for _, a := range attacks {
		if known[a.name] {
			t.Errorf("two attacks are called %q", a.name)
		}
		known[a.name] = true
	}
	for _, l := range limits {
		known[l.name] = true
	}
	for _, name := range testNames(t) {
		known[name] = true
	}
	for _, m := range musts {
		if !known[m.attack] {
			t.Errorf("%s: nothing is called %q", m.step, m.attack)
		}
	}
	for _, a := range advisories {
		if !known[a.attack] {
			t.Errorf("%s of %s: nothing is called %q", a.id, a.client, a.attack)
		}
	}
}

// A timestamp of the version that is stored already is not taken, whatever it says.
func TestSameVersionOtherContentIsNotTaken(t *testing.T) {
	m := newMirror(t)
	stored := m.refreshed()
	at(m.docs["timestamp"], "meta", "snapshot.json")["version"] = 100
	m.forge("timestamp")
	m.asked = nil
	_, after, err := tuf.Refresh(stored, m.source, noon, folder)
	if err != nil || !bytes.Equal(after["timestamp.json"], stored["timestamp.json"]) || slices.Contains(m.asked, "100.snapshot.json") {
		t.Errorf("taken: %v, asked for %v", err, m.asked)
	}
}

// Whichever way the keys of timestamp or snapshot change, what the old ones signed is
// forgotten; where they do not change it holds.
func TestEveryChangeOfKeysForgets(t *testing.T) {
	change := func(labels map[string][]string) func(*mirror) {
		return func(m *mirror) {
			for name, list := range labels {
				maps.Copy(at(m.docs["root"], "keys"), keys(list...))
				at(m.docs["root"], "roles")[name] = role(1, list...)
				m.signers[name] = list[:1]
			}
		}
	}
	for _, c := range []struct {
		name   string
		do     func(*mirror)
		forget bool
	}{
		{"none", func(*mirror) {}, false},
		{"targets", change(map[string][]string{"targets": {"targets2"}}), false},
		{"another threshold", func(m *mirror) { at(m.docs["root"], "roles", "root")["threshold"] = 1 }, false},
		{"timestamp", change(map[string][]string{"timestamp": {"timestamp2"}}), true},
		{"snapshot", change(map[string][]string{"snapshot": {"snapshot2"}}), true},
		{"both", change(map[string][]string{"timestamp": {"timestamp2"}, "snapshot": {"snapshot2"}}), true},
		{"timestamp, one more", change(map[string][]string{"timestamp": {"timestamp", "timestamp2"}}), true},
		{"snapshot, one more", change(map[string][]string{"snapshot": {"snapshot", "snapshot2"}}), true},
		{"timestamp, one less", change(map[string][]string{"timestamp": {"timestamp"}}), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMirror(t)
			if c.name == "timestamp, one less" {
				maps.Copy(at(m.docs["root"], "keys"), keys("timestamp2"))
				at(m.docs["root"], "roles")["timestamp"] = role(1, "timestamp", "timestamp2")
			}
			for _, role := range []string{"timestamp", "snapshot", "targets"} {
				m.docs[role]["version"] = 1 << 40
			}
			m.seal()
			stored := m.refreshed()
			for _, role := range []string{"timestamp", "snapshot", "targets"} {
				m.docs[role]["version"] = 2
			}
			m.nextRoot()
			c.do(m)
			m.seal()
			_, after, err := tuf.Refresh(stored, m.source, noon, folder)
			if kind, _ := kindOf(t, err); (kind == tuf.Rollback) == c.forget || c.forget && err != nil {
				t.Errorf("lower versions: %v", err)
			}
			if theirs := theirVerdict(m, stored); theirs == nil && err != nil || theirs != nil && err == nil && !c.forget {
				// go-tuf forgets only what the new keys do not verify; TUF 5.3.11 says both files.
				t.Errorf("go-tuf says %v", theirs)
			}
			if steps := names(tuf.Changes(stored, after)); (steps[0] == "remove timestamp.json") != c.forget {
				t.Errorf("saved as %v", steps)
			}
		})
	}
}

// Where the timestamp was lost the snapshot still protects.
func TestSnapshotProtectsWithoutTimestamp(t *testing.T) {
	m := newMirror(t)
	m.bump()
	m.seal()
	stored := m.refreshed()
	delete(stored, "timestamp.json")
	m.docs["snapshot"]["version"] = 1
	m.seal()
	_, _, err := tuf.Refresh(stored, m.source, noon, folder)
	if kind, where := kindOf(t, err); kind != tuf.Rollback || where != "snapshot" {
		t.Error(err)
	}
}

// A damaged store is fetched anew also where only versions are pinned.
func TestDamagedStoreWithoutHashesIsFetchedAnew(t *testing.T) {
	m := newMirror(t)
	m.unpinned()
	for _, name := range []string{"snapshot.json", "targets.json", stable + ".json"} {
		stored := m.refreshed()
		sound := stored[name]
		stored[name] = []byte("{")
		_, after, err := tuf.Refresh(stored, m.source, noon, folder)
		if err != nil || !bytes.Equal(after[name], sound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A refused root leaves no trace, and does not come back as trusted.
func TestWhatWasRefusedIsNotTrustedLater(t *testing.T) {
	m := newMirror(t)
	stored := m.refreshed()
	m.nextRoot()
	m.signers["root"] = []string{"root1"}
	m.seal()
	for range 2 {
		_, after, err := tuf.Refresh(stored, m.source, noon, folder)
		if kind, _ := kindOf(t, err); kind != tuf.Unsigned || !bytes.Equal(after["root.json"], stored["root.json"]) {
			t.Fatalf("a root by one key of two: %v", err)
		}
		stored = after
	}
}

// Every file cut short at every byte, and with every byte changed: a verdict, no panic,
// and never another content under the same signature.
func TestNoBytesMakeItPanic(t *testing.T) {
	m := newMirror(t)
	m.nextRoot()
	m.seal()
	for _, name := range []string{"2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json", "1." + stable + ".json"} {
		sound := m.files[name]
		for i := 0; i < len(sound); i += 1 + len(sound)/150 {
			for _, bad := range [][]byte{sound[:i], slices.Concat(sound[:i], []byte{sound[i] ^ 1}, sound[i+1:]), slices.Concat(sound[:i], []byte("[[{")), nil} {
				m.files[name] = bad
				if _, _, err := tuf.Refresh(m.fresh(), m.source, noon, folder); err == nil && name != "2.root.json" {
					t.Fatalf("%s damaged at byte %d is accepted", name, i)
				} else if err == nil {
					t.Fatalf("root damaged at byte %d is accepted", i)
				}
			}
		}
		m.files[name] = sound
	}
}

// A folder takes all roles that reach into it, also those behind a terminating one.
func TestFolderTakesEveryRole(t *testing.T) {
	m := newMirror(t)
	other := "core/beta/linux-amd64/1.0.0/limpet-core"
	d := at(m.docs["targets"], "delegations")
	d["roles"] = append(d["roles"].([]any), delegationTo("beta", []string{"stable"}, "core/beta/*/*/limpet-core", "core/*/linux-amd64/*/*"))
	m.docs["beta"] = signed("targets", day, obj{"targets": obj{other: fileOf("beta", customOf("1.0.0", 2))}})
	m.signers["beta"] = []string{"stable"}
	m.seal()
	set := m.open("core/")
	for _, path := range []string{core1, other} {
		if _, err := set.Target(path); err != nil {
			t.Error(err)
		}
	}
	list, err := set.Under("core/")
	if err != nil || len(list) != 2 || list[0].Path != other {
		t.Errorf("under core/: %v, %v", list, err)
	}
	var roles []string
	for _, e := range set.Expiries() {
		roles = append(roles, e.Role)
	}
	if want := []string{"root", "timestamp", "snapshot", "targets", "beta", stable}; !slices.Equal(roles, want) {
		t.Errorf("expiries of %v, want %v", roles, want)
	}
}

// A pattern reaches into a folder only if it is longer than the folder.
func TestPatternAsLongAsTheFolderDoesNotReach(t *testing.T) {
	m := newMirror(t)
	m.edge()["paths"] = []any{"core/stable"}
	m.seal()
	if _, stored, err := tuf.Refresh(m.fresh(), m.source, noon, "core/stable/"); err != nil || stored[stable+".json"] != nil {
		t.Errorf("%v, stored %d files", err, len(stored))
	}
}

func TestDelegationsAsDeepAsTheyMay(t *testing.T) {
	m := newMirror(t)
	m.chain(8)
	at(m.docs["deep-7"], "targets")[core1] = fileOf("core 1", customOf("1.0.0", 1))
	m.seal()
	if target, err := m.open(core1).Target(core1); err != nil || target.Role != "deep-7" {
		t.Errorf("%+v, %v", target, err)
	}
	m = newMirror(t)
	m.fan(32)
	at(m.docs["wide-31"], "targets")[core1] = fileOf("core 1", customOf("1.0.0", 1))
	m.seal()
	if target, err := m.open(core1).Target(core1); err != nil || target.Role != "wide-31" {
		t.Errorf("%+v, %v", target, err)
	}
}

func TestUnderIsOrdered(t *testing.T) {
	m := newMirror(t)
	for i := range 20 {
		at(m.docs[stable], "targets")[fmt.Sprintf("%s%d/limpet-core", folder, (i*7)%20)] = fileOf("x", nil)
	}
	m.seal()
	list, err := m.open(folder).Under(folder)
	if err != nil || len(list) != 21 || !slices.IsSortedFunc(list, func(a, b tuf.Target) int { return strings.Compare(a.Path, b.Path) }) {
		t.Errorf("%d targets, %v", len(list), err)
	}
}

// Where one name in a folder is no path, the folder has no list, and says why.
func TestUnderRefusesANameThatIsNoPath(t *testing.T) {
	m := newMirror(t)
	at(m.docs[stable], "targets")[folder+"x/../limpet-core"] = fileOf("x", nil)
	m.seal()
	set := m.open(folder)
	_, err := set.Under(folder)
	if kind, _ := kindOf(t, err); kind != tuf.Malformed {
		t.Errorf("under: %v", err)
	}
	cores, skipped := set.Cores("stable", "linux-amd64")
	if len(cores) != 0 || len(skipped) != 1 {
		t.Errorf("cores %v, skipped %v", cores, skipped)
	}
}

func TestCoreOfAnotherPath(t *testing.T) {
	m := newMirror(t)
	paths := []string{"stub/a/b/c/limpet-core", "core/a/b/c/limpet", "core/a/b/limpet-core", "core/a/b/c/d/limpet-core", "limpet-core"}
	for _, path := range paths {
		m.docs["targets"]["targets"].(obj)[path] = fileOf("x", customOf("c", 1))
	}
	m.seal()
	set := m.open(folder)
	for _, path := range paths {
		_, err := set.Core(path)
		if kind, _ := kindOf(t, err); kind != tuf.Malformed {
			t.Errorf("%s: %v", path, err)
		}
	}
	_, err := set.Core(folder + "9/limpet-core")
	if kind, _ := kindOf(t, err); kind != tuf.NotListed {
		t.Errorf("not listed: %v", err)
	}
}

// counting counts what is read of it.
type counting struct {
	io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

func TestCheckReadsOneByteTooManyAtMost(t *testing.T) {
	m := newMirror(t)
	target, err := m.open(folder).Target(core1)
	if err != nil {
		t.Fatal(err)
	}
	r := &counting{Reader: strings.NewReader(strings.Repeat("x", 100))}
	if err := target.Check(r); err == nil || r.n != target.Length+1 {
		t.Errorf("%d bytes read of a target of %d: %v", r.n, target.Length, err)
	}
}

// The store changes its keys in the order that a power cut may interrupt anywhere.
func TestChangesWithNewKeysAndTargets(t *testing.T) {
	m := newMirror(t)
	from := m.refreshed()
	m.rotate("timestamp", "timestamp2", 1)
	m.bump("targets", stable)
	m.seal()
	_, to, err := tuf.Refresh(from, m.source, noon, folder)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"remove timestamp.json", "remove snapshot.json", "write root.json", "write timestamp.json",
		"write snapshot.json", "write targets.json", "write " + stable + ".json"}
	if got := names(tuf.Changes(from, to)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	from["root.json"] = []byte("damaged") // whose keys nobody knows: as if they had changed
	if got := names(tuf.Changes(from, to)); !slices.Equal(got, want) {
		t.Errorf("from a damaged root: %v, want %v", got, want)
	}
}
