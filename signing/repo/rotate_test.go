package repo_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// hands is a ring of some people's keys, by id.
type hands map[string]signing.Signer

func (h hands) Signers(_ string, ids []string) (out []signing.Signer, _ error) {
	for _, id := range ids {
		if h[id] != nil {
			out = append(out, h[id])
		}
	}
	return out, nil
}

func (h hands) and(people ...signing.Key) hands {
	out := hands{}
	for id, s := range h {
		out[id] = s
	}
	for _, k := range people {
		out[k.ID()] = k
	}
	return out
}

func draw(t testing.TB, n int) []signing.Key {
	t.Helper()
	var out []signing.Key
	for range n {
		k, err := signing.Generate(false)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, k)
	}
	return out
}

func grant(threshold int, keys ...signing.Key) repo.Grant {
	g := repo.Grant{Threshold: threshold}
	for _, k := range keys {
		g.Keys = append(g.Keys, k.Public())
	}
	return g
}

// company is a repository of several people: a root by any two of three.
func company(t testing.TB, dir string, people []signing.Key, online signing.Key) *repo.Repo {
	t.Helper()
	r, err := repo.Found(fsys.Disk{}, dir, hands{}.and(people...).and(online), repo.Plan{
		Platforms: []string{"linux-amd64"},
		Roles: map[string]repo.Grant{
			"root": grant(2, people[:3]...), "targets": grant(2, people[:3]...), "stable": grant(2, people[:3]...),
			"snapshot": grant(1, online), "timestamp": grant(1, online),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, r, noon)
	return r
}

// From every root that was ever shipped a client follows to the newest one, whose
// people have all changed twice on the way, and so has the online key.
func TestEveryRootEverShippedLeadsToTheNewest(t *testing.T) {
	const turns = 8
	dir := t.TempDir()
	people, online := draw(t, 3+turns), draw(t, 1+turns)
	company(t, dir, people, online[0])
	for n := range turns {
		all := hands{}.and(people...).and(online...)
		r, err := repo.Open(fsys.Disk{}, dir, all)
		if err != nil {
			t.Fatal(err)
		}
		next := grant(2, people[n+1:n+4]...)
		for role, g := range map[string]repo.Grant{"root": next, "targets": next, "stable": next, "snapshot": grant(1, online[n+1]), "timestamp": grant(1, online[n+1])} {
			if changed, err := r.Grant(role, g, nil); err != nil || !changed {
				t.Fatalf("grant %s: %v, %v", role, changed, err)
			}
			if changed, err := r.Grant(role, g, nil); err != nil || changed {
				t.Fatalf("grant %s again: %v, %v", role, changed, err)
			}
		}
		rel := release(fmt.Sprintf("1.%d.0", n))
		rel.Floor, rel.Soak = 0, 10*time.Second
		add(t, r, rel, fmt.Sprint("core ", n))
		commit(t, r, noon.Add(time.Duration(n+1)*time.Hour))
	}
	for n := 1; n <= turns+1; n++ {
		root, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.root.json", n)))
		if err != nil {
			t.Fatal(err)
		}
		set := stranger(t, fsys.Disk{}, dir, root, noon.Add(turns*time.Hour))
		if cores, skipped := set.Cores("stable", "linux-amd64"); len(cores) != turns || skipped != nil {
			t.Errorf("from root %d: %d cores, %v", n, len(cores), skipped)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf("%d.root.json", turns+2))); err == nil {
		t.Error("there are more roots than were made")
	}
}

// Old people alone, or new ones alone, make no new root.
func TestARootNeedsThoseBeforeItAndItsOwn(t *testing.T) {
	people, online := draw(t, 6), draw(t, 1)[0]
	for what, c := range map[string]struct {
		hands []signing.Key
		want  string
	}{
		"the old alone":        {people[:3], "root has 0 of 2 signatures"},
		"the new alone":        {people[3:], "root has 0 of 2 signatures"},
		"one of the old":       {append(people[3:6:6], people[0]), "root has 1 of 2 signatures"},
		"two of each":          {append(people[3:5:5], people[:2]...), ""},
		"nobody":               {nil, "root has 0 of 2 signatures"},
		"one key, three files": {[]signing.Key{people[0], people[0], people[0]}, "root has 0 of 2 signatures"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			company(t, dir, people, online)
			r, err := repo.Open(fsys.Disk{}, dir, hands{}.and(c.hands...).and(online))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Grant("root", grant(2, people[3:]...), nil); err != nil {
				t.Fatal(err)
			}
			_, err = r.Commit(noon)
			if lacks := (*repo.Unsigned)(nil); c.want == "" && err != nil || c.want != "" && (!errors.As(err, &lacks) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "2.root.json")); (err == nil) != (c.want == "") {
				t.Errorf("root 2: %v", err)
			}
		})
	}
}

