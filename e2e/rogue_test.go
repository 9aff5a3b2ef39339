//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
	"github.com/limpet-monitoring/limpet/e2e/rogue"
)

// The measures hold the times to the millisecond on a quiet machine (make bench ONLY=hostile); here others share it.
const (
	hostileSlack   = 20 * time.Second
	hostileSide    = 3 // at a time
	neighbourLate  = 20 * time.Second
	hostileGrowth  = 16 << 20 // of the core, for one of them, while all it prints is streamed to who asked: the measure is 2 MB
	hostileForget  = rig.Patience
	hostileDescent = 80 // descriptors more than before: idle slots keep two each
)

// TestHostilePlugins runs them over the built programs, a few at a time, beside neighbours that behave: on a box with cgroups and on one without, where what
// sheds group and environment is not found, and nobody counts processes. Those that take the machine with them, on which other tests run, are left to make bench ONLY=hostile.
func TestHostilePlugins(t *testing.T) {
	for i, box := range []struct {
		name   string
		leave  func(k rogue.Kind) bool
		config []string
	}{
		{"with cgroups", func(k rogue.Kind) bool { return k.Alone }, nil},
		{"without cgroups", func(k rogue.Kind) bool { return k.Alone || k.NeedsCgroup }, []string{"cgroups = no"}},
	} {
		t.Run(box.name, func(t *testing.T) {
			t.Parallel()
			mark := fmt.Sprintf("%s.%d%d", rogue.Mark, os.Getpid(), i)
			playAll(t, mark, slices.DeleteFunc(slices.Clone(rogue.Kinds), box.leave), box.config...)
		})
	}
}

func playAll(t *testing.T, mark string, kinds []rogue.Kind, config ...string) {
	t.Helper()
	s := newSite(t)
	dir := filepath.Join(s.Dir, "plugins")
	s.must(rogue.Write(dir, mark))
	dumps := dumped(dir)
	a := s.agent("hostile", append(config, "plugin_dirs = "+dir)...)
	s.must(s.hub.Apply(s.ctx, rogue.Document(10)))
	s.await("all checks", func() bool {
		_, ok := get[struct{}](s, "/api/v1/agents/"+a.Fingerprint()+"/checks/"+rogue.Neighbour+"9")
		return ok
	})
	core := a.CorePID()
	open, atFirst := descriptors(core), rogue.Anonymous(core)
	began := time.Now()

	turns := make(chan rogue.Kind)
	var wg sync.WaitGroup
	for range hostileSide {
		wg.Go(func() {
			for k := range turns {
				seen, err := rogue.Play(s.ctx, s.hub, a, k)
				if err != nil {
					t.Errorf("%s: %v", k.Name, err)
					continue
				}
				if wrong := k.Wrong(seen, hostileSlack); wrong != "" {
					t.Errorf("%s (%s): %s", k.Name, k.Does, wrong)
				}
				if grew := seen.Peak - atFirst; grew > hostileSide*hostileGrowth {
					t.Errorf("%s: the core grew by %d kB", k.Name, grew>>10)
				}
			}
		})
	}
	for _, k := range kinds {
		turns <- k
	}
	close(turns)
	wg.Wait()

	if now := a.CorePID(); now != core {
		t.Errorf("the core was started anew: %d, before %d", now, core)
	}
	var left []string
	for end := time.Now().Add(hostileForget); time.Now().Before(end); <-time.After(200 * time.Millisecond) {
		if left = rogue.Left(core, dir, mark); len(left) == 0 {
			break
		}
	}
	if len(left) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
	s.await(fmt.Sprintf("no more than %d descriptors", open+hostileDescent), func() bool { return descriptors(core) <= open+hostileDescent })
	if now := dumped(dir); !slices.Equal(now, dumps) {
		t.Errorf("left behind: %v, before %v", now, dumps)
	}
	neighboursInTime(s, a.Fingerprint(), time.Since(began))
}

// dumped lists what may be dumps of memory.
func dumped(dir string) (names []string) {
	for _, place := range []string{"/", dir} {
		cores, _ := filepath.Glob(filepath.Join(place, "core*"))
		names = append(names, cores...)
	}
	return names
}

// The page lists what is run.
func TestThePageOfHostilePlugins(t *testing.T) {
	page, err := os.ReadFile("../docs/hostile-plugins.md")
	if err != nil {
		t.Fatal(err)
	}
	if rows := strings.Count(string(page), "\n| "); rows != len(rogue.Kinds)+1 {
		t.Errorf("%d rows for %d kinds", rows-1, len(rogue.Kinds))
	}
	for _, k := range rogue.Kinds {
		if !strings.Contains(string(page), "\n| "+k.Name+" | "+k.Does+" | "+k.State+" | ") {
			t.Errorf("no row for %s", k.Name)
		}
	}
}

func neighboursInTime(s *site, agent string, back time.Duration) {
	s.t.Helper()
	runs, late := 0, 0
	s.must(s.hub.Every(s.ctx, agent, back, func(line []byte) error {
		var r struct {
			Check, State, Trigger, Text string
			Start, Due                  time.Time
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		if strings.HasPrefix(r.Check, rogue.Neighbour) {
			runs++
			if r.State != "OK" || r.Start.Sub(r.Due) > neighbourLate {
				late++
				s.t.Errorf("%s is %s, %s late: %s", r.Check, r.State, r.Start.Sub(r.Due), r.Text)
			}
		}
		return nil
	}))
	if want := int(back/time.Second) * 10 / 2; runs < want {
		s.t.Errorf("neighbours ran %d times in %s, want %d", runs, back, want)
	}
}

func descriptors(pid int) int {
	names, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	return len(names)
}
