package tuf_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

func (m *mirror) open(want ...string) *tuf.Set {
	m.t.Helper()
	set, _, err := tuf.Refresh(m.fresh(), m.source, noon, want...)
	if err != nil {
		m.t.Fatal(err)
	}
	gotuf(m.t, m, m.fresh(), err)
	return set
}

func TestTarget(t *testing.T) {
	m := newMirror(t)
	m.docs["targets"]["targets"] = obj{"stub/linux-amd64/1.0.0/limpet": fileOf("stub", nil), "plain": fileOf("plain", nil)}
	m.seal()
	set := m.open(folder, "plain")
	target, err := set.Target(core1)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("core 1"))
	if target.Path != core1 || target.Role != stable || target.Length != 6 || target.SHA256 != sum ||
		target.File != "targets/"+folder+"1.0.0/"+hex.EncodeToString(sum[:])+".limpet-core" {
		t.Errorf("target %+v", target)
	}
	plainSum := sha256.Sum256([]byte("plain"))
	if plain, err := set.Target("plain"); err != nil || plain.Role != "targets" || plain.File != "targets/"+hex.EncodeToString(plainSum[:])+".plain" {
		t.Errorf("target %+v, %v", plain, err)
	}
	for path, want := range map[string]tuf.Kind{
		folder + "9.9.9/limpet-core":      tuf.NotListed,
		"nothing":                         tuf.NotListed,
		"":                                tuf.Malformed,
		"/etc/passwd":                     tuf.Malformed,
		folder + "../../../limpet-core":   tuf.Malformed,
		"core//stable":                    tuf.Malformed,
		`core\stable`:                     tuf.Malformed,
		"c:/windows":                      tuf.Malformed,
		folder + "1.0.0/limpet-core/more": tuf.NotListed,
	} {
		_, err := set.Target(path)
		if kind, _ := kindOf(t, err); kind != want {
			t.Errorf("%q: %v, want %v", path, err, want)
		}
	}
}

func TestTargetCheck(t *testing.T) {
	m := newMirror(t)
	file := fileOf("content", nil)
	sum := sha512.Sum512([]byte("content"))
	at(file, "hashes")["sha512"] = hex.EncodeToString(sum[:])
	lying := fileOf("content", nil)
	at(lying, "hashes")["sha512"] = strings.Repeat("00", 64)
	m.docs["targets"]["targets"] = obj{"good": file, "lying": lying, "empty": fileOf("", nil)}
	m.seal()
	set := m.open()
	for _, c := range []struct {
		path, content string
		want          tuf.Kind
	}{
		{"good", "content", 0},
		{"good", "contenT", tuf.Mixed},
		{"good", "conten", tuf.Mixed},
		{"good", "", tuf.Mixed},
		{"good", "content ", tuf.Endless},
		{"good", strings.Repeat("content", 1000), tuf.Endless},
		{"lying", "content", tuf.Mixed},
		{"empty", "", 0},
		{"empty", "x", tuf.Endless},
	} {
		target, err := set.Target(c.path)
		if err != nil {
			t.Fatal(err)
		}
		err = target.Check(strings.NewReader(c.content))
		if kind, _ := kindOf(t, err); kind != c.want {
			t.Errorf("%s as %.10q: %v", c.path, c.content, err)
		}
	}
	broken := errors.New("disk on fire")
	target, err := set.Target("good")
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Check(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("read error: %v", err)
	}
}

