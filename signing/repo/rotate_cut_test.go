package repo_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// Power fails at every call of a commit that gives roles to other keys. What is there then is opened, and the same step again, or the same
// request, publishes it: a root that is out before the timestamp that its keys sign is not the end of a repository.
func TestPowerCutWhileKeysChange(t *testing.T) {
	people, online := draw(t, 6), draw(t, 2)
	all := hands{}.and(people...).and(online...)
	for name, roles := range map[string]map[string]repo.Grant{
		"online":     {"snapshot": grant(1, online[1]), "timestamp": grant(1, online[1])},
		"targets":    {"targets": grant(2, people[3:]...)},
		"everything": {"root": grant(2, people[3:]...), "targets": grant(2, people[3:]...), "snapshot": grant(1, online[1]), "timestamp": grant(1, online[1])},
	} {
		give := func(r *repo.Repo) {
			t.Helper()
			for _, role := range []string{"root", "targets", "snapshot", "timestamp"} {
				if g, ok := roles[role]; ok {
					if _, err := r.Grant(role, g, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		later := noon.Add(time.Hour)
		for n := 1; ; n++ {
			disk := crashdisk.New()
			founded, err := repo.Found(disk, "/repo", all, companyPlan(people, online[0]))
			if err != nil {
				t.Fatal(err)
			}
			commit(t, founded, noon)
			root := founded.Root()
			give(founded)
			if err := founded.WriteRequest(disk, "/request", name, later); err != nil {
				t.Fatal(err)
			}
			r, err := repo.Open(disk, "/repo", all)
			if err != nil {
				t.Fatal(err)
			}
			q, err := repo.OpenRequest(disk, "/request")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Adopt(q); err != nil {
				t.Fatal(err)
			}
			disk.CutAt(n)
			if _, err := r.Commit(later); err == nil {
				if n < 10 {
					t.Fatalf("%s takes only %d calls", name, n)
				}
				break
			}
			for seed := range uint64(4) {
				after := disk.Restart(dice{rand.New(rand.NewPCG(seed, uint64(n)))})
				back, err := repo.Open(after, "/repo", all)
				if err != nil {
					t.Fatalf("%s, cut at %d: %v", name, n, err)
				}
				if seed%2 == 0 {
					q, err := repo.OpenRequest(after, "/request")
					if err != nil {
						t.Fatalf("%s, cut at %d: %v", name, n, err)
					}
					if _, err := back.Adopt(q); err != nil {
						t.Fatalf("%s, cut at %d: the request again: %v", name, n, err)
					}
				} else {
					give(back)
					back.Refresh(later)
				}
				if _, err := back.Commit(later.Add(time.Minute)); err != nil {
					t.Fatalf("%s, cut at %d: publish again: %v", name, n, err)
				}
				stranger(t, after, "/repo", root, later.Add(time.Minute))
			}
		}
	}
}

func companyPlan(people []signing.Key, online signing.Key) repo.Plan {
	return repo.Plan{
		Platforms: []string{"linux-amd64"},
		Roles: map[string]repo.Grant{
			"root": grant(2, people[:3]...), "targets": grant(2, people[:3]...), "stable": grant(2, people[:3]...),
			"snapshot": grant(1, online), "timestamp": grant(1, online),
		},
	}
}

// Boxes may have the root of a change that was cut short: until that change is made again nothing else is signed, least of all another root of that number.
func TestAnotherChangeDoesNotFollowOneCutShort(t *testing.T) {
	dir, people, online := t.TempDir(), draw(t, 6), draw(t, 3)
	all := hands{}.and(people...).and(online...)
	company(t, dir, people, online[0])
	timestamp := filepath.Join(dir, "timestamp.json")
	before := mustRead(t, timestamp)
	change := func(to signing.Key) error {
		r, err := repo.Open(fsys.Disk{}, dir, all)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Grant("timestamp", grant(1, to), nil); err != nil {
			t.Fatal(err)
		}
		_, err = r.Commit(noon.Add(time.Hour))
		return err
	}
	if err := change(online[1]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(timestamp, before, 0o644); err != nil { // the power failed before the new one
		t.Fatal(err)
	}
	root := mustRead(t, filepath.Join(dir, "2.root.json"))
	r, err := repo.Open(fsys.Disk{}, dir, all)
	if err != nil {
		t.Fatal(err)
	}
	r.Refresh(noon)
	if _, err := r.Commit(noon.Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "root 2 was cut short") {
		t.Errorf("refreshed: %v", err)
	}
	if err := change(online[2]); err == nil || !strings.Contains(err.Error(), "root 2 was cut short") {
		t.Errorf("other keys: %v", err)
	}
	if !bytes.Equal(root, mustRead(t, filepath.Join(dir, "2.root.json"))) || !bytes.Equal(before, mustRead(t, timestamp)) {
		t.Error("something was written")
	}
	if err := change(online[1]); err != nil {
		t.Errorf("the same change: %v", err)
	}
	stranger(t, fsys.Disk{}, dir, root, noon.Add(time.Hour))
}
