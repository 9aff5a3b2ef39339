package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// Keys of the bucket. A version has no slash (docs/release-format.md).
const (
	limitKey   = "limit"
	versionKey = "version/"

	maxFailed = 10_000 // names, 16 bytes each
)

// kept is what is remembered of one release.
type kept struct {
	Stopped journal.Time `json:"stopped"`
	Why     string       `json:"why"`
	Resumed journal.Time `json:"resumed"`
	// Failed are the agents it had failed on when it was stopped. Once it is resumed they do not count, for as long as that is how it stands there.
	Failed []string `json:"failed"`

	revision uint64 // of the key
}

func (k kept) rollout(version string, t Tally) Rollout {
	return Rollout{Version: version, Tally: t, Stopped: k.Stopped, Why: k.Why, Resumed: k.Resumed}
}

// take takes one entry of the bucket. What was written here since it was sent is newer than it, and stays.
func (r *Rollouts) take(e bus.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	version, ok := strings.CutPrefix(e.Key, versionKey)
	var err error
	switch {
	case e.Deleted:
	case e.Key == limitKey:
		limit := DefaultLimit
		if err = json.Unmarshal(e.Value, &limit); err == nil && limit.Sane() && e.Revision > r.since {
			r.limit, r.since = limit, e.Revision
		}
	case ok:
		k := kept{revision: e.Revision}
		if err = json.Unmarshal(e.Value, &k); err == nil && e.Revision > r.kept[version].revision {
			r.kept[version] = k
		}
	}
	if err != nil {
		r.log.Error("what was decided of a rollout is not readable", "key", e.Key, "err", err)
	}
	select {
	case r.news <- struct{}{}:
	default: // told already
	}
}

// keep writes what is remembered of a release, unless another hub did meanwhile: then that counts.
func (r *Rollouts) keep(ctx context.Context, version string, k kept) error {
	data, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("keep rollout of %s: %w", version, err)
	}
	if k.revision == 0 {
		k.revision, err = r.bucket.Create(ctx, versionKey+version, data)
	} else {
		k.revision, err = r.bucket.Update(ctx, versionKey+version, data, k.revision)
	}
	if err != nil {
		return fmt.Errorf("keep rollout of %s: %w", version, err)
	}
	r.mu.Lock()
	if r.kept[version].revision < k.revision { // the bucket's word may have come already
		r.kept[version] = k
	}
	r.mu.Unlock()
	return nil
}

// Resume lets a release that was stopped go on. What happened so far does not stop it again, only what happens from now on.
// ErrNotStopped.
func (r *Rollouts) Resume(ctx context.Context, version string) error {
	r.mu.Lock()
	k, now := r.kept[version], r.fares[version]
	r.mu.Unlock()
	if k.Stopped.IsZero() {
		return fmt.Errorf("resume %s: %w", version, ErrNotStopped)
	}
	why := k.Why
	k.Stopped, k.Why, k.Resumed = journal.Time{}, "", journal.At(time.Now())
	k.Failed = some(slices.AppendSeq(slices.Clone(k.Failed), maps.Keys(now.on)))
	err := r.keep(ctx, version, k)
	if errors.Is(err, bus.ErrConflict) {
		return fmt.Errorf("resume %s: somebody else did at the same moment: %w", version, err)
	}
	if err != nil {
		return err
	}
	r.record(ctx, version, "resumed", k.Resumed, "the rollout of "+version+" was resumed, which had been stopped because "+why)
	return nil
}

// some are names in order, each once, not more than an entry of the bucket holds.
func some(names []string) []string {
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxFailed)]
}

// SetLimit says when rollouts are stopped from now on. ErrLimit.
func (r *Rollouts) SetLimit(ctx context.Context, l Limit) error {
	if !l.Sane() {
		return fmt.Errorf("%w: a share is 0 to 100 percent, and at least 1 host must have failed", ErrLimit)
	}
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("keep the limit of rollouts: %w", err)
	}
	revision, err := r.bucket.Put(ctx, limitKey, data)
	if err != nil {
		return fmt.Errorf("keep the limit of rollouts: %w", err)
	}
	r.mu.Lock()
	if revision > r.since {
		r.limit, r.since = l, revision
	}
	r.mu.Unlock()
	return nil
}

// announce writes that a release was stopped.
func (r *Rollouts) announce(ctx context.Context, version string, k kept) {
	r.record(ctx, version, "stopped", k.Stopped, "the hub stopped the rollout of "+version+": "+k.Why+"; limpet-hub resume "+version+" lets it go on")
}

// record writes to the log, once however many hubs do.
func (r *Rollouts) record(ctx context.Context, version, cause string, at journal.Time, text string) {
	key := version + "." + cause + "." + strconv.FormatInt(at.UnixMilli(), 10)
	e := journal.Event{Kind: journal.Rollout, At: at, Cause: cause, Text: text, Attributes: map[string]string{"version": version}}
	if err := journal.WriteOnce(ctx, r.bus, key, e); err != nil {
		r.log.Error("event not written", "kind", e.Kind, "err", err)
	}
}
