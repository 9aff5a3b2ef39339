package tuf_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// More of what a mirror may show.
var subtleAttacks = []attack{
	{"root with a fifth role", newRoot(func(m *mirror) { at(m.docs["root"], "roles")["mirrors"] = role(1, "timestamp") }), tuf.Malformed, "root"},
	{"root that names a key it does not have", newRoot(func(m *mirror) { at(m.docs["root"], "roles")["timestamp"] = role(1, "stranger") }), tuf.Malformed, "root"},
	{"root with two keys under one id", func(m *mirror) {
		m.nextRoot()
		m.seal()
		wholly(m, "2.root.json", `"keys":{`, `"keys":{"`+keyID("root1")+`":`+string(encode(m.t, tufKey("thief")))+`,`)
	}, tuf.Malformed, "root"},
	{"root with a key of one type for the scheme of another", newRoot(func(m *mirror) {
		at(m.docs["root"], "keys", keyID("snapshot"))["scheme"] = "rsassa-pss-sha256"
	}), tuf.Malformed, "root"},
	{"root that names a key twice", newRoot(func(m *mirror) { at(m.docs["root"], "roles")["timestamp"] = role(1, "timestamp", "timestamp") }), tuf.Malformed, "root"},
	{"root of the version before", func(m *mirror) {
		m.docs["root"]["version"] = 1
		m.docs["root"]["x"] = 1 // another root 1, really signed
		m.files["2.root.json"] = m.sign("root")
	}, tuf.Chain, "root"},
	{"root expired behind a good one", newRoot(func(m *mirror) {
		m.seal()
		m.nextRoot()
		m.docs["root"]["expires"] = before(1)
	}), tuf.Expired, "root"},
	{"snapshot silent about the targets", func(m *mirror) {
		m.bump()
		m.docs["snapshot"]["meta"] = obj{stable + ".json": obj{"version": 2}}
		m.list("timestamp", "snapshot")
		m.forge("timestamp")
	}, tuf.Malformed, "snapshot"},
	{"snapshot about a file that is no metadata", func(m *mirror) {
		m.bump()
		m.docs["snapshot"]["meta"].(obj)["targets"] = obj{"version": 2}
		m.list("timestamp", "snapshot")
		m.forge("timestamp")
	}, tuf.Malformed, "snapshot"},
	{"timestamp about more than the snapshot", published(func(m *mirror) {
		at(m.docs["timestamp"], "meta")["targets.json"] = obj{"version": 2}
	}), tuf.Malformed, "timestamp"},
	{"signature that names its own algorithm", behind(func(m *mirror) {
		m.signers["timestamp"] = []string{"timestamp<-stranger"}
		m.forge("timestamp")
		wholly(m, "timestamp.json", `"keyid":`, `"method":"rsapss","keyid":`)
	}), tuf.Unsigned, "timestamp"},
	{"targets gone", behind(func(m *mirror) { delete(m.files, "3.targets.json") }, "targets"), tuf.Missing, "targets"},
	{"delegated role gone", behind(func(m *mirror) { delete(m.files, "3."+stable+".json") }, stable), tuf.Missing, stable},
	{"delegated role longer than the snapshot says", behind(func(m *mirror) { m.files["3."+stable+".json"] = append(m.files["3."+stable+".json"], ' ') }, stable), tuf.Endless, stable},
	{"delegated role of another version", behind(func(m *mirror) {
		at(m.docs["snapshot"], "meta")[stable+".json"] = obj{"version": 4}
		m.list("timestamp", "snapshot")
		m.forge("timestamp")
		m.files["4."+stable+".json"] = m.files["3."+stable+".json"]
	}, stable), tuf.Mixed, stable},
	{"delegated role of the same version, other content", func(m *mirror) {
		m.bump(stable)
		m.docs[stable]["x"] = 1
		m.seal()
		m.docs[stable]["x"] = 2
		m.forge(stable)
	}, tuf.Mixed, stable},
	{"targets of the same version, other content", func(m *mirror) {
		m.bump("targets")
		m.docs["targets"]["x"] = 1
		m.seal()
		m.docs["targets"]["x"] = 2
		m.forge("targets")
	}, tuf.Mixed, "targets"},
	{"delegated role with no key", published(func(m *mirror) { m.edge()["keyids"] = []any{} }, "targets", stable), tuf.Unsigned, stable},
	{"delegated role by a key that the root names, not its delegator", published(func(m *mirror) {
		m.edge()["keyids"] = []any{keyID("targets")}
		m.signers[stable] = []string{"targets"}
	}, "targets", stable), tuf.Malformed, "targets"},
	{"delegated role with no name", reservedRole(""), tuf.Malformed, "targets"},
	{"delegations that are a list", published(func(m *mirror) { m.docs["targets"]["delegations"] = []any{} }, "targets"), tuf.Malformed, "targets"},
	{"delegation with a hash prefix that is no hex", badPrefix("0G"), tuf.Malformed, "targets"},
	{"delegation with an empty hash prefix", badPrefix(""), tuf.Malformed, "targets"},
	{"delegation of a key of 31 bytes", published(func(m *mirror) {
		at(m.docs["targets"], "delegations", "keys", keyID("stable"), "keyval")["public"] = public("stable")[2:]
	}, "targets"), tuf.Malformed, "targets"},
	{"target with no name", published(func(m *mirror) { m.docs[stable]["targets"].(obj)[""] = fileOf("x", nil) }, stable), tuf.Malformed, stable},
	{"succinct roles beside others", published(func(m *mirror) { at(m.docs["targets"], "delegations")["succinct_roles"] = obj{} }, "targets"), tuf.Malformed, "targets"},
}

