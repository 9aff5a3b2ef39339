package tuf_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// many is n different items made from a pattern.
func many(n int, of func(i int) any) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = of(i)
	}
	return list
}

// limits are bounds of what metadata holds: what is at the bound is accepted, what is
// one past it is refused for that.
var limits = []struct {
	name  string
	bound int
	fill  func(m *mirror, n int)
	role  string
}{
	{"signatures", 64, func(m *mirror, n int) {
		for i := range n - 1 {
			m.signers["targets"] = append(m.signers["targets"], fmt.Sprint("nobody", i))
		}
	}, "targets"},
	{"keys of a root", 256, func(m *mirror, n int) {
		all := m.docs["root"]["keys"].(obj)
		for i := range n - len(all) {
			all[fmt.Sprintf("%064d", i)] = tufKey("root1")
		}
	}, "root"},
	{"key ids of a role", 64, func(m *mirror, n int) {
		ids := []any{keyID("timestamp")}
		for i := range n - 1 {
			id := fmt.Sprintf("%064d", i)
			m.docs["root"]["keys"].(obj)[id] = tufKey("root1")
			ids = append(ids, id)
		}
		at(m.docs["root"], "roles", "timestamp")["keyids"] = ids
	}, "root"},
	{"delegated roles", 512, func(m *mirror, n int) {
		d := at(m.docs["targets"], "delegations")
		d["roles"] = append(d["roles"].([]any), many(n-1, func(i int) any {
			return delegationTo(fmt.Sprint("role-", i), []string{"stable"}, "nothing")
		})...)
	}, "targets"},
	{"length of a role's name", 128, func(m *mirror, n int) {
		d := at(m.docs["targets"], "delegations")
		d["roles"] = append(d["roles"].([]any), delegationTo(strings.Repeat("r", n), []string{"stable"}, "nothing"))
	}, "targets"},
	{"patterns of a delegation", 512, func(m *mirror, n int) {
		m.edge()["paths"] = append(many(n-1, func(int) any { return "nothing" }), folder+"*/limpet-core")
	}, "targets"},
	{"length of a pattern", 512, func(m *mirror, n int) {
		m.edge()["paths"] = []any{strings.Repeat("p", n), folder + "*/limpet-core"}
	}, "targets"},
	{"hash prefixes", 1 << 14, func(m *mirror, n int) {
		delete(m.edge(), "paths")
		sum := sha256.Sum256([]byte(core1))
		m.edge()["path_hash_prefixes"] = append(many(n-1, func(int) any { return "00" }), hex.EncodeToString(sum[:1]))
	}, "targets"},
	{"length of a target's path", 512, func(m *mirror, n int) {
		m.docs["targets"]["targets"].(obj)[strings.Repeat("t", n)] = fileOf("x", nil)
	}, "targets"},
	{"length of a target", 1 << 40, func(m *mirror, n int) {
		file := fileOf("x", nil)
		file["length"] = n
		m.docs["targets"]["targets"].(obj)["x"] = file
	}, "targets"},
	{"version of a role", 1 << 62, func(m *mirror, n int) { m.docs["timestamp"]["version"] = n }, "timestamp"},
	{"version that a parent gives", 1 << 62, func(m *mirror, n int) {
		m.docs["snapshot"]["meta"].(obj)["other.json"] = obj{"version": n}
	}, "snapshot"},
	{"length that a parent gives", tuf.MaxTargets, func(m *mirror, n int) {
		m.docs["snapshot"]["meta"].(obj)["other.json"] = obj{"version": 1, "length": n}
	}, "snapshot"},
}

func TestLimitsAreExact(t *testing.T) {
	for _, c := range limits {
		t.Run(c.name, func(t *testing.T) {
			for past, want := range []tuf.Kind{0, tuf.Malformed} {
				m := newMirror(t)
				first := m.fresh() // what is wrong with a root shows in its successor
				m.nextRoot()
				c.fill(m, c.bound+past)
				m.seal()
				_, _, err := tuf.Refresh(first, m.source, noon, folder)
				if kind, where := kindOf(t, err); kind != want || kind != 0 && where != c.role {
					t.Errorf("%d past it: %v, want %v", past, err, want)
				}
				gotuf(t, m, first, err)
			}
		})
	}
}

