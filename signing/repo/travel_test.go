package repo_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// newest is the core with the highest counter, committed or not.
func newest(t *testing.T, r *repo.Repo) tuf.Core {
	t.Helper()
	cores, err := r.Cores()
	if err != nil || len(cores) == 0 {
		t.Fatalf("cores: %v, %v", cores, err)
	}
	return cores[0]
}

func published(t *testing.T, r *repo.Repo, path string) tuf.Core {
	t.Helper()
	c, err := r.Set().Core(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const second = "core/stable/linux-amd64/2.0.0/limpet-core"

// A release that comes with its deltas is found with them by a stranger, the
// smaller one of a base first.
func TestWaysOfACoreReachAStranger(t *testing.T) {
	dir, keys := t.TempDir(), keyring(t)
	r := create(t, fsys.Disk{}, dir, keys, noon)
	add(t, r, release("1.0.0"), "first core")
	base := newest(t, r)
	add(t, r, release("2.0.0"), "second core")
	core := newest(t, r)
	if core.Version != "2.0.0" || core.Counter != 2 {
		t.Fatalf("core %+v", core)
	}
	for _, c := range []tuf.Core{base, core} {
		if data, err := r.Bytes(c); err != nil || sha256.Sum256(data) != c.SHA256 {
			t.Fatalf("bytes of %s before the commit: %q, %v", c.Version, data, err)
		}
	}
	if err := r.SetPacked(core, "zstd", []byte("packed")); err != nil {
		t.Fatal(err)
	}
	for codec, data := range map[string]string{"zstd": "longer delta", "go1": "delta"} {
		if err := r.AddDelta(core, base.SHA256, codec, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, r, noon)
	set := stranger(t, fsys.Disk{}, dir, r.Root(), noon)
	got, err := set.Core(second)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Deltas) != 2 || got.Deltas[0].Codec != "go1" || got.Deltas[1].Codec != "zstd" || got.Deltas[0].From != base.SHA256 ||
		got.Packed == nil || got.Packed.Length != 6 {
		t.Fatalf("core %+v", got)
	}
	for path, want := range map[string]string{got.Packed.Path: "packed", got.Deltas[0].Path: "delta", got.Deltas[1].Path: "longer delta"} {
		if data, err := r.Read("targets/"+path, 100); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}

	// Once more, also with other bytes from another encoder: what is listed stays.
	again := open(t, fsys.Disk{}, dir, keys)
	core = newest(t, again)
	for _, err := range []error{
		again.SetPacked(core, "zstd", []byte("otherwise packed")),
		again.AddDelta(core, base.SHA256, "zstd", []byte("other delta")),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if done, err := again.Commit(noon); done || err != nil {
		t.Errorf("the same again: %v, %v", done, err)
	}
}

func TestWaysThatNoBoxWouldTakeAreRefused(t *testing.T) {
	r := create(t, fsys.Disk{}, t.TempDir(), keyring(t), noon)
	add(t, r, release("1.0.0"), "first core")
	core := newest(t, r)
	stranger := core
	stranger.SHA256[0]++
	for name, err := range map[string]error{
		"codec with a slash":   r.AddDelta(core, [32]byte{1}, "../x", []byte("d")),
		"empty delta":          r.AddDelta(core, [32]byte{1}, "zstd", nil),
		"empty packed":         r.SetPacked(core, "zstd", nil),
		"core of nobody":       r.AddDelta(stranger, [32]byte{1}, "zstd", []byte("d")),
		"packed for nobody":    r.SetPacked(stranger, "zstd", []byte("d")),
		"one delta too many":   manyDeltas(r, core, 65),
		"still one too many":   r.AddDelta(core, [32]byte{99}, "zstd", []byte("d")),
		"bytes of the unknown": func() error { _, err := r.Bytes(stranger); return err }(),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	commit(t, r, noon)
	if got := published(t, r, core.Path); len(got.Deltas) != 64 || got.Packed != nil {
		t.Errorf("%d deltas, packed %v", len(got.Deltas), got.Packed)
	}
}

func manyDeltas(r *repo.Repo, core tuf.Core, n byte) error {
	for i := range n {
		if err := r.AddDelta(core, [32]byte{i}, "zstd", []byte{i}); err != nil {
			return err
		}
	}
	return nil
}

func TestPromote(t *testing.T) {
	dir, keys := t.TempDir(), keyring(t)
	r := create(t, fsys.Disk{}, dir, keys, noon)
	add(t, r, release("1.0.0"), "first core")
	beta := release("2.0.0")
	beta.Channel = "beta"
	if _, err := r.AddRelease(beta, map[string][]byte{"linux-amd64": []byte("amd"), "linux-arm64": []byte("arm")}); err != nil {
		t.Fatal(err)
	}
	cores, err := r.Cores()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.AddDelta(cores[0], cores[2].SHA256, "zstd", []byte("delta")); err != nil {
		t.Fatal(err)
	}
	commit(t, r, noon)

	r = open(t, fsys.Disk{}, dir, keys)
	for range 2 { // the second time nothing is new
		if _, err := r.Promote("2.0.0", "beta", "stable", nil); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, r, noon)
	set := stranger(t, fsys.Disk{}, dir, r.Root(), noon)
	if got := versions(t, set, "stable", "linux-arm64"); strings.Join(got, " ") != "2.0.0" {
		t.Errorf("stable has %v", got)
	}
	was, is := published(t, r, "core/beta/linux-amd64/2.0.0/limpet-core"), published(t, r, second)
	if is.Counter != was.Counter || is.SHA256 != was.SHA256 || is.Soak != was.Soak || len(is.Deltas) != 1 || is.Deltas[0] != was.Deltas[0] {
		t.Errorf("promoted %+v\nfrom %+v", is, was)
	}
	if added, err := r.Promote("2.0.0", "beta", "stable", nil); len(added) > 0 || err != nil {
		t.Errorf("promoted again: %v, %v", added, err)
	}

	// A delta that comes later is listed wherever the release is.
	if err := r.AddDelta(is, [32]byte{7}, "zstd", []byte("later")); err != nil {
		t.Fatal(err)
	}
	add(t, r, release("3.0.0"), "third core")
	beta.Version, beta.Counter = "4.0.0", 0
	if _, err := r.AddRelease(beta, map[string][]byte{"linux-amd64": []byte("four")}); err != nil {
		t.Fatal(err)
	}
	add(t, r, release("5.0.0"), "fifth core")
	commit(t, r, noon)
	for _, channel := range []string{"beta", "stable"} {
		if got := published(t, r, "core/"+channel+"/linux-amd64/2.0.0/limpet-core"); len(got.Deltas) != 2 {
			t.Errorf("%s lists %d deltas", channel, len(got.Deltas))
		}
	}

	for name, c := range map[string]struct{ version, from, to, want string }{
		"passed by":    {"4.0.0", "beta", "stable", "5.0.0 with 5"},
		"not listed":   {"9.0.0", "beta", "stable", "does not list it"},
		"to itself":    {"2.0.0", "beta", "beta", "where it comes from"},
		"bad channel":  {"2.0.0", "beta", "Stable", "use a to z"},
		"from nowhere": {"2.0.0", "gamma", "stable", "does not list it"},
	} {
		if _, err := r.Promote(c.version, c.from, c.to, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A version has one content over all channels, and gets into another by promotion.
func TestVersionIsOneOverAllChannels(t *testing.T) {
	r := create(t, fsys.Disk{}, t.TempDir(), keyring(t), noon)
	add(t, r, release("1.0.0"), "first core")
	beta := release("1.0.0")
	beta.Channel = "beta"
	for content, want := range map[string]string{"first core": "promote it", "another": "other bytes"} {
		if _, err := r.AddRelease(beta, map[string][]byte{"linux-amd64": []byte(content)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", content, err)
		}
	}
}