// thresholdAttacks are every role's: two keys are asked for, and one signs.
func thresholdAttacks() (list []attack) {
	for _, role := range []string{"root", "timestamp", "snapshot", "targets", stable} {
		name := role
		if role == stable {
			name = "delegated role"
		}
		for _, c := range []struct {
			how           string
			keys, signers []string
			kind          tuf.Kind
		}{
			{"by one of two keys", []string{"one", "two"}, []string{"one"}, tuf.Unsigned},
			{"by one key under two ids", []string{"one", "one@2"}, []string{"one", "one@2"}, tuf.Unsigned},
			{"by one valid signature twice", []string{"one", "two"}, []string{"one", "one"}, tuf.Malformed},
			{"by one valid signature under both ids", []string{"one", "two"}, []string{"one", "two<-one"}, tuf.Unsigned},
		} {
			list = append(list, attack{name + " " + c.how, func(m *mirror) { m.askForTwo(role, c.keys, c.signers) }, c.kind, role})
		}
	}
	return list
}

// askForTwo publishes new keys for a role, both of which are to sign it, and who does.
func (m *mirror) askForTwo(name string, labels, signers []string) {
	switch name {
	case stable:
		maps.Copy(at(m.docs["targets"], "delegations", "keys"), keys(labels...))
		maps.Copy(m.edge(), role(2, labels...))
	case "root":
		signers = append([]string{"root1", "root2"}, signers...)
		fallthrough
	default:
		m.nextRoot()
		maps.Copy(at(m.docs["root"], "keys"), keys(labels...))
		at(m.docs["root"], "roles")[name] = role(2, labels...)
	}
	m.signers[name] = signers
	m.bump("targets", stable)
	m.seal()
}

func badPrefix(p string) func(*mirror) {
	return func(m *mirror) {
		delete(m.edge(), "paths")
		m.edge()["path_hash_prefixes"] = []any{"00", p}
		m.bump("targets")
		m.seal()
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
			m.number(1<<40, "timestamp", "snapshot", "targets")
			m.seal()
			stored := m.refreshed()
			m.number(2, "timestamp", "snapshot", "targets")
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

// member is a place in a document, however deep, what is there, and how to put something else there.
type member struct {
	path string
	now  any
	set  func(any)
}

func members(v any, path string) (list []member) {
	add := func(m member) { list = append(append(list, m), members(m.now, m.path)...) }
	switch v := v.(type) {
	case obj:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			add(member{path + "/" + name, v[name], func(to any) { v[name] = to }})
		}
	case []any:
		for i := range v {
			add(member{fmt.Sprint(path, "/", i), v[i], func(to any) { v[i] = to }})
		}
	}
	return list
}

// Every member of every file as something of another type, honestly signed: refused, never a panic. What is in a core's
// own part is for whoever asks for the core.
func TestEveryMemberOfAnotherType(t *testing.T) {
	for _, name := range []string{"root", "timestamp", "snapshot", "targets", stable} {
		for i := range members(newMirror(t).docs[name], "") {
			for _, other := range []any{nil, 7, "7", []any{}, obj{}} {
				m := newMirror(t)
				if name == "root" {
					m.nextRoot()
				}
				version, place := m.version(name), members(m.docs[name], "")[i]
				if reflect.TypeOf(place.now) == reflect.TypeOf(other) || strings.Contains(place.path, "/custom/") {
					continue
				}
				place.set(other)
				m.replace(name, version)
				_, _, err := tuf.Refresh(m.fresh(), m.source, noon, folder)
				if kind, _ := kindOf(t, err); kind == 0 {
					t.Errorf("%s with %v as %s is accepted", name, other, place.path)
				}
			}
		}
	}
}

// replace publishes a role's document as it is under a version, which it may not say itself any more.
func (m *mirror) replace(role string, version int) {
	data, file := m.sign(role), fmt.Sprintf("%d.%s.json", version, role)
	switch role {
	case "timestamp":
		file = "timestamp.json"
	case "snapshot":
		at(m.docs["timestamp"], "meta")["snapshot.json"] = pinOf(data, version)
		m.forge("timestamp")
	case "targets", stable:
		at(m.docs["snapshot"], "meta")[role+".json"] = pinOf(data, version)
		m.list("timestamp", "snapshot")
		m.forge("timestamp")
	}
	m.files[file] = data
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

// A role that two edges lead to is loaded for each of them, also where only its folder is asked for.
func TestFolderThroughTwoEdgesToOneRole(t *testing.T) {
	m := newMirror(t)
	m.delegate("targets", edgeTo("a", false, "shared/a*"), edgeTo("b", false, "shared/b*"))
	m.delegate("a", edgeTo("c", false, "shared/a*"))
	m.delegate("b", edgeTo("c", false, "shared/b*"))
	for _, path := range []string{"shared/a1", "shared/b1"} {
		at(m.docs["c"], "targets")[path] = fileOf(path, nil)
	}
	m.seal()
	set := m.open("shared/")
	for _, path := range []string{"shared/a1", "shared/b1"} {
		if target, err := set.Target(path); err != nil || target.Role != "c" {
			t.Errorf("%s: role %q, %v", path, target.Role, err)
		}
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