// A thief of the online key can do nothing once root has named another one: his
// versions, however high, are forgotten by boxes that saw them.
func TestAfterATheftOfTheOnlineKeyBoxesComeBack(t *testing.T) {
	dir, stolen := t.TempDir(), t.TempDir()
	people, online := draw(t, 3), draw(t, 2)
	company(t, dir, people, online[0])
	if err := os.CopyFS(filepath.Join(stolen, "repo"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	thief, err := repo.Open(fsys.Disk{}, filepath.Join(stolen, "repo"), hands{}.and(online[0]))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 { // he signs on and on, so that his versions are higher than any of ours
		thief.Refresh(noon)
		commit(t, thief, noon.Add(time.Duration(n)*time.Minute))
	}
	box, _, err := seen(thief, mustRead(t, filepath.Join(dir, "1.root.json")), noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	r, err := repo.Open(fsys.Disk{}, dir, hands{}.and(people[0], people[2], online[1]))
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"snapshot", "timestamp"} {
		if _, err := r.Grant(role, grant(1, online[1]), nil); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, r, noon.Add(2*time.Hour))
	if _, _, err := tuf.Refresh(box, r.Read, noon.Add(2*time.Hour), tuf.CoreDir("stable", "linux-amd64")); err != nil {
		t.Errorf("a box that saw the thief's versions: %v", err)
	}
	thief.Refresh(noon)
	commit(t, thief, noon.Add(3*time.Hour))
	mix := func(name string, limit int64) ([]byte, error) { // his timestamp beside our root
		if name == "2.root.json" {
			return r.Read(name, limit)
		}
		return thief.Read(name, limit)
	}
	if _, _, err := tuf.Refresh(box, mix, noon.Add(3*time.Hour)); err == nil {
		t.Error("what the thief signs is still believed")
	}
}

func seen(r *repo.Repo, root []byte, now time.Time) (tuf.Stored, *tuf.Set, error) {
	set, after, err := tuf.Refresh(tuf.Stored{"root.json": root}, r.Read, now, tuf.CoreDir("stable", "linux-amd64"))
	return after, set, err
}

func mustRead(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestGrantsThatMakeNoSense(t *testing.T) {
	people, online := draw(t, 3), draw(t, 1)[0]
	r := company(t, t.TempDir(), people, online)
	for what, c := range map[string]struct {
		role string
		g    repo.Grant
		more []string
		want string
	}{
		"nobody":                  {"root", repo.Grant{Threshold: 1}, nil, "0 keys"},
		"more than there are":     {"root", grant(4, people...), nil, "threshold of 4 of 3"},
		"none at all":             {"root", grant(0, people...), nil, "threshold of 0"},
		"one key twice":           {"root", grant(2, people[0], people[0]), nil, "twice"},
		"too many":                {"root", repo.Grant{Keys: make([]ed25519.PublicKey, 65), Threshold: 1}, nil, "65 keys"},
		"a channel nowhere":       {"beta", grant(1, people...), nil, "no platform yet"},
		"a channel with a dash":   {"be-ta", grant(1, people...), []string{"linux-amd64"}, "channel"},
		"a platform that is none": {"beta", grant(1, people...), []string{"linux"}, "platform"},
		"a development key":       {"stable", repo.Grant{Keys: []ed25519.PublicKey{people[0].Public()}, Threshold: 1, Development: true}, nil, "development key"},
	} {
		if _, err := r.Grant(c.role, c.g, c.more); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if r.Changed() {
		t.Error("what was refused has changed something")
	}
}

// A request's papers are what its words are about; what somebody put there instead is
// in the words, or refused.
func TestARequestSaysWhatItIs(t *testing.T) {
	people, online := draw(t, 6), draw(t, 1)[0]
	dir := t.TempDir()
	company(t, dir, people[:3], online)
	ask := func(t *testing.T, change func(r *repo.Repo) error) string {
		r, err := repo.Open(fsys.Disk{}, dir, hands{})
		if err != nil {
			t.Fatal(err)
		}
		if err := change(r); err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(t.TempDir(), "request")
		if err := r.WriteRequest(fsys.Disk{}, folder, "nothing of note", noon); err != nil {
			t.Fatal(err)
		}
		return folder
	}
	usurp := func(r *repo.Repo) error {
		_, err := r.Grant("stable", grant(1, people[5]), nil)
		return err
	}
	t.Run("the words are of the papers", func(t *testing.T) {
		q, err := repo.OpenRequest(fsys.Disk{}, ask(t, usurp))
		if err != nil {
			t.Fatal(err)
		}
		words := ""
		for _, s := range q.Sheets() {
			words += s.Role + ": " + strings.Join(s.Words, "\n") + "\n"
		}
		for _, want := range []string{"stable-linux-amd64 is signed by any 1 of 1 keys, until now by any 2 of 3", "+ key " + people[5].ID() + " may sign stable-linux-amd64", "- key " + people[0].ID()} {
			if !strings.Contains(words, want) {
				t.Errorf("%q is not in\n%s", want, words)
			}
		}
		if may, _ := q.For(people[0].ID()); len(may) != 1 || may[0] != "targets" {
			t.Errorf("the old key signs %v", may)
		}
	})
	t.Run("other bytes under a signature", func(t *testing.T) {
		folder := ask(t, usurp)
		q, err := repo.OpenRequest(fsys.Disk{}, folder)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Sign(people[0]); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(folder, "sign", "2.targets.json")
		text := strings.Replace(string(mustRead(t, name)), `"threshold":1`, `"threshold":2`, 1)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := repo.OpenRequest(fsys.Disk{}, folder); err == nil || !strings.Contains(err.Error(), "no signature of this targets") {
			t.Errorf("%v", err)
		}
	})
	t.Run("another repository's base", func(t *testing.T) {
		folder := ask(t, usurp)
		name := filepath.Join(folder, "base", "timestamp.json")
		text := strings.Replace(string(mustRead(t, name)), `"version":1`, `"version":9`, 1)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := repo.OpenRequest(fsys.Disk{}, folder); err == nil {
			t.Error("a base that does not verify was taken")
		}
	})
	t.Run("a version that does not follow", func(t *testing.T) {
		folder := ask(t, usurp)
		name := filepath.Join(folder, "sign", "2.targets.json")
		text := strings.Replace(string(mustRead(t, name)), `"version":2`, `"version":7`, 1)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := repo.OpenRequest(fsys.Disk{}, folder); err == nil || !strings.Contains(err.Error(), "make the request anew") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a key of another length", func(t *testing.T) { // go-tuf would hand it on, and Ed25519 panics
		folder := ask(t, usurp)
		name := filepath.Join(folder, "sign", "2.stable-linux-amd64.json")
		top := filepath.Join(folder, "sign", "2.targets.json")
		public := hex.EncodeToString(people[5].Public())
		if err := os.WriteFile(top, []byte(strings.Replace(string(mustRead(t, top)), public, public[2:], 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(mustRead(t, name)), `"signatures":[]`, `"signatures":[{"keyid":"`+people[5].ID()+`","sig":"`+strings.Repeat("00", 64)+`"}]`, 1)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		q, err := repo.OpenRequest(fsys.Disk{}, folder)
		if err == nil && len(q.Lacks()) != 2 {
			t.Errorf("lacks %v", q.Lacks())
		}
	})
	t.Run("a beginning without a root", func(t *testing.T) {
		folder := ask(t, usurp)
		if err := os.RemoveAll(filepath.Join(folder, "base")); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"2.targets.json", "2.stable-linux-amd64.json"} {
			text := strings.Replace(string(mustRead(t, filepath.Join(folder, "sign", name))), `"version":2`, `"version":1`, 1)
			if err := os.WriteFile(filepath.Join(folder, "sign", "1"+name[1:]), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		head := filepath.Join(folder, "request.json")
		if err := os.WriteFile(head, []byte(strings.ReplaceAll(string(mustRead(t, head)), `"2.`, `"1.`)), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := repo.OpenRequest(fsys.Disk{}, folder); err == nil || !strings.Contains(err.Error(), "without a root") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a key for development", func(t *testing.T) {
		q, err := repo.OpenRequest(fsys.Disk{}, ask(t, usurp))
		if err != nil {
			t.Fatal(err)
		}
		k, err := signing.Generate(true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Sign(k); err == nil {
			t.Error("it signed")
		}
	})
	t.Run("names that lead elsewhere", func(t *testing.T) {
		for _, bad := range []string{"../2.targets.json", "2.timestamp.json", "2.snapshot.json", "targets.json", "x.targets.json"} {
			folder := ask(t, usurp)
			name := filepath.Join(folder, "request.json")
			text := strings.Replace(string(mustRead(t, name)), `"2.targets.json"`, `"`+bad+`"`, 1)
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := repo.OpenRequest(fsys.Disk{}, folder); err == nil {
				t.Errorf("%s was taken", bad)
			}
		}
	})
}