func TestLimitsOfACustomPartAreExact(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	travel := func(more obj) obj {
		d := obj{"codec": "zstd", "path": "x", "length": 1, "sha256": sum}
		maps.Copy(d, more)
		return d
	}
	for name, c := range map[string]struct {
		bound int
		fill  func(n int) (member string, v any)
	}{
		"codecs": {16, func(n int) (string, any) { return "codecs", many(n, func(i int) any { return fmt.Sprint(i) }) }},
		"deltas": {64, func(n int) (string, any) {
			return "deltas", many(n, func(int) any { return travel(obj{"from": sum}) })
		}},
		"waves": {64, func(n int) (string, any) {
			return "waves", many(n, func(i int) any {
				return obj{"from": noon.AddDate(0, 0, i).Format("2006-01-02T15:04:05Z"), "percent": 7} // not falling is enough
			})
		}},
		"path": {1024, func(n int) (string, any) { return "packed", travel(obj{"path": strings.Repeat("p", n)}) }},
		"soak": {3600, func(n int) (string, any) { return "soak", n }},
	} {
		for past := range 2 {
			m := newMirror(t)
			custom := customOf("1.0.0", 1)
			member, v := c.fill(c.bound + past)
			custom[member], custom["floor"] = v, 0
			at(m.docs[stable], "targets")[core1] = fileOf("core 1", custom)
			m.seal()
			_, err := m.open(folder).Core(core1)
			if kind, _ := kindOf(t, err); (kind == tuf.Malformed) != (past == 1) {
				t.Errorf("%s, %d past the limit: %v", name, past, err)
			}
		}
	}
	for name, v := range map[string]any{
		"packed": travel(obj{"length": 0}), "deltas": []any{travel(obj{"from": sum, "length": 0})},
		"waves": []any{obj{"from": "2030-05-01T00:00:00Z", "percent": -1}}, "floor": -1, "contract": 0, "soak": 9,
	} {
		m := newMirror(t)
		custom := customOf("1.0.0", 1)
		custom[name] = v
		at(m.docs[stable], "targets")[core1] = fileOf("core 1", custom)
		m.seal()
		if _, err := m.open(folder).Core(core1); err == nil {
			t.Errorf("%s as %v is accepted", name, v)
		}
	}
	m := newMirror(t)
	custom := customOf("1.0.0", 1)
	custom["waves"] = []any{obj{"from": "2030-05-01T00:00:00Z", "percent": 0}, obj{"from": "2030-05-02T00:00:00Z", "percent": 100}}
	at(m.docs[stable], "targets")[core1] = fileOf("core 1", custom)
	m.seal()
	if _, err := m.open(folder).Core(core1); err != nil {
		t.Errorf("waves from nobody to everybody: %v", err)
	}
}

// unpinned makes the parents say versions alone, signed anew.
func (m *mirror) unpinned() {
	for parent, children := range map[string][]string{"snapshot": {"targets", stable}, "timestamp": {"snapshot"}} {
		for _, child := range children {
			m.docs[parent]["meta"].(obj)[child+".json"] = obj{"version": m.version(child)}
		}
	}
	m.forge("snapshot")
	m.forge("timestamp")
}

func padded(data []byte, size int) []byte {
	return append(bytes.Clone(data), bytes.Repeat([]byte(" "), size-len(data))...)
}

