package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/updater/boot"
)

const (
	warmUp     = 20 * time.Second // of the measuring checks before an update, to compare with
	updateTime = 3 * time.Minute
	badTime    = 8 * time.Minute // three trials and what is waited between them
	shortSoak  = 3 * time.Second
	checkSoak  = 20 * time.Second // long enough that a check of one second runs in it, and breaks
	goneSoak   = 10 * time.Second
	settle     = 3 * time.Second // after the end, so that the hub has the results
)

// update shows a good release from its publication to its commit.
func update(ctx context.Context, d *demo) error {
	r, err := d.build(ctx, "")
	if err != nil {
		return err
	}
	w, err := d.watch(r)
	if err != nil {
		return err
	}
	d.say("measuring the schedule for %s before anything happens", warmUp)
	before := time.Now()
	if err := w.rest(ctx, warmUp); err != nil {
		return err
	}
	if err := d.publish(ctx, r, shortSoak); err != nil {
		return err
	}
	looked := time.Now()
	if err := d.look(ctx); err != nil {
		return err
	}
	if err := w.committed(ctx); err != nil {
		return err
	}
	took := time.Since(looked)
	if text, err := d.run(ctx, "limpet", "history", "--root", d.layout.Root); err == nil {
		d.say("limpet history:")
		for line := range strings.Lines(text) {
			d.say("  %s", strings.TrimRight(line, "\n"))
		}
	}
	if err := w.rest(ctx, settle); err != nil {
		return err
	}
	normal, swap := w.runs.between(before, looked, tickEvery), w.runs.between(looked, time.Now(), tickEvery)
	d.say("schedule before: %s", normal)
	d.say("schedule during: %s", swap)
	d.say("gap: %d ms (the latest run of the swap less the p99 before it); look to commit: %s",
		max(0, swap.at(1)-normal.at(0.99)).Milliseconds(), took.Round(10*time.Millisecond))
	switch {
	case !w.neverLost():
		return fmt.Errorf("the hub lost sight of the agent")
	case swap.runs == 0 || swap.missed > 0 || swap.doubled > 0:
		return fmt.Errorf("the schedule did not go on as if nothing had happened: %s", swap)
	}
	d.say("done: %s replaced %s and nobody noticed", short(w.record.Good.Hash), short(w.first.Good.Hash))
	return nil
}

// rest goes on watching for a while.
func (w *watch) rest(ctx context.Context, d time.Duration) error {
	end := time.Now().Add(d)
	return w.until(ctx, d+time.Minute, "a pause", func() bool { return time.Now().After(end) })
}

// committed waits until the release is good, and the hub says that it runs.
func (w *watch) committed(ctx context.Context) error {
	over := func() bool {
		return w.record.Good.Hash == w.release.hash && w.hubSees(w.release.hash) || barred(w.record, w.release) || aside(w.record, w.release)
	}
	if err := w.until(ctx, updateTime, "the update", over); err != nil {
		return w.explained(ctx, err)
	}
	if w.record.Good.Hash != w.release.hash {
		return fmt.Errorf("the update was not taken: good is still %s", short(w.record.Good.Hash))
	}
	return nil
}

// explained adds what the box itself says about it.
func (d *demo) explained(ctx context.Context, err error) error {
	if text, e := d.run(ctx, "limpet", "why", "--root", d.layout.Root); e == nil {
		return fmt.Errorf("%w; limpet why: %s", err, strings.TrimSpace(text))
	}
	return err
}

// bad is one way for a release to be broken.
type bad struct {
	fault, what string
	soak        time.Duration
	still       time.Duration // the longest that a check of one second may be late for it
}

// badUpdates shows three broken releases going back, and an outage that takes nothing back.
func badUpdates(ctx context.Context, d *demo) error {
	for _, b := range []bad{
		{"die", "a core that dies at its start", shortSoak, 2 * time.Second},
		{"hang", "a core that says ready and hangs", shortSoak, 2 * time.Second},
		{"check", "a core that breaks checks", checkSoak, 2 * time.Second},
	} {
		if err := d.badUpdate(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", b.what, err)
		}
	}
	if err := d.hubGone(ctx); err != nil {
		return fmt.Errorf("a hub that is gone for the whole soak: %w", err)
	}
	d.say("done: what was broken went back by itself, and an outage took nothing back")
	return nil
}

