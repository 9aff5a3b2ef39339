package buffer

import (
	"errors"
	"time"
)

// scheduleSync has the next sync begin when what waits has gathered and the last one was long enough ago.
func (k *keeper) scheduleSync() {
	if k.busy || k.gathers || len(k.waiting) == 0 {
		return
	}
	wait := syncGathers - time.Since(k.waitingSince)
	if !k.lastSync.IsZero() {
		wait = max(wait, syncEvery-time.Since(k.lastSync))
	}
	if wait <= 0 {
		k.startSync()
		return
	}
	k.gathers = true
	k.syncAt.Reset(wait)
}

func (k *keeper) startSync() {
	k.gathers = false
	if k.busy || len(k.waiting) == 0 {
		return
	}
	k.syncAt.Stop()
	k.busy, k.lastSync = true, time.Now()
	k.inSync, k.waiting = k.waiting, nil
	jobs := k.pending()
	go func() {
		var err error
		for _, j := range jobs {
			err = errors.Join(err, j.run())
		}
		k.synced <- err
	}()
}

// pending is all that a sync must cover: of the live generation, and of those split off since.
func (k *keeper) pending() []syncing {
	jobs := []syncing{k.live.pending()}
	for _, w := range k.splits {
		jobs = append(jobs, w.pending())
	}
	k.splits = nil
	return jobs
}

func (k *keeper) finishSync(err error) {
	k.busy = false
	k.stats.Syncs++
	done := k.inSync
	k.inSync = nil
	if err != nil {
		k.failSync(done, err)
		return
	}
	for _, w := range done {
		w.g.written = w.seq
		w.g.unsynced--
		k.stats.Appended++
	}
	for _, w := range done {
		w.done(w.seq, nil)
	}
	k.settleClosed()
	k.scheduleSync()
	k.wake()
	k.scheduleSweep()
}

// settleClosed settles the generations closed in this life, once nothing of them waits for a sync:
// their marks live on in the present one.
func (k *keeper) settleClosed() {
	for _, g := range k.generations {
		if !g.closed || !g.made || g.cursor.settled || g.unsynced > 0 || g.owed || g.settleTried {
			continue
		}
		g.settleTried = true
		if err := k.settle(g); err != nil {
			k.log.Warn("generation not settled", "generation", generationName(g.epoch), "err", err)
		}
	}
}

// settle says durably that a generation is synced and its lost runs are stated.
func (k *keeper) settle(g *generation) error {
	if g.ours {
		g.durable = g.written
	}
	if err := g.settle(k.disk); err != nil {
		return err
	}
	g.cursor.settled = true
	return g.keepCursor(k.disk, true)
}

// failSync fails every append that waits, and leaves the generation: the next append begins another.
func (k *keeper) failSync(done []waiter, err error) {
	failed := append(done, k.waiting...)
	k.waiting = nil
	k.syncAt.Stop()
	k.gathers = false
	k.restTill = time.Now().Add(restAfterFailure)
	k.log.Error("buffer not synced", "err", err, "items", len(failed))
	for _, w := range failed {
		w.g.unsynced = 0
	}
	for _, w := range k.splits {
		w.abandon()
	}
	k.splits = nil
	k.live.abandon()
	k.beginGeneration()
	for _, w := range failed {
		k.refuse(err)
		w.done(0, err)
	}
	k.wake()
	k.scheduleSweep()
}