func TestRoleSpeaksOnlyForItsPaths(t *testing.T) {
	m := newMirror(t)
	others := []string{
		"core/beta/linux-amd64/1.0.0/limpet-core", // another channel
		"core/stable/linux-arm64/1.0.0/limpet-core",
		"stub/linux-amd64/1.0.0/limpet",
		"core/Stable/linux-amd64/1.0.0/limpet-core", // on no system
		"core/stable/linux-amd64/1.0.0/Limpet-Core",
		folder + "1.0.0/deep/limpet-core", // "*" does not cross "/"
		folder + "limpet-core",
		folder + "1.0.0/limpet-core2",
		"limpet-core",
	}
	for _, path := range others {
		at(m.docs[stable], "targets")[path] = fileOf("evil", customOf("1.0.0", 99))
	}
	m.seal()
	set := m.open(append(others, "core/", folder)...)
	for _, path := range others {
		_, err := set.Target(path)
		if kind, _ := kindOf(t, err); kind != tuf.NotListed {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, dir := range []string{"core/", folder, "core/beta/linux-amd64/"} {
		list, err := set.Under(dir)
		if want := dir != "core/beta/linux-amd64/"; err != nil || len(list) > 1 || (len(list) == 1) != want {
			t.Errorf("under %s: %v, %v", dir, list, err)
		}
	}
}

func TestPatternCannotStandForASlash(t *testing.T) {
	m := newMirror(t)
	m.edge()["paths"] = []any{"a[^b]c", "a?c"}
	at(m.docs[stable], "targets")["a/c"] = fileOf("evil", nil)
	at(m.docs[stable], "targets")["axc"] = fileOf("good", nil)
	m.seal()
	set := m.open("a/c", "axc")
	if _, err := set.Target("a/c"); err == nil {
		t.Error("a/c is found")
	}
	if _, err := set.Target("axc"); err != nil {
		t.Error(err)
	}
}

// delegate makes roles below a parent, each with one target, all by one key.
func (m *mirror) delegate(parent string, edges ...obj) {
	list := []any{}
	for _, e := range edges {
		name := e["name"].(string)
		list = append(list, e)
		if m.docs[name] == nil {
			m.docs[name] = signed("targets", day, obj{"targets": obj{"shared/file": fileOf(name, nil), "shared/of-" + name: fileOf(name, nil)}})
			m.signers[name] = []string{"stable"}
		}
	}
	m.docs[parent]["delegations"] = obj{"keys": keys("stable", "other"), "roles": list}
}

func edgeTo(name string, terminating bool, paths ...any) obj {
	d := delegationTo(name, []string{"stable"}, paths...)
	d["terminating"] = terminating
	return d
}

func TestDelegationOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(m *mirror)
		path string
		want string // role, "" = not listed
	}{
		{"first one wins", func(m *mirror) { m.delegate("targets", edgeTo("a", false, "shared/*"), edgeTo("b", false, "shared/*")) }, "shared/file", "a"},
		{"search goes on", func(m *mirror) { m.delegate("targets", edgeTo("a", false, "shared/*"), edgeTo("b", false, "shared/*")) }, "shared/of-b", "b"},
		{"terminating ends it", func(m *mirror) { m.delegate("targets", edgeTo("a", true, "shared/*"), edgeTo("b", false, "shared/*")) }, "shared/of-b", ""},
		{"terminating elsewhere does not", func(m *mirror) { m.delegate("targets", edgeTo("a", true, "other/*"), edgeTo("b", false, "shared/*")) }, "shared/of-b", "b"},
		{"depth before breadth", func(m *mirror) {
			m.delegate("targets", edgeTo("a", false, "shared/*"), edgeTo("b", false, "shared/*"))
			delete(at(m.docs["a"], "targets"), "shared/file")
			m.delegate("a", edgeTo("c", false, "shared/*"))
		}, "shared/file", "c"},
		{"terminating below ends it above", func(m *mirror) {
			m.delegate("targets", edgeTo("a", false, "shared/*"), edgeTo("b", false, "shared/*"))
			m.delegate("a", edgeTo("c", true, "shared/*"))
		}, "shared/of-b", ""},
		{"a circle ends", func(m *mirror) {
			m.delegate("targets", edgeTo("a", false, "shared/*"), edgeTo("b", false, "shared/*"))
			m.delegate("a", edgeTo("c", false, "shared/*"))
			m.delegate("c", edgeTo("a", false, "shared/*"))
		}, "shared/of-b", "b"},
		{"narrowed on the way", func(m *mirror) {
			m.delegate("targets", edgeTo("a", false, "shared/x*"), edgeTo("b", false, "shared/*"))
		}, "shared/of-a", ""},
		{"no wider than the chain above it", func(m *mirror) {
			m.delegate("targets", edgeTo("a", false, "shared/of-*"), edgeTo("b", false, "shared/of-b"))
			m.delegate("a", edgeTo("c", false, "shared/*"))
		}, "shared/file", ""},
		{"top first", func(m *mirror) {
			m.delegate("targets", edgeTo("a", false, "shared/*"))
			m.docs["targets"]["targets"] = obj{"shared/file": fileOf("top", nil)}
		}, "shared/file", "targets"},
		{"by hash prefix", func(m *mirror) {
			sum := sha256.Sum256([]byte("shared/file"))
			e := edgeTo("a", false)
			delete(e, "paths")
			e["path_hash_prefixes"] = []any{hex.EncodeToString(sum[:])[:3]}
			m.delegate("targets", e)
		}, "shared/file", "a"},
		{"by another hash prefix", func(m *mirror) {
			sum := sha256.Sum256([]byte("shared/of-a"))
			e := edgeTo("a", false)
			delete(e, "paths")
			e["path_hash_prefixes"] = []any{hex.EncodeToString(sum[:])[:6]}
			m.delegate("targets", e)
		}, "shared/file", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMirror(t)
			c.make(m)
			m.seal()
			for _, want := range []string{c.path, "shared/"} { // asked for by its path, or with its folder
				set, _, err := tuf.Refresh(m.fresh(), m.source, noon, want)
				if err != nil {
					t.Fatal(err)
				}
				target, err := set.Target(c.path)
				if kind, _ := kindOf(t, err); c.want == "" && kind != tuf.NotListed || target.Role != c.want {
					t.Errorf("asked for %s: role %q, %v; want %q", want, target.Role, err, c.want)
				}
			}
		})
	}
}

