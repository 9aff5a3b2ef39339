package repo_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

var noon = time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// keyring draws a key for each role at its first use.
func keyring(t testing.TB) repo.Keys {
	have := map[string]signing.Key{}
	return func(role string) (signing.Key, error) {
		if _, ok := have[role]; !ok {
			key, err := signing.Generate(true)
			if err != nil {
				t.Fatal(err)
			}
			have[role] = key
		}
		return have[role], nil
	}
}

func create(t testing.TB, disk fsys.FS, dir string, keys repo.Keys, now time.Time) *repo.Repo {
	t.Helper()
	r, err := repo.Create(disk, dir, keys, true)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, r, now)
	return r
}

func commit(t testing.TB, r *repo.Repo, now time.Time) {
	t.Helper()
	if done, err := r.Commit(now); err != nil || !done {
		t.Fatalf("commit: %v, %v", done, err)
	}
}

func open(t testing.TB, disk fsys.FS, dir string, keys repo.Keys) *repo.Repo {
	t.Helper()
	r, err := repo.Open(disk, dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func release(version string) repo.Release {
	return repo.Release{Channel: "stable", Version: version, Floor: 1, Soak: 3 * time.Second, Contract: 1, Codecs: []string{"zstd"}}
}

func add(t testing.TB, r *repo.Repo, rel repo.Release, content string) {
	t.Helper()
	if _, err := r.AddRelease(rel, map[string][]byte{"linux-amd64": []byte(content)}); err != nil {
		t.Fatal(err)
	}
}

// stranger refreshes from the folder with nothing but a root, and checks each
// target's file.
func stranger(t testing.TB, disk fsys.FS, dir string, root []byte, now time.Time) *tuf.Set {
	t.Helper()
	src := func(name string, limit int64) ([]byte, error) {
		return fsys.Read(disk, filepath.Join(dir, name), limit)
	}
	set, _, err := tuf.Refresh(tuf.Stored{"root.json": root}, src, now, "core/", "stub/")
	if err != nil {
		t.Fatalf("a stranger is refused: %v", err)
	}
	for _, top := range []string{"core/", "stub/"} {
		targets, err := set.Under(top)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range targets {
			data, err := fsys.Read(disk, filepath.Join(dir, filepath.FromSlash(target.File)), target.Length)
			if err != nil {
				t.Fatal(err)
			}
			if err := target.Check(bytes.NewReader(data)); err != nil {
				t.Error(err)
			}
		}
	}
	return set
}

func versions(t testing.TB, set *tuf.Set, channel, platform string) []string {
	t.Helper()
	cores, skipped := set.Cores(channel, platform)
	if skipped != nil {
		t.Fatal(skipped)
	}
	var out []string
	for _, c := range cores {
		out = append(out, c.Version)
	}
	return out
}

func TestPublishedReleasesReachAStranger(t *testing.T) {
	dir, keys := filepath.Join(t.TempDir(), "repo"), keyring(t)
	r := create(t, fsys.Disk{}, dir, keys, noon)
	root := r.Root()
	if !r.Set().Development() {
		t.Error("the development mark is lost")
	}
	if set := stranger(t, fsys.Disk{}, dir, root, noon); len(set.Expiries()) != 4 || !set.Issued().Equal(noon) {
		t.Errorf("empty repository: %v, issued %v", set.Expiries(), set.Issued())
	}

	r = open(t, fsys.Disk{}, dir, keys)
	added, err := r.AddRelease(release("1.0.0"), map[string][]byte{"linux-arm64": []byte("arm"), "linux-amd64": []byte("amd")})
	if err != nil || !slices.Equal(added, []string{"linux-amd64", "linux-arm64"}) {
		t.Fatalf("added %v, %v", added, err)
	}
	for _, program := range []string{"limpet", "limpet-fetch"} {
		if added, err := r.AddProgram("linux-amd64", "1.0.0", program, []byte(program)); err != nil || !added {
			t.Fatal(added, err)
		}
	}
	commit(t, r, noon.Add(time.Minute))
	r = open(t, fsys.Disk{}, dir, keys)
	add(t, r, release("1.1.0"), "newer")
	commit(t, r, noon.Add(time.Hour))

	set := stranger(t, fsys.Disk{}, dir, root, noon.Add(time.Hour))
	if got := versions(t, set, "stable", "linux-amd64"); !slices.Equal(got, []string{"1.1.0", "1.0.0"}) {
		t.Errorf("versions %v", got)
	}
	if got := versions(t, set, "stable", "linux-arm64"); !slices.Equal(got, []string{"1.0.0"}) {
		t.Errorf("versions %v", got)
	}
	core, err := set.Core(tuf.CorePath("stable", "linux-amd64", "1.1.0"))
	if err != nil || core.Counter != 2 || core.Floor != 1 || core.Soak != 3*time.Second || core.Contract != 1 || !slices.Equal(core.Codecs, []string{"zstd"}) {
		t.Errorf("core %+v, %v", core, err)
	}
	if fetch, err := set.Target(tuf.StubPath("linux-amd64", "1.0.0", "limpet-fetch")); err != nil || fetch.Role != "targets" {
		t.Errorf("stub %+v, %v", fetch, err)
	}
	if got := open(t, fsys.Disk{}, dir, nil).Roles(); !slices.Equal(got, []string{"stable-linux-amd64", "stable-linux-arm64"}) {
		t.Errorf("roles %v", got)
	}
}

func TestLives(t *testing.T) {
	r := create(t, crashdisk.New(), "/repo", keyring(t), noon)
	want := map[string]time.Duration{"root": 365 * day, "timestamp": 7 * day, "snapshot": 14 * day, "targets": 90 * day}
	for _, e := range r.Set().Expiries() {
		if life := e.Expires.Sub(noon); life != want[e.Role] {
			t.Errorf("%s lives %v, want %v", e.Role, life, want[e.Role])
		}
	}
}

func TestCounterRisesOverAllChannels(t *testing.T) {
	keys := keyring(t)
	r := create(t, crashdisk.New(), "/repo", keys, noon)
	for i, channel := range []string{"stable", "beta", "stable"} {
		if next, err := r.NextCounter(); err != nil || next != uint64(i+1) {
			t.Fatalf("next counter %d, %v; want %d", next, err, i+1)
		}
		rel := release(string(rune('1'+i)) + ".0")
		rel.Channel = channel
		add(t, r, rel, rel.Version)
	}
	rel := release("9.0")
	for _, counter := range []uint64{1, 3} {
		rel.Counter = counter
		if _, err := r.AddRelease(rel, map[string][]byte{"linux-amd64": []byte("x")}); err == nil {
			t.Errorf("counter %d is taken again", counter)
		}
	}
	rel.Counter = 40
	add(t, r, rel, "x")
	commit(t, r, noon)
	if next, err := r.NextCounter(); err != nil || next != 41 {
		t.Errorf("next counter %d, %v", next, err)
	}
}

func TestAVersionNeverChanges(t *testing.T) {
	keys := keyring(t)
	r := create(t, crashdisk.New(), "/repo", keys, noon)
	add(t, r, release("1.0"), "one")
	if _, err := r.AddProgram("linux-amd64", "1.0", "limpet", []byte("stub")); err != nil {
		t.Fatal(err)
	}
	commit(t, r, noon)
	if added, err := r.AddRelease(release("1.0"), map[string][]byte{"linux-amd64": []byte("one")}); err != nil || added != nil {
		t.Errorf("the same again: %v, %v", added, err)
	}
	if added, err := r.AddProgram("linux-amd64", "1.0", "limpet", []byte("stub")); err != nil || added {
		t.Errorf("the same stub again: %v, %v", added, err)
	}
	if done, err := r.Commit(noon); done || err != nil {
		t.Errorf("nothing to do was done: %v, %v", done, err)
	}
	if _, err := r.AddRelease(release("1.0"), map[string][]byte{"linux-amd64": []byte("two")}); err == nil || !strings.Contains(err.Error(), "new version") {
		t.Errorf("other bytes: %v", err)
	}
	if _, err := r.AddProgram("linux-amd64", "1.0", "limpet", []byte("two")); err == nil {
		t.Error("other bytes of the stub are taken")
	}
}

func TestBadNamesAndValues(t *testing.T) {
	r := create(t, crashdisk.New(), "/repo", keyring(t), noon)
	cores := func(platform, content string) map[string][]byte { return map[string][]byte{platform: []byte(content)} }
	for name, c := range map[string]struct {
		change func(*repo.Release)
		cores  map[string][]byte
	}{
		"channel with a dash":  {func(r *repo.Release) { r.Channel = "a-b" }, cores("linux-amd64", "x")},
		"no channel":           {func(r *repo.Release) { r.Channel = "" }, cores("linux-amd64", "x")},
		"channel with a slash": {func(r *repo.Release) { r.Channel = "../x" }, cores("linux-amd64", "x")},
		"platform":             {func(*repo.Release) {}, cores("linux", "x")},
		"platform of three":    {func(*repo.Release) {}, cores("linux-amd64-v3", "x")},
		"no version":           {func(r *repo.Release) { r.Version = "" }, cores("linux-amd64", "x")},
		"version of dots":      {func(r *repo.Release) { r.Version = ".." }, cores("linux-amd64", "x")},
		"version with a star":  {func(r *repo.Release) { r.Version = "1*" }, cores("linux-amd64", "x")},
		"empty core":           {func(*repo.Release) {}, cores("linux-amd64", "")},
		"half a second":        {func(r *repo.Release) { r.Soak = 3500 * time.Millisecond }, cores("linux-amd64", "x")},
	} {
		rel := release("1.0")
		c.change(&rel)
		if _, err := r.AddRelease(rel, c.cores); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := r.AddProgram("linux-amd64", "1.0", "limpet-core", []byte("x")); err == nil {
		t.Error("a core is taken as a program of the stub")
	}
}

// What the client would refuse is not announced.
func TestWhatAClientRefusesIsNotPublished(t *testing.T) {
	disk, keys := crashdisk.New(), keyring(t)
	create(t, disk, "/repo", keys, noon)
	before := disk.Calls()
	for name, change := range map[string]func(*repo.Release){
		"floor above the counter": func(r *repo.Release) { r.Floor = 9 },
		"soak too short":          func(r *repo.Release) { r.Soak = time.Second },
		"no contract":             func(r *repo.Release) { r.Contract = 0 },
		"counter beyond a client": func(r *repo.Release) { r.Counter = 1 << 63 },
	} {
		rel := release("1.0")
		change(&rel)
		r := open(t, disk, "/repo", keys)
		_, err := r.AddRelease(rel, map[string][]byte{"linux-amd64": []byte("x")})
		if err == nil {
			_, err = r.Commit(noon)
		}
		if err == nil {
			t.Errorf("%s: published", name)
		}
	}
	if disk.Calls() != before {
		t.Error("something was written")
	}
}

func TestRefreshWeeksLater(t *testing.T) {
	keys, disk := keyring(t), crashdisk.New()
	r := create(t, disk, "/repo", keys, noon)
	root := r.Root()
	add(t, r, release("1.0"), "x")
	commit(t, r, noon)
	version := func(set *tuf.Set) map[string]int64 {
		out := map[string]int64{}
		for _, e := range set.Expiries() {
			out[e.Role] = e.Version
		}
		return out
	}
	for _, c := range []struct {
		after                    time.Duration
		root, targets, delegated int64
	}{
		{time.Minute, 1, 2, 1},
		{20 * day, 1, 2, 1},
		{80 * day, 1, 3, 2}, // 10 days before targets expire
		{500 * day, 2, 4, 3},
	} {
		now := noon.Add(c.after)
		r = open(t, disk, "/repo", keys)
		r.Refresh(now)
		commit(t, r, now)
		got := version(stranger(t, disk, "/repo", root, now))
		if got["root"] != c.root || got["targets"] != c.targets || got["stable-linux-amd64"] != c.delegated {
			t.Errorf("%v later: versions %v", c.after, got)
		}
		if w := r.Set().Warnings(now); w != nil {
			t.Errorf("%v later: warnings %v", c.after, w)
		}
	}
	if bytes.Equal(r.Root(), root) {
		t.Error("the root is still the old one")
	}
}

func TestClockSetBack(t *testing.T) {
	keys, disk := keyring(t), crashdisk.New()
	create(t, disk, "/repo", keys, noon)
	r := open(t, disk, "/repo", keys)
	r.Refresh(noon)
	commit(t, r, noon.Add(-time.Minute))
	if !r.Set().Issued().Equal(noon) {
		t.Errorf("issued at %v, before the last time", r.Set().Issued())
	}
	r.Refresh(noon)
	if _, err := r.Commit(noon.Add(-2 * time.Hour)); err == nil || !strings.Contains(err.Error(), "set the clock") {
		t.Errorf("two hours back: %v", err)
	}
}

// What somebody changed on the server does not get our signature.
func TestDamagedRepositoryIsNotSignedAgain(t *testing.T) {
	keys := keyring(t)
	for name, damage := range map[string]func(dir string) error{
		"targets changed": func(dir string) error {
			return replace(filepath.Join(dir, "2.stable-linux-amd64.json"), `"counter":2`, `"counter":3`)
		},
		"an older role under a newer name": func(dir string) error {
			data, err := os.ReadFile(filepath.Join(dir, "1.stable-linux-amd64.json"))
			return errors.Join(err, os.WriteFile(filepath.Join(dir, "2.stable-linux-amd64.json"), data, 0o644))
		},
		"role gone":      func(dir string) error { return os.Remove(filepath.Join(dir, "2.stable-linux-amd64.json")) },
		"timestamp gone": func(dir string) error { return os.Remove(filepath.Join(dir, "timestamp.json")) },
		"root changed": func(dir string) error {
			return replace(filepath.Join(dir, "1.root.json"), `"threshold":1`, `"threshold":2`)
		},
		"timestamp of another": func(dir string) error {
			other := t.TempDir()
			create(t, fsys.Disk{}, other, keyring(t), noon)
			data, err := os.ReadFile(filepath.Join(other, "timestamp.json"))
			return errors.Join(err, os.WriteFile(filepath.Join(dir, "timestamp.json"), data, 0o644))
		},
	} {
		dir := t.TempDir()
		r := create(t, fsys.Disk{}, dir, keys, noon)
		add(t, r, release("1.0"), "one")
		commit(t, r, noon)
		add(t, r, release("2.0"), "two")
		commit(t, r, noon)
		if err := damage(dir); err != nil {
			t.Fatal(name, err)
		}
		if _, err := repo.Open(fsys.Disk{}, dir, keys); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func replace(name, old, new string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	changed := strings.Replace(string(data), old, new, 1)
	if changed == string(data) {
		return errors.New("nothing to replace")
	}
	return os.WriteFile(name, []byte(changed), 0o644)
}

func TestCreateAndOpenElsewhere(t *testing.T) {
	dir, keys := t.TempDir(), keyring(t)
	if _, err := repo.Open(fsys.Disk{}, dir, keys); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of an empty folder: %v", err)
	}
	if _, err := repo.Open(fsys.Disk{}, filepath.Join(dir, "none"), keys); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of no folder: %v", err)
	}
	create(t, fsys.Disk{}, dir, keys, noon)
	if _, err := repo.Create(fsys.Disk{}, dir, keys, true); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over another: %v", err)
	}
	r := open(t, fsys.Disk{}, dir, nil)
	r.Refresh(noon)
	if _, err := r.Commit(noon); err == nil {
		t.Error("signed without keys")
	}
}

func TestKeysOfAnotherRepositoryAreNoticed(t *testing.T) {
	disk := crashdisk.New()
	create(t, disk, "/repo", keyring(t), noon)
	before := disk.Calls()
	r := open(t, disk, "/repo", keyring(t))
	r.Refresh(noon)
	if _, err := r.Commit(noon); err == nil {
		t.Error("signed with other keys")
	}
	if disk.Calls() != before {
		t.Error("something was written")
	}
}

func TestInitSite(t *testing.T) {
	disk := crashdisk.New()
	key, err := signing.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repo.InitSite(disk, "/site", key, noon)
	if err != nil {
		t.Fatal(err)
	}
	if r.Set().Development() {
		t.Error("a site with a real key is marked for development")
	}
	again, err := repo.InitSite(disk, "/site", key, noon.Add(day))
	if err != nil || !bytes.Equal(again.Root(), r.Root()) {
		t.Errorf("a second start makes another root: %v", err)
	}
	stranger(t, disk, "/site", r.Root(), noon)
	other, err := signing.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.InitSite(disk, "/site", other, noon); err == nil {
		t.Error("another key is taken")
	}
}

// dice chooses at random what a power cut leaves.
type dice struct{ random *rand.Rand }

func (d dice) Choose(n int) int { return d.random.IntN(n) }

// Power fails at every call of a creation, a release and a rotation; after each
// cut, whatever the disk kept, strangers verify, and the publisher can go on.
func TestPowerCutWhilePublishing(t *testing.T) {
	keys := keyring(t)
	steps := []struct {
		name string
		do   func(r *repo.Repo) time.Time
	}{
		{"release", func(r *repo.Repo) time.Time { add(t, r, release("1.0"), "one"); return noon.Add(time.Hour) }},
		{"rotation", func(r *repo.Repo) time.Time { r.Refresh(noon.Add(360 * day)); return noon.Add(360 * day) }},
	}
	// A base that every round can be built up to again.
	build := func(disk *crashdisk.Disk, upTo int) *repo.Repo {
		r := create(t, disk, "/repo", keys, noon)
		for _, s := range steps[:upTo] {
			commit(t, r, s.do(r))
		}
		return r
	}
	for i, s := range steps {
		for n := 1; ; n++ {
			disk := crashdisk.New()
			r := build(disk, i)
			root, now := r.Root(), s.do(r)
			disk.CutAt(n)
			_, err := r.Commit(now)
			if err == nil {
				if n < 10 {
					t.Fatalf("%s takes only %d calls", s.name, n)
				}
				break
			}
			for seed := range uint64(2) {
				after := disk.Restart(dice{rand.New(rand.NewPCG(seed, uint64(n)))})
				later := now.Add(time.Minute)
				back, err := repo.Open(after, "/repo", keys)
				if err != nil {
					t.Fatalf("%s, cut at %d: %v", s.name, n, err)
				}
				s.do(back)
				back.Refresh(later)
				if _, err := back.Commit(later); err != nil {
					t.Fatalf("%s, cut at %d: publish again: %v", s.name, n, err)
				}
				stranger(t, after, "/repo", root, later)
			}
		}
	}
}
