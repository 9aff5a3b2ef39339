// Package presence keeps, for each agent, its last session: on which hub, since when, with which facts, and why it ended. The
// gateway writes it, the fleet reads it; an agent's heartbeats write nothing.
package presence

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// States of a session.
const (
	Online    = "online"
	Upgrading = "upgrading" // ended, with the announcement that another core takes over
	Offline   = "offline"
)

// Causes of an end, beside those of docs/wire.md's Bye.
const (
	Lost       = "lost"        // the line ended without a word
	HubStopped = "hub-stopped" // the hub went, not the agent
)

// Errors a caller may branch on.
var (
	ErrReplaced = errors.New("another session has taken its place")
	ErrOlder    = errors.New("a later session of the same identity is alive")
)

// retries bounds how often a write is tried again because another hub wrote between read and write.
const retries = 64

// Entry is the last session of an agent.
type Entry struct {
	Session  string       `json:"session"` // its ID
	Hub      string       `json:"hub"`     // the hub process it lives or lived on
	Count    uint64       `json:"count"`   // as the agent numbered it
	State    string       `json:"state"`
	Cause    string       `json:"cause"` // why it ended
	Since    journal.Time `json:"since"` // of State
	TLS      string       `json:"tls"`   // "bound" or "terminated"
	Facts    Facts        `json:"facts"`
	Revision uint64       `json:"revision"` // of desired state that the agent runs
	Rejected uint64       `json:"rejected"` // a newer one that it refused, 0 = none
	Problems []string     `json:"problems"` // why
}

// Board is the bucket of sessions. Its methods may be called from anywhere.
type Board struct {
	bucket *bus.Bucket
	hub    string
}

// Open opens the board on the bus. Sessions left over by a hub that was killed become offline, cause "hub-stopped": beside the
// embedded server, which only this process reaches, no other hub can be alive.
func Open(ctx context.Context, b *bus.Bus) (*Board, error) {
	bucket, err := b.Bucket(ctx, "sessions", 0)
	if err != nil {
		return nil, fmt.Errorf("open board of sessions: %w", err)
	}
	board := &Board{bucket: bucket, hub: rand.Text()[:12]}
	return board, board.sweep(ctx)
}

// Hub is the name of this hub process.
func (b *Board) Hub() string { return b.hub }

// Begin writes the start of a session and returns the one before it (zero = none). ErrOlder when a session with the same or a
// later count is alive.
func (b *Board) Begin(ctx context.Context, fingerprint string, e Entry) (before Entry, err error) {
	e.Hub, e.State, e.Cause, e.Since = b.hub, Online, "", now()
	err = b.write(ctx, fingerprint, func(last Entry) (Entry, error) {
		if last.State == Online && last.Count >= e.Count {
			return Entry{}, ErrOlder
		}
		before = last
		return e, nil
	})
	return before, err
}

// Change lets fn alter the entry of a live session. ErrReplaced when it is not the agent's last one.
func (b *Board) Change(ctx context.Context, fingerprint, session string, fn func(*Entry)) error {
	return b.write(ctx, fingerprint, func(e Entry) (Entry, error) {
		if e.Session != session {
			return Entry{}, ErrReplaced
		}
		fn(&e)
		return e, nil
	})
}

// End writes the end of a session. ErrReplaced when it is not the agent's last one.
func (b *Board) End(ctx context.Context, fingerprint, session, cause string) error {
	return b.Change(ctx, fingerprint, session, func(e *Entry) {
		e.State, e.Cause, e.Since = Offline, cause, now()
		switch cause {
		case "upgrade":
			e.State = Upgrading
		case "deregister":
			e.Count = 0 // the box may come back from an image
		}
	})
}

// Last is an agent's last session, zero when it had none.
func (b *Board) Last(ctx context.Context, fingerprint string) (Entry, error) {
	e, _, err := b.read(ctx, fingerprint)
	return e, err
}

// Watch gives every entry to fn, then every change until ctx ends. fn must be quick.
func (b *Board) Watch(ctx context.Context, fn func(fingerprint string, e Entry)) error {
	return b.bucket.Watch(ctx, func(raw bus.Entry) {
		var e Entry
		if !raw.Deleted && json.Unmarshal(raw.Value, &e) == nil {
			fn(raw.Key, e)
		}
	})
}

// write reads an entry (zero = none), lets fn make the next, and writes it unless another came between, then again.
func (b *Board) write(ctx context.Context, fingerprint string, fn func(Entry) (Entry, error)) error {
	for range retries {
		last, revision, err := b.read(ctx, fingerprint)
		if err != nil {
			return err
		}
		next, err := fn(last)
		if err != nil {
			return fmt.Errorf("write session of %.12s: %w", fingerprint, err)
		}
		data, err := json.Marshal(next)
		if err != nil {
			return fmt.Errorf("write session of %.12s: %w", fingerprint, err)
		}
		if revision == 0 {
			_, err = b.bucket.Create(ctx, fingerprint, data)
		} else {
			_, err = b.bucket.Update(ctx, fingerprint, data, revision)
		}
		if !errors.Is(err, bus.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("write session of %.12s: %w", fingerprint, bus.ErrConflict)
}

func (b *Board) read(ctx context.Context, fingerprint string) (Entry, uint64, error) {
	raw, err := b.bucket.Get(ctx, fingerprint)
	if errors.Is(err, bus.ErrNone) {
		return Entry{}, 0, nil
	}
	if err != nil {
		return Entry{}, 0, err
	}
	var e Entry
	if err := json.Unmarshal(raw.Value, &e); err != nil {
		return Entry{}, 0, fmt.Errorf("read session of %.12s: %w", fingerprint, err)
	}
	return e, raw.Revision, nil
}

// sweep ends what another process left.
func (b *Board) sweep(ctx context.Context) error {
	left := map[string]string{}
	err := b.bucket.List(ctx, func(raw bus.Entry) {
		var e Entry
		if json.Unmarshal(raw.Value, &e) == nil && e.State == Online && e.Hub != b.hub {
			left[raw.Key] = e.Session
		}
	})
	if err != nil {
		return fmt.Errorf("end sessions of an earlier hub: %w", err)
	}
	for fingerprint, session := range left {
		if err := b.End(ctx, fingerprint, session, HubStopped); err != nil && !errors.Is(err, ErrReplaced) {
			return fmt.Errorf("end sessions of an earlier hub: %w", err)
		}
	}
	return nil
}
