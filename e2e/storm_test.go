//go:build unix

package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

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
	s := newSite(t)
	book, err := ledger.New(s.Dir, "0.3")
	s.must(err)
	began := time.Now()
	a := s.agent("storm", "plugin_dirs = "+book.Plugins())
	s.must(s.hub.Apply(s.ctx, ledger.Checks(16, 4)))
	s.await("every check's first run", func() bool { return book.Began() == 20 })
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range rounds {
		k := storm[rnd.IntN(len(storm))]
		wait := time.NewTimer(time.Duration(rnd.IntN(2500)) * time.Millisecond)
		<-wait.C
		up, err := ledger.Uptime()
		s.must(err)
		t.Logf("kill -9 %s at %.2f", k.name, up.Seconds())
		s.must(k.kill(s, a))
	}
	// Enough for the last life to bring everything over, then nothing runs any more.
	s.await("a session after the storm", func() bool { return presence(s, a) == "online" })
	s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks: []\n"))
	s.must(ledger.Settle(s.ctx, s.Rig, a))
	tally, err := book.Count(s.ctx, s.hub, a.Fingerprint(), time.Since(began)+time.Minute)
	s.must(err)
	t.Logf("%d ran, %d at the hub, %d cut off and reported", tally.Ran, tally.Arrived, tally.Told)
	if len(tally.Lost)+len(tally.Doubled)+len(tally.Strange) > 0 || tally.Arrived < 20 {
		t.Errorf("lost %v, doubled %v, never ran %v", tally.Lost, tally.Doubled, tally.Strange)
	}
}
