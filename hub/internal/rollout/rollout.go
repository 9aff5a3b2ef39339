// Package rollout watches how releases fare: on how many agents each was tried, and on how many it was rolled back. A release
// that fails on too many is stopped for all that do not have it, until a person resumes it. It can only hold back: which waves
// are open is signed, and what runs on a box is its stub's business.
//
// What is counted is what agents said last, so every hub on one bus counts the same, and counts it again after a restart; what
// was decided, by a hub or a person, is kept in the bucket "rollouts".
package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// Rhythm and limits.
const (
	countEvery = 2 * time.Second
	maxStopped = 256 // the newest: boxes read all of them at each look
	tellWithin = 30 * time.Second
	tellAtOnce = 64
)

// Errors a caller may branch on.
var (
	ErrNotStopped = errors.New("this rollout is not stopped")
	ErrLimit      = errors.New("not a limit")
)

// Rollout is how one release fares.
type Rollout struct {
	Version string `json:"version"`
	Tally
	Stopped journal.Time `json:"stopped"` // null = it is not
	Why     string       `json:"why"`     // it was stopped, "" when it is not
	Resumed journal.Time `json:"resumed"` // the last time by hand, null = never
}

// Watched is what Run asks of the rest of the hub.
type Watched struct {
	Agents   func(func(fleet.Agent, fleet.Facts))
	Versions Versions
	Look     func(ctx context.Context, fingerprint string) error // tells an agent to look, so that it drops a trial that did not begin
	Changed  func()                                              // what is offered is another
}

// Rollouts are all that were tried or stopped. Its methods may be called from anywhere.
type Rollouts struct {
	bus    *bus.Bus
	bucket *bus.Bucket
	log    *slog.Logger
	news   chan struct{} // a release was stopped or resumed, here or by another hub

	mu    sync.Mutex // guards what follows
	limit Limit
	since uint64          // the limit's revision in the bucket
	kept  map[string]kept // by version
	fares map[string]fare // by version, as counted last
}

// Open reads what was decided, and follows what other hubs decide until life ends.
func Open(life context.Context, b *bus.Bus, log *slog.Logger) (*Rollouts, error) {
	bucket, err := b.Bucket(life, "rollouts", 0)
	if err != nil {
		return nil, fmt.Errorf("open rollouts: %w", err)
	}
	r := &Rollouts{bus: b, bucket: bucket, log: log, news: make(chan struct{}, 1), limit: DefaultLimit, kept: map[string]kept{}}
	if err := bucket.Watch(life, r.take); err != nil {
		return nil, fmt.Errorf("open rollouts: %w", err)
	}
	return r, nil
}

// Run counts, and stops what fails too often, until ctx ends.
func (r *Rollouts) Run(ctx context.Context, w Watched) {
	r.announceAll(ctx)
	r.round(ctx, w)
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.round(ctx, w)
		case <-r.news:
			w.Changed()
		case <-ctx.Done():
			return
		}
	}
}

// announceAll writes what a hub that was killed had decided and not written yet.
func (r *Rollouts) announceAll(ctx context.Context) {
	for version, k := range r.all() {
		if !k.Stopped.IsZero() {
			r.announce(ctx, version, k)
		}
	}
}

func (r *Rollouts) all() map[string]kept {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.kept)
}

func (r *Rollouts) round(ctx context.Context, w Watched) {
	fares := count(w.Agents, w.Versions)
	r.mu.Lock()
	r.fares = fares
	limit := r.limit
	r.mu.Unlock()
	all := r.all()
	for version, t := range fares {
		if err := r.judge(ctx, w, all[version], version, t, limit); err != nil && ctx.Err() == nil {
			r.log.Error("rollout not judged, trying again", "version", version, "err", err)
		}
	}
}

// judge stops a release that fails too often, and otherwise keeps true what no longer counts.
func (r *Rollouts) judge(ctx context.Context, w Watched, k kept, version string, t fare, limit Limit) error {
	if !k.Stopped.IsZero() {
		return nil
	}
	// An agent that may try it again does so for the first time, as far as this goes.
	still := slices.DeleteFunc(slices.Clone(k.Failed), func(name string) bool { return !t.on[name] })
	since := t.without(len(still))
	if !limit.Exceeded(since) {
		if len(still) < len(k.Failed) {
			k.Failed = still
			return r.keep(ctx, version, k)
		}
		return nil
	}
	k.Stopped, k.Why = journal.At(time.Now()), because(since, limit, len(still))
	k.Failed = some(slices.Collect(maps.Keys(t.on)))
	if err := r.keep(ctx, version, k); err != nil {
		return err
	}
	r.log.Warn("rollout stopped", "version", version, "why", k.Why)
	r.announce(ctx, version, k)
	r.tell(ctx, w, version)
	return nil
}

func because(t Tally, l Limit, before int) string {
	text := fmt.Sprintf("it failed on %d of %d agents that tried it", t.Failed, t.Tried)
	if before > 0 {
		text += fmt.Sprintf(", and on %d more before it was resumed", before)
	}
	return text + fmt.Sprintf(" (the limit is %d, and %d %%)", l.Hosts, l.Percent)
}

// tell has those that are on trial look again: where the trial has not taken over yet, it is dropped.
func (r *Rollouts) tell(ctx context.Context, w Watched, version string) {
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	slots := make(chan struct{}, tellAtOnce)
	var all sync.WaitGroup
	for _, fingerprint := range trying(w.Agents, w.Versions, version) {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := w.Look(ctx, fingerprint); err != nil {
				r.log.Info("agent not told of a stopped rollout, it hears of it at its next look", "agent", fingerprint, "err", err)
			}
		})
	}
	all.Wait()
}

// List is every release that an agent tried or that was ever stopped: stopped ones first, then by version.
func (r *Rollouts) List() []Rollout {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []Rollout{}
	for version, t := range r.fares {
		list = append(list, r.kept[version].rollout(version, t.Tally))
	}
	for version, k := range r.kept {
		if _, counted := r.fares[version]; !counted {
			list = append(list, k.rollout(version, Tally{}))
		}
	}
	slices.SortFunc(list, func(a, b Rollout) int {
		return cmp.Or(b.Stopped.Compare(a.Stopped.Time), cmp.Compare(b.Version, a.Version))
	})
	return list
}

// Stopped says why a release is stopped, "" when it is not.
func (r *Rollouts) Stopped(version string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept[version].Why
}

// Held are the versions that are stopped: what boxes are told to leave alone.
func (r *Rollouts) Held() []string {
	var held []string
	for _, o := range r.List() {
		if !o.Stopped.IsZero() && len(held) < maxStopped {
			held = append(held, o.Version)
		}
	}
	return held
}

// Limit is when a rollout is stopped.
func (r *Rollouts) Limit() Limit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.limit
}