func (d *demo) badUpdate(ctx context.Context, b bad) error {
	d.say("---- %s", b.what)
	r, err := d.build(ctx, b.fault)
	if err != nil {
		return err
	}
	w, err := d.watch(r)
	if err != nil {
		return err
	}
	if err := d.publish(ctx, r, b.soak); err != nil {
		return err
	}
	if err := d.look(ctx); err != nil {
		return err
	}
	good, looked := w.first.Good, time.Now()
	over := func() bool {
		return barred(w.record, r) && w.hubSees(good.Hash) || aside(w.record, r) || w.record.Good != good
	}
	if err := w.until(ctx, badTime, "the way back", over); err != nil {
		return w.explained(ctx, err)
	}
	if err := w.rest(ctx, settle); err != nil {
		return err
	}
	schedule := w.runs.between(looked, time.Now(), tickEvery)
	d.say("schedule meanwhile: %s", schedule)
	verdicts, err := w.verdicts(ctx)
	switch {
	case err != nil:
		return err
	case w.record.Good != good:
		return fmt.Errorf("good changed to %s", short(w.record.Good.Hash))
	case !barred(w.record, r):
		return fmt.Errorf("it was set aside, not barred")
	case verdicts != boot.MaxTries:
		return fmt.Errorf("it was barred after %d verdicts, not %d", verdicts, boot.MaxTries)
	case schedule.runs == 0 || schedule.at(1) > b.still || schedule.doubled > 0:
		return fmt.Errorf("the schedule stood still for longer than %s, or ran twice", b.still)
	case !w.record.Trial.None():
		return fmt.Errorf("there is still a trial")
	case !w.neverLost():
		return fmt.Errorf("the hub lost sight of the agent")
	}
	d.say("it went back: %s runs, %s is barred after %d verdicts", short(good.Hash), short(r.hash), verdicts)
	return nil
}

// hubGone stops the hub's process for the whole soak of a good release.
func (d *demo) hubGone(ctx context.Context) error {
	d.say("---- a good core, and the hub is gone for its whole soak")
	pid, err := d.hubProcess()
	if err != nil {
		return err
	}
	r, err := d.build(ctx, "")
	if err != nil {
		return err
	}
	w, err := d.watch(r)
	if err != nil {
		return err
	}
	if err := d.publish(ctx, r, goneSoak); err != nil {
		return err
	}
	if err := d.look(ctx); err != nil {
		return err
	}
	started := func(now boot.Record) bool { return now.Trial.Hash == r.hash && now.Starts > 0 }
	if err := w.until(ctx, updateTime, "the start of the trial", func() bool { return started(w.record) }); err != nil {
		return w.explained(ctx, err)
	}
	if err := freeze(pid); err != nil {
		return fmt.Errorf("stop the hub: %w", err)
	}
	defer thaw(pid)
	d.say("the hub is gone")
	if err := w.outlast(ctx, goneSoak+15*time.Second); err != nil {
		return err
	}
	thaw(pid)
	d.say("the hub is back")
	if err := w.committed(ctx); err != nil {
		return err
	}
	if verdicts, err := w.verdicts(ctx); err != nil {
		return err
	} else if verdicts > 0 {
		return fmt.Errorf("%d verdicts fell while the hub was gone", verdicts)
	}
	d.say("nothing went back: %s runs", short(w.record.Good.Hash))
	return nil
}

// outlast watches the record alone: there is no hub to ask.
func (w *watch) outlast(ctx context.Context, d time.Duration) error {
	end, every := time.NewTimer(d), time.NewTicker(recordEvery)
	defer end.Stop()
	defer every.Stop()
	for {
		select {
		case <-every.C:
			w.step()
		case <-end.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hubProcess is the process that `make run` left the number of.
func (d *demo) hubProcess() (int, error) {
	text, err := os.ReadFile(filepath.Join(d.dir, "hub.pid"))
	if err != nil {
		return 0, fmt.Errorf("find the hub's process: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("find the hub's process: %q is no process", text)
	}
	return pid, nil
}