// A role that two others delegate to is trusted by each edge's own keys.
func TestTrustIsByEdge(t *testing.T) {
	m := newMirror(t)
	m.delegate("targets", edgeTo("a", false, "shared/*"), edgeTo("b", false, "shared/of-b", "shared/of-c"))
	m.delegate("b", delegationTo("c", []string{"other"}, "shared/of-c"))
	m.delegate("a", edgeTo("c", false, "shared/of-a2"))
	m.seal() // c is signed by "stable", which a's edge trusts and b's does not
	if _, _, err := tuf.Refresh(m.fresh(), m.source, noon, "shared/of-a2"); err != nil {
		t.Errorf("through the edge that trusts it: %v", err)
	}
	_, _, err := tuf.Refresh(m.fresh(), m.source, noon, "shared/of-a2", "shared/of-c")
	if kind, where := kindOf(t, err); kind != tuf.Unsigned || where != "c" {
		t.Errorf("through the edge that does not: %v", err)
	}
}

func TestCores(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	good := func() obj {
		return obj{"version": "2.0.0", "counter": 7, "floor": 3, "soak": 10, "contract": 2, "codecs": []any{"zstd"},
			"deltas": []any{obj{"from": sum, "codec": "zstd", "path": "core/x", "length": 5, "sha256": sum}},
			"packed": obj{"codec": "zstd", "path": "packed/x.zst", "length": 4, "sha256": sum},
			"waves":  []any{obj{"from": "2030-05-01T00:00:00Z", "percent": 1}, obj{"from": "2030-05-02T00:00:00Z", "percent": 100}}}
	}
	open := func(custom any, development bool) (tuf.Core, []error) {
		m := newMirror(t)
		at(m.docs[stable], "targets")[folder+"2.0.0/limpet-core"] = fileOf("core 2", custom)
		if development {
			m.docs["root"]["x-limpet-development"] = true
		}
		m.seal()
		set := m.open(tuf.CoreDir("stable", "linux-amd64"))
		if set.Development() != development {
			t.Errorf("development %v", set.Development())
		}
		cores, skipped := set.Cores("stable", "linux-amd64")
		core, err := set.Core(folder + "2.0.0/limpet-core")
		if (err != nil) != (len(skipped) == 1) || len(cores)+len(skipped) != 2 {
			t.Errorf("%d cores, skipped %v, alone %v", len(cores), skipped, err)
		}
		return core, skipped
	}
	core, skipped := open(good(), false)
	if skipped != nil {
		t.Fatal(skipped)
	}
	if core.Channel != "stable" || core.Platform != "linux-amd64" || core.Version != "2.0.0" || core.Counter != 7 || core.Floor != 3 ||
		core.Soak != 10*time.Second || core.Contract != 2 || core.Role != stable || len(core.Codecs) != 1 ||
		core.Deltas[0].Length != 5 || core.Deltas[0].From[0] != 0xab || core.Deltas[0].Path != "core/x" ||
		*core.Packed != (tuf.Packed{Codec: "zstd", Path: "packed/x.zst", Length: 4, SHA256: core.Deltas[0].SHA256}) || core.Waves[1].Percent != 100 || core.Waves[0].From.Day() != 1 {
		t.Errorf("core %+v", core)
	}
	change := func(name string, v any) obj { c := good(); c[name] = v; return c }
	pathed := func(path string) obj {
		return change("packed", obj{"codec": "zstd", "path": path, "length": 4, "sha256": sum})
	}
	without := func(name string) obj { c := good(); delete(c, name); return c }
	for name, c := range map[string]any{
		"optional parts missing": func() any {
			c := without("codecs")
			delete(c, "deltas")
			delete(c, "waves")
			delete(c, "packed")
			return c
		}(),
		"a member of years to come": change("colour", obj{"rgb": 1}),
	} {
		if _, skipped := open(c, false); skipped != nil {
			t.Errorf("%s: %v", name, skipped)
		}
	}
	for name, c := range map[string]any{
		"no custom":              nil,
		"no version":             without("version"),
		"version of another":     change("version", "3.0.0"),
		"no counter":             without("counter"),
		"counter 0":              change("counter", 0),
		"counter below 0":        change("counter", -1),
		"counter as text":        change("counter", "7"),
		"no floor":               without("floor"),
		"floor above counter":    change("floor", 8),
		"no soak":                without("soak"),
		"soak too short":         change("soak", 9),
		"soak too long":          change("soak", 3601),
		"no contract":            without("contract"),
		"codecs not a list":      change("codecs", "zstd"),
		"codec not a text":       change("codecs", []any{1}),
		"too many codecs":        change("codecs", make([]any, 17)),
		"delta without a hash":   change("deltas", []any{obj{"from": sum, "codec": "zstd", "path": "x", "length": 5}}),
		"delta with a short one": change("deltas", []any{obj{"from": "ab", "codec": "zstd", "path": "x", "length": 5, "sha256": sum}}),
		"delta that leads out":   change("deltas", []any{obj{"from": sum, "codec": "zstd", "path": "../x", "length": 5, "sha256": sum}}),
		"packed not an object":   change("packed", "x"),
		"packed without a hash":  change("packed", obj{"codec": "zstd", "path": "x", "length": 5}),
		"packed and empty":       change("packed", obj{"codec": "zstd", "path": "x", "length": 0, "sha256": sum}),
		"path that leads out":    pathed("packed/../../x"),
		"path from the top":      pathed("/etc/passwd"),
		"path of Windows":        pathed("c:x"),
		"path with backslashes":  pathed("..\\x"),
		"path to itself":         pathed("."),
		"path too long":          pathed(strings.Repeat("x", 1025)),
		"no path":                pathed(""),
		"too many deltas":        change("deltas", make([]any, 65)),
		"wave above 100":         change("waves", []any{obj{"from": "2030-05-01T00:00:00Z", "percent": 101}}),
		"wave without time":      change("waves", []any{obj{"percent": 1}}),
		"waves out of order": change("waves", []any{obj{"from": "2030-05-02T00:00:00Z", "percent": 1},
			obj{"from": "2030-05-01T00:00:00Z", "percent": 2}}),
		"waves that close again": change("waves", []any{obj{"from": "2030-05-01T00:00:00Z", "percent": 2},
			obj{"from": "2030-05-02T00:00:00Z", "percent": 1}}),
		"too many waves": change("waves", make([]any, 65)),
	} {
		_, skipped := open(c, false)
		if len(skipped) != 1 {
			t.Errorf("%s: skipped %v", name, skipped)
			continue
		}
		if kind, where := kindOf(t, skipped[0]); kind != tuf.Malformed || where != folder+"2.0.0/limpet-core" {
			t.Errorf("%s: %v", name, skipped[0])
		}
	}
	if core, skipped := open(change("soak", 3), true); skipped != nil || core.Soak != 3*time.Second {
		t.Errorf("soak of 3 s under a development root: %v, %v", core.Soak, skipped)
	}
}

