//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

const (
	lineChecks = 60 // each second
	lineSlow   = 4  // which take longer than their second, so that a kill always finds some under way

	backWithin     = 2 * time.Second // after an outage of at most ten seconds
	backLong       = 15 * time.Second
	scheduleWithin = time.Second // after a core's death
	strangers      = 10_000
)

// cutting is one agent whose hub stands behind a line that can be cut.
type cutting struct {
	*rig.Rig
	hub   *rig.Hub
	agent *rig.Agent
	line  *cutter
	book  *ledger.Ledger
	told  ledger.Told
	began time.Time
}

func newCutting(ctx context.Context, r *rig.Rig, hub *rig.Hub, name, checks string, each int) (*cutting, error) {
	c := &cutting{Rig: r, hub: hub}
	var err error
	if c.line, err = newCutter(); err != nil {
		return nil, err
	}
	dir := filepath.Join(r.Dir, name+"-book")
	if c.book, err = ledger.New(dir, "2"); err != nil {
		return nil, err
	}
	c.agent = r.NewAgent(name)
	if err := c.agent.Bootstrap(ctx, hub); err != nil {
		return nil, err
	}
	if err := c.agent.Box("hub = "+hub.URL(), "proxy = http://"+c.line.addr, "plugin_dirs = "+c.book.Plugins()); err != nil {
		return nil, err
	}
	c.began = time.Now()
	if err := c.agent.Start(); err != nil {
		return nil, err
	}
	if checks == "" {
		return c, nil
	}
	if err := hub.Apply(ctx, checks); err != nil {
		return nil, err
	}
	return c, rig.Await(ctx, 2*time.Minute, "every check's first run", func(context.Context) (bool, error) { return c.book.Began() == each, nil })
}

func (c *cutting) online(ctx context.Context) bool {
	var agent struct{ Presence string }
	return c.hub.Get(ctx, "/api/v1/agents/"+c.agent.Fingerprint(), &agent) == nil && agent.Presence == "online"
}

// back waits for a session and says how long that took.
func (c *cutting) back(ctx context.Context) (time.Duration, error) {
	since := time.Now()
	err := rig.Await(ctx, 3*time.Minute, "a session", func(ctx context.Context) (bool, error) { return c.online(ctx), nil })
	return time.Since(since), err
}

// lineCuts kills and cuts at random, then takes the times after single deaths and outages; row names one of these alone: strikes, deaths, outages or crowd.
func lineCuts(ctx context.Context, t *table, bin, dir, row string, quick bool) error {
	r := &rig.Rig{Bin: bin, Dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := r.Publish(ctx, "0.1.0", filepath.Join(bin, "limpet-core")); err != nil {
		return err
	}
	hub, err := r.NewHub()
	if err != nil {
		return err
	}
	if err := hub.Start(ctx); err != nil {
		return err
	}
	defer hub.Stop()
	c, err := newCutting(ctx, r, hub, "box", ledger.Checks(lineChecks, lineSlow), lineChecks+lineSlow)
	if err != nil {
		return err
	}
	defer c.agent.Stop()
	n, outages, deaths, crowds := 1000, 12, 12, 10
	if quick {
		n, outages, deaths, crowds = 60, 4, 5, 2
	}
	for _, o := range []struct {
		row  string
		only *int
	}{{"strikes", &n}, {"deaths", &deaths}, {"outages", &outages}, {"crowd", &crowds}} {
		if row != "" && row != o.row {
			*o.only = 0
		}
	}
	if err := c.storm(ctx, n); err != nil {
		return err
	}
	killed, err := c.deaths(ctx, deaths)
	if err != nil {
		return err
	}
	if err := c.outages(ctx, t, outages); err != nil {
		return err
	}
	if err := c.crowds(ctx, t, crowds); err != nil {
		return err
	}
	return c.report(ctx, t, n, killed)
}

// storm is n kills and cuts, each a moment after the one before.
func (c *cutting) storm(ctx context.Context, n int) error {
	seed := uint64(time.Now().UnixNano())
	fmt.Fprintln(os.Stderr, "seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	for i := range n {
		if err := sleep(ctx, time.Duration(rnd.IntN(1200))*time.Millisecond); err != nil {
			return err
		}
		if err := c.strike(ctx, rnd); err != nil {
			return fmt.Errorf("strike %d: %w", i+1, err)
		}
		if i%25 == 0 {
			if err := c.told.Look(ctx, c.hub, c.agent.Fingerprint()); err != nil {
				return err
			}
		}
	}
	_, err := c.back(ctx)
	return err
}

// strike is one of them.
func (c *cutting) strike(ctx context.Context, rnd *rand.Rand) error {
	switch rnd.IntN(5) {
	case 0:
		if c.agent.CorePID() > 1 {
			_ = c.agent.KillCore() // it may be between two lives
		}
		return nil
	case 1:
		c.agent.Stub().Kill()
		return c.agent.Start()
	case 2:
		c.hub.Kill()
		return c.hub.Start(ctx)
	case 3:
		c.line.down()
		return c.line.up()
	default:
		c.line.down()
		if err := sleep(ctx, time.Duration(rnd.IntN(2000))*time.Millisecond); err != nil {
			return err
		}
		return c.line.up()
	}
}

// deaths kills the core, each time the first time in its stub's life, and gives the stretches in which the schedule has to be there again.
func (c *cutting) deaths(ctx context.Context, n int) (at []span, err error) {
	for range n {
		if err := c.agent.Stop(); err != nil {
			return nil, err
		}
		if err := c.agent.Start(); err != nil {
			return nil, err
		}
		if _, err := c.back(ctx); err != nil {
			return nil, err
		}
		if err := sleep(ctx, 4*time.Second); err != nil {
			return nil, err
		}
		now := time.Now()
		if err := c.agent.KillCore(); err != nil {
			return nil, err
		}
		if err := sleep(ctx, 4*time.Second); err != nil {
			return nil, err
		}
		at = append(at, span{now, time.Now()})
	}
	return at, nil
}

// out takes the line away for so long, and times the way back.
func (c *cutting) out(ctx context.Context, d time.Duration) (time.Duration, error) {
	if err := sleep(ctx, 11*time.Second); err != nil { // a line that held
		return 0, err
	}
	c.line.down()
	if err := sleep(ctx, d); err != nil {
		return 0, err
	}
	if err := c.line.up(); err != nil {
		return 0, err
	}
	return c.back(ctx)
}

// outages are n short ones and some longer ones.
func (c *cutting) outages(ctx context.Context, t *table, n int) error {
	if n == 0 {
		return nil
	}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 4))
	var short, long []time.Duration
	for range n {
		took, err := c.out(ctx, 500*time.Millisecond+time.Duration(rnd.IntN(9500))*time.Millisecond)
		if err != nil {
			return err
		}
		short = append(short, took)
	}
	for range max(2, n/3) {
		took, err := c.out(ctx, 11*time.Second+time.Duration(rnd.IntN(40))*time.Second)
		if err != nil {
			return err
		}
		long = append(long, took)
	}
	t.add(fmt.Sprintf("session after %d outages of 0.5 to 10 s", len(short)), spread(short), "max < 2 s", quantile(short, 1) < backWithin)
	t.add(fmt.Sprintf("session after %d outages of 11 to 51 s", len(long)), spread(long), "max < 15 s", quantile(long, 1) < backLong)
	return nil
}

