//go:build unix

package e2e

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// counter is a plugin that writes a word of its own into a file before it prints it: the file says what ran, the hub what arrived.
const counter = `#!/bin/sh
word=$$-$(date +%s%N)
echo "$word" >>"$1"
sleep "$2"
echo "OK - word=$word | n=1"
`

// storm is one kind of kill.
var storm = []struct {
	name string
	kill func(s *site, a *rig.Agent) error
}{
	{"core", func(s *site, a *rig.Agent) error {
		if err := a.KillCore(); err != nil && a.CorePID() > 1 {
			return nil // it was between two lives already
		}
		return nil
	}},
	{"hub", func(s *site, a *rig.Agent) error {
		s.hub.Kill()
		return s.hub.Start(s.ctx)
	}},
	{"stub", func(s *site, a *rig.Agent) error {
		a.Stub().Kill()
		return a.Start()
	}},
}

// TestStorm kills (-9) hub, core and stub many times under load and counts: every word that a plugin printed and that the agent
// accepted is at the hub once, and whatever a kill cut off is there as a lost run.
func TestStorm(t *testing.T) {
	t.Parallel()
	rounds := 12
	if n, err := strconv.Atoi(os.Getenv("LIMPET_STORM_ROUNDS")); err == nil {
		rounds = n // make soak
	}
	const checks = 20
	s := newSite(t)
	dir := filepath.Join(s.Dir, "plugins")
	words := filepath.Join(s.Dir, "words")
	for _, d := range []string{dir, words} {
		s.must(os.MkdirAll(d, 0o755))
	}
	s.must(os.WriteFile(filepath.Join(dir, "check_counter"), []byte(counter), 0o755))
	a := s.agent("storm", "plugin_dirs = "+dir, "allow_args.check_counter = .*")

	var yaml strings.Builder
	yaml.WriteString("defaults: false\nchecks:\n")
	for i := range checks {
		sleep := "0"
		if i%5 == 4 {
			sleep = "0.3"
		}
		fmt.Fprintf(&yaml, "  - {name: c%d, plugin: check_counter, args: [%q, %q], every: 1s, timeout: 5s}\n", i, filepath.Join(words, fmt.Sprint("c", i)), sleep)
	}
	s.must(s.hub.Apply(s.ctx, yaml.String()))
	s.await("every check's first run", func() bool {
		files, _ := os.ReadDir(words)
		return len(files) == checks
	})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range rounds {
		k := storm[rnd.IntN(len(storm))]
		wait := time.NewTimer(time.Duration(rnd.IntN(2500)) * time.Millisecond)
		<-wait.C
		t.Log("kill -9", k.name)
		s.must(k.kill(s, a))
	}
	// Enough for the last life to bring everything over, then nothing runs any more.
	s.await("a session after the storm", func() bool {
		v, ok := get[struct{ Presence string }](s, "/api/v1/agents/"+a.Fingerprint())
		return ok && v.Presence == "online"
	})
	s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks: []\n"))
	s.must(ledger.Settle(s.ctx, s.Rig, a))
	s.count(a, words, checks)
}

// count compares, check by check, the words that ran with the words at the hub and the lost runs it was told of.
func (s *site) count(a *rig.Agent, words string, checks int) {
	s.t.Helper()
	total, lost := 0, 0
	for i := range checks {
		name := fmt.Sprint("c", i)
		ran := readWords(s.t, filepath.Join(words, name))
		var results []struct{ Text string }
		s.must(s.hub.Get(s.ctx, "/api/v1/agents/"+a.Fingerprint()+"/checks/"+name+"/results?limit=1000", &results))
		if len(results) == 1000 {
			s.t.Fatalf("%s: more results than the hub lists; the storm is too long for this count", name)
		}
		seen := map[string]int{}
		for _, r := range results {
			if _, word, ok := strings.Cut(r.Text, "word="); ok {
				seen[word]++
			}
		}
		for word, n := range seen {
			if n > 1 {
				s.t.Errorf("%s: %s is at the hub %d times", name, word, n)
			}
			if !ran[word] {
				s.t.Errorf("%s: %s is at the hub and never ran", name, word)
			}
		}
		missing := len(ran) - len(seen)
		told := s.lostRuns(a, name)
		if missing > told {
			s.t.Errorf("%s: %d ran, %d are at the hub, and only %d are reported lost", name, len(ran), len(seen), told)
		}
		total += len(seen)
		lost += told
	}
	s.t.Logf("%d results at the hub, each once; %d runs cut off by a kill and reported as lost", total, lost)
	if total < checks {
		s.t.Errorf("only %d results: the load was no load", total)
	}
}

// lostRuns is how many runs of the check the hub was told were cut off.
func (s *site) lostRuns(a *rig.Agent, check string) int {
	s.t.Helper()
	var log []struct {
		Kind        string
		Fingerprint string
		Check       string
	}
	s.must(s.hub.Get(s.ctx, "/api/v1/log?limit=1000", &log))
	n := 0
	for _, e := range log {
		if e.Kind == "lost-run" && e.Fingerprint == a.Fingerprint() && e.Check == check {
			n++
		}
	}
	return n
}

func readWords(t *testing.T, file string) map[string]bool {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		out[lines.Text()] = true
	}
	return out
}