func TestCoresAreOrderedByCounterNotByName(t *testing.T) {
	m := newMirror(t)
	for i, version := range []string{"1.10.0", "1.9.0", "0.1.0"} {
		at(m.docs[stable], "targets")[folder+version+"/limpet-core"] = fileOf(version, customOf(version, 10+i))
	}
	m.seal()
	cores, skipped := m.open(folder).Cores("stable", "linux-amd64")
	var got []string
	for _, c := range cores {
		got = append(got, c.Version)
	}
	if strings.Join(got, " ") != "0.1.0 1.9.0 1.10.0 1.0.0" || skipped != nil {
		t.Errorf("order %v, skipped %v", got, skipped)
	}
}

func TestPaths(t *testing.T) {
	if got := tuf.CorePath("stable", "linux-amd64", "1.0.0"); got != core1 {
		t.Error(got)
	}
	if got := tuf.Role("stable", "linux-amd64"); got != stable {
		t.Error(got)
	}
	if got := tuf.StubPath("linux-amd64", "1.0.0", "limpet"); got != "stub/linux-amd64/1.0.0/limpet" {
		t.Error(got)
	}
}

// A target may have a SHA-512 alone; a core may not: the stub knows cores by their SHA-256.
func TestTargetWithSHA512Alone(t *testing.T) {
	sum := sha512.Sum512([]byte("x"))
	only := func() obj { return obj{"length": 1, "hashes": obj{"sha512": hex.EncodeToString(sum[:])}} }
	m := newMirror(t)
	m.docs["targets"]["targets"] = obj{"a/x": only()}
	two := folder + "2.0.0/limpet-core"
	at(m.docs[stable], "targets")[two] = only()
	at(m.docs[stable], "targets", two)["custom"] = customOf("2.0.0", 2)
	m.seal()
	set := m.open(folder)
	target, err := set.Target("a/x")
	if err != nil || target.File != "targets/a/"+hex.EncodeToString(sum[:])+".x" || target.SHA256 != [32]byte{} {
		t.Fatalf("target %+v, %v", target, err)
	}
	for content, want := range map[string]tuf.Kind{"x": 0, "y": tuf.Mixed, "": tuf.Mixed, "xx": tuf.Endless} {
		if kind, _ := kindOf(t, target.Check(strings.NewReader(content))); kind != want {
			t.Errorf("as %q: %v, want %v", content, kind, want)
		}
	}
	_, err = set.Core(two)
	if kind, where := kindOf(t, err); kind != tuf.Malformed || where != two {
		t.Errorf("as a core: %v", err)
	}
	if cores, skipped := set.Cores("stable", "linux-amd64"); len(cores) != 1 || len(skipped) != 1 {
		t.Errorf("%d cores, skipped %v", len(cores), skipped)
	}
}

func TestErrorsReadWell(t *testing.T) {
	err := &tuf.Error{Kind: tuf.Unreadable, Role: "snapshot", Detail: "7.snapshot.json", Err: errors.New("connection reset")}
	if got := err.Error(); got != "snapshot: unreadable: 7.snapshot.json: connection reset" {
		t.Error(got)
	}
	seen := map[string]bool{}
	for k := tuf.Malformed; k <= tuf.NotLoaded; k++ {
		if seen[k.String()] || k.String() == "unknown" {
			t.Errorf("kind %d is called %q", k, k)
		}
		seen[k.String()] = true
	}
	for _, k := range []tuf.Kind{0, tuf.NotLoaded + 1} {
		if k.String() != "unknown" {
			t.Errorf("kind %d, which does not exist, is called %q", k, k)
		}
	}
}