// crowds are n outages of 20 s, each while a fleet comes at once.
func (c *cutting) crowds(ctx context.Context, t *table, n int) error {
	if n == 0 {
		return nil
	}
	var took []time.Duration
	met, refused := 0, 0
	for range n {
		crowd := newCrowd(ctx, c.hub.Address, strangers)
		d, err := c.out(ctx, 20*time.Second)
		m, r := crowd.end()
		met, refused = met+m, refused+r
		if err != nil {
			return err
		}
		took = append(took, d)
		fmt.Fprintf(os.Stderr, "back after %s among %d handshakes, %d sent away\n", d.Round(time.Millisecond), m, r)
	}
	t.add(fmt.Sprintf("session after %d outages of 20 s, %d others coming again and again meanwhile (%d handshakes, %d sent away)", n, strangers, met, refused), spread(took), "max < 15 s",
		quantile(took, 1) < backLong)
	return nil
}

// report ends the load and counts.
func (c *cutting) report(ctx context.Context, t *table, n int, deaths []span) error {
	if err := c.hub.Apply(ctx, "defaults: false\nchecks: []\n"); err != nil {
		return err
	}
	if err := ledger.Settle(ctx, c.Rig, c.agent); err != nil {
		return err
	}
	tally, err := c.book.CountWith(ctx, c.hub, c.agent.Fingerprint(), time.Since(c.began)+time.Minute, &c.told)
	if err != nil {
		return err
	}
	lost, doubled := len(tally.Lost), len(tally.Doubled)+len(tally.Strange)
	if n > 0 {
		t.add(fmt.Sprintf("%d times kill -9 of core, stub or hub, or a cut of the line, at random under %d checks at 1 s: ran, on the bus, cut off and reported; lost, doubled", n, lineChecks+lineSlow),
			fmt.Sprintf("%d, %d, %d; %d, %d", tally.Ran, tally.Arrived, tally.Told, lost, doubled), "0, 0", lost+doubled == 0 && tally.Arrived > n)
	}
	if lost+doubled > 0 {
		fmt.Fprintf(os.Stderr, "lost %v, doubled %v, strange %v\n", tally.Lost, tally.Doubled, tally.Strange)
	}
	var pauses []time.Duration
	for _, at := range deaths {
		pauses = append(pauses, longestPause(tally.Runs, at))
	}
	if len(pauses) == 0 {
		return nil
	}
	t.add(fmt.Sprintf("%d single deaths of a core: longest time in which none of %d checks started", len(deaths), lineChecks+lineSlow), spread(pauses), "max < 1 s",
		quantile(pauses, 1) < scheduleWithin)
	return nil
}
