//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

const (
	awayFor    = time.Minute
	awayKill   = 30 * time.Second // into it
	awayChecks = 58               // every 3 s: 1,160 results in that minute
	awayAtOnce = 5                // boxes side by side
)

// receiverAway takes the hub away for a minute, kills the agent in the middle of it, and counts what was due meanwhile.
func receiverAway(ctx context.Context, t *table, bin, dir string, quick bool) error {
	rounds := 4
	if quick {
		rounds = 1
	}
	var ran, arrived, told, lost, doubled int
	least := 1 << 30
	for i := range rounds {
		r := &rig.Rig{Bin: bin, Dir: filepath.Join(dir, fmt.Sprint(i))}
		tallies, err := awayRound(ctx, r)
		if err != nil {
			return err
		}
		for _, w := range tallies {
			ran, arrived, told = ran+w.Ran, arrived+w.Arrived, told+w.Told
			lost, doubled = lost+len(w.Lost), doubled+len(w.Doubled)+len(w.Strange)
			least = min(least, w.due)
		}
	}
	t.add(fmt.Sprintf("hub away 60 s, agent killed -9 at the 30th, %d times: results due meanwhile, each time at least; ran, on the bus, cut off and reported; lost, doubled", rounds*awayAtOnce),
		fmt.Sprintf("%d; %d, %d, %d; %d, %d", least, ran, arrived, told, lost, doubled), "1,100; 0, 0", lost+doubled == 0 && least >= 1100)
	return nil
}

// awayTally is a count, and how many of its results were due while the hub was away.
type awayTally struct {
	ledger.Tally
	due int
}

// awayRound does it with some boxes at once, which share the hub that goes.
func awayRound(ctx context.Context, r *rig.Rig) ([]awayTally, error) {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return nil, err
	}
	if err := r.Publish(ctx, "0.1.0", filepath.Join(r.Bin, "limpet-core")); err != nil {
		return nil, err
	}
	hub, err := r.NewHub()
	if err != nil {
		return nil, err
	}
	if err := hub.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = hub.Stop() }()
	var boxes []*cutting
	for i := range awayAtOnce {
		c, err := newCutting(ctx, r, hub, fmt.Sprintf("box-%d", i), "", 0)
		if err != nil {
			return nil, err
		}
		defer c.agent.Stop()
		boxes = append(boxes, c)
	}
	if err := hub.Apply(ctx, strings.ReplaceAll(ledger.Checks(awayChecks, 0), "every: 1s", "every: 3s")); err != nil {
		return nil, err
	}
	for _, c := range boxes {
		err := rig.Await(ctx, 2*time.Minute, "every check's first run", func(context.Context) (bool, error) { return c.book.Began() == awayChecks, nil })
		if err != nil {
			return nil, err
		}
	}
	away := span{from: time.Now()}
	hub.Kill()
	if err := sleep(ctx, awayKill); err != nil {
		return nil, err
	}
	for _, c := range boxes { // the whole agent: its core first, which the stub would else end in good order
		if err := errors.Join(c.agent.KillCore(), killStub(c.agent)); err != nil {
			return nil, err
		}
	}
	if err := sleep(ctx, awayFor-awayKill); err != nil {
		return nil, err
	}
	away.to = time.Now()
	if err := hub.Start(ctx); err != nil {
		return nil, err
	}
	if err := sleep(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	if err := hub.Apply(ctx, "defaults: false\nchecks: []\n"); err != nil {
		return nil, err
	}
	tallies := make([]awayTally, len(boxes))
	for i, c := range boxes {
		if err := ledger.Settle(ctx, r, c.agent); err != nil {
			return nil, err
		}
		tally, err := c.book.Count(ctx, hub, c.agent.Fingerprint(), time.Since(c.began)+time.Minute)
		if err != nil {
			return nil, err
		}
		tallies[i] = awayTally{tally, dueIn(tally.Runs, away)}
	}
	return tallies, nil
}

// killStub kills a stub as a power button would, and starts it as an init system would.
func killStub(a *rig.Agent) error {
	a.Stub().Kill()
	return a.Start()
}

// dueIn counts the runs that were due in a stretch.
func dueIn(runs []ledger.Run, at span) (n int) {
	for _, r := range runs {
		if !r.Due.Before(at.from) && r.Due.Before(at.to) {
			n++
		}
	}
	return n
}