// A file as long as its limit is read, from a mirror and from the store; one byte more
// is not, whoever signed it.
func TestFilesAreAsLongAsTheirLimits(t *testing.T) {
	for _, c := range []struct {
		mirror, store string
		limit         int
	}{
		{"2.root.json", "root.json", 64 << 10},
		{"timestamp.json", "timestamp.json", 16 << 10},
		{"1.snapshot.json", "snapshot.json", 256 << 10},
		{"1.targets.json", "targets.json", 2 << 20},
		{"1." + stable + ".json", stable + ".json", 2 << 20},
	} {
		m := newMirror(t)
		first := m.fresh()
		m.nextRoot()
		m.seal()
		m.unpinned()
		sound := m.files[c.mirror]
		m.files[c.mirror] = padded(sound, c.limit+1)
		_, _, err := tuf.Refresh(first, m.source, noon, folder)
		if kind, _ := kindOf(t, err); kind != tuf.Endless {
			t.Errorf("%s one byte too long: %v", c.mirror, err)
		}
		m.files[c.mirror] = padded(sound, c.limit)
		_, stored, err := tuf.Refresh(first, m.source, noon, folder)
		if err != nil {
			t.Errorf("%s at its limit: %v", c.mirror, err)
			continue
		}
		if len(stored[c.store]) != c.limit {
			t.Errorf("%s is stored with %d bytes", c.store, len(stored[c.store]))
		}
		if _, err := tuf.Offline(stored, folder); err != nil {
			t.Errorf("%s stored at its limit: %v", c.store, err)
		}
		if _, _, err := tuf.Refresh(stored, m.source, noon, folder); err != nil {
			t.Errorf("%s stored at its limit: refresh: %v", c.store, err)
		}
		if c.store == "timestamp.json" {
			continue // nobody stored more than its limit, and reading one costs no more than a snapshot
		}
		stored[c.store] = padded(sound, c.limit+1)
		if _, err := tuf.Offline(stored, folder); err == nil {
			t.Errorf("%s stored one byte too long is believed", c.store)
		}
		_, after, err := tuf.Refresh(stored, m.source, noon, folder)
		if c.store == "root.json" {
			if kind, _ := kindOf(t, err); kind != tuf.Endless {
				t.Errorf("a root stored one byte too long: %v", err)
			}
		} else if err != nil || len(after[c.store]) != c.limit {
			t.Errorf("%s stored one byte too long is not fetched anew: %d bytes, %v", c.store, len(after[c.store]), err)
		}
	}
}

// Parents may pin a version alone, or with either hash, or with both.
func TestEveryWayToPin(t *testing.T) {
	for _, c := range []struct {
		name string
		pin  func(good, bad []byte) obj
		want tuf.Kind
	}{
		{"version alone", func(good, _ []byte) obj { return obj{} }, 0},
		{"SHA-512", func(good, _ []byte) obj { return obj{"hashes": hashes(nil, good)} }, 0},
		{"both hashes", func(good, _ []byte) obj { return obj{"hashes": hashes(good, good)} }, 0},
		{"a wrong SHA-512", func(_, bad []byte) obj { return obj{"hashes": hashes(nil, bad)} }, tuf.Mixed},
		{"a wrong SHA-512 beside a good SHA-256", func(good, bad []byte) obj { return obj{"hashes": hashes(good, bad)} }, tuf.Mixed},
		{"a wrong SHA-256 beside a good SHA-512", func(good, bad []byte) obj { return obj{"hashes": hashes(bad, good)} }, tuf.Mixed},
		{"length 0", func(good, _ []byte) obj { return obj{"length": 0} }, tuf.Malformed},
		{"length 1", func(good, _ []byte) obj { return obj{"length": 1} }, tuf.Endless},
		{"no hashes", func(good, _ []byte) obj { return obj{"hashes": obj{}} }, tuf.Malformed},
		{"a hash too short", func(good, _ []byte) obj { return obj{"hashes": obj{"sha256": "00"}} }, tuf.Malformed},
		{"a hash in capitals", func(good, _ []byte) obj {
			return obj{"hashes": obj{"sha256": strings.ToUpper(hex.EncodeToString(make([]byte, 31)) + "ab")}}
		}, tuf.Malformed},
		{"a hash that ends in no hex", func(good, _ []byte) obj { return obj{"hashes": obj{"sha256": strings.Repeat("0", 63) + "g"}} }, tuf.Malformed},
		{"a hash of odd length", func(good, _ []byte) obj { return obj{"hashes": obj{"sha256": strings.Repeat("0", 65)}} }, tuf.Malformed},
	} {
		m := newMirror(t)
		pin := c.pin(m.files["1.snapshot.json"], []byte("other"))
		pin["version"] = 1
		at(m.docs["timestamp"], "meta")["snapshot.json"] = pin
		m.forge("timestamp")
		_, _, err := tuf.Refresh(m.fresh(), m.source, noon, folder)
		if kind, _ := kindOf(t, err); kind != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		gotuf(t, m, m.fresh(), err)
	}
}

func hashes(of256, of512 []byte) obj {
	out := obj{}
	if of256 != nil {
		sum := sha256.Sum256(of256)
		out["sha256"] = hex.EncodeToString(sum[:])
	}
	if of512 != nil {
		sum := sha512.Sum512(of512)
		out["sha512"] = hex.EncodeToString(sum[:])
	}
	return out
}
