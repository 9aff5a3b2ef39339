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
	Upgrading = "upgrading" // two cores have a session, or the last one ended with the announcement that another takes over
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
	ErrAsk      = errors.New("another session of the same identity must be asked first whether it is there")
	ErrCopy     = errors.New("another machine has counted as many sessions under the same key")
)

// retries bounds how often a write is tried again because another hub wrote between read and write.
const retries = 64

// Entry is the last session of an agent; during an upgrade there is another one beside it.
type Entry struct {
	Session    string       `json:"session"` // its ID
	Hub        string       `json:"hub"`     // the hub process it lives or lived on
	Count      uint64       `json:"count"`   // as the agent numbered it
	State      string       `json:"state"`
	Cause      string       `json:"cause"` // why it ended
	Since      journal.Time `json:"since"` // of State
	TLS        string       `json:"tls"`   // "bound" or "terminated"
	Facts      Facts        `json:"facts"`
	Revision   uint64       `json:"revision"`         // of desired state that the agent runs
	Rejected   uint64       `json:"rejected"`         // a newer one that it refused, 0 = none
	Problems   []string     `json:"problems"`         // why
	RejectedAt journal.Time `json:"rejected_at"`      // when
	Role       string       `json:"role,omitempty"`   // what its core is, "" for the one that schedules
	Shown      string       `json:"shown,omitempty"`  // the nonce under which its core was announced
	Nonce      string       `json:"nonce,omitempty"`  // of the successor that this session announced
	Former     string       `json:"former,omitempty"` // SHA-256 of the core that was relieved last
	Relieved   journal.Time `json:"relieved"`         // when
	Turn       uint64       `json:"turn,omitempty"`   // counts how often Session has become another: tells a late word of whose turn it is
	Beside     *Entry       `json:"beside,omitempty"` // a second live session of the same agent; it has none beside it
}

// Live says whether the agent has a session.
func (e Entry) Live() bool { return e.State == Online || e.State == Upgrading && e.Cause == "" }

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

// Begin writes the start of a session. It returns the agent's entry before and after it, and which session it puts an end to
// ("" = none). ErrOlder when it must not come in now, ErrCopy when it is another agent's with this one's key; ErrAsk when the session of the
// entry before must be asked whether it is there: where it is not, Begin is called again with its name as silent.
func (b *Board) Begin(ctx context.Context, fingerprint string, e Entry, silent string) (before, after Entry, replaced string, err error) {
	e.Hub, e.State, e.Cause, e.Since = b.hub, Online, "", now()
	err = b.write(ctx, fingerprint, func(last Entry) (Entry, error) {
		before = last
		var err error
		after, replaced, err = begin(last, e, silent)
		after = after.turned(last)
		return after, err
	})
	return before, after, replaced, err
}

// Change lets fn alter the entry of a live session. ErrReplaced when it is none of the agent's.
func (b *Board) Change(ctx context.Context, fingerprint, session string, fn func(*Entry)) error {
	return b.write(ctx, fingerprint, func(e Entry) (Entry, error) {
		switch {
		case e.Session == session:
			fn(&e)
		case e.Beside != nil && e.Beside.Session == session:
			beside := *e.Beside
			fn(&beside)
			e.Beside = &beside
		default:
			return Entry{}, ErrReplaced
		}
		return e, nil
	})
}

// Announce writes down that a successor of the session's core comes and will show the nonce. ErrReplaced.
func (b *Board) Announce(ctx context.Context, fingerprint, session, nonce string) error {
	return b.Change(ctx, fingerprint, session, func(e *Entry) { e.Nonce = nonce })
}

// Activate makes the session of a core that schedules now the agent's. changed is false when it was already. ErrReplaced.
func (b *Board) Activate(ctx context.Context, fingerprint, session string) (after Entry, changed bool, err error) {
	err = b.write(ctx, fingerprint, func(e Entry) (Entry, error) {
		next, err := activate(e, session, now())
		after = next.turned(e)
		changed = err == nil && (next.Session != e.Session || next.Role != e.Role)
		return after, err
	})
	return after, changed, err
}

// End writes the end of a session and returns the agent's entry after it: Live where another session is left. ErrReplaced when
// the session is none of the agent's.
func (b *Board) End(ctx context.Context, fingerprint, session, cause string) (after Entry, err error) {
	err = b.write(ctx, fingerprint, func(e Entry) (Entry, error) {
		var err error
		after, err = end(e, session, cause, now())
		after = after.turned(e)
		return after, err
	})
	return after, err
}

// turned is the entry with its turn, as it follows on last.
func (e Entry) turned(last Entry) Entry {
	e.Turn = last.Turn
	if e.Session != last.Session {
		e.Turn++
	}
	return e
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
	left := map[string]Entry{}
	err := b.bucket.List(ctx, func(raw bus.Entry) {
		var e Entry
		if json.Unmarshal(raw.Value, &e) == nil && e.Live() && e.Hub != b.hub {
			left[raw.Key] = e
		}
	})
	if err != nil {
		return fmt.Errorf("end sessions of an earlier hub: %w", err)
	}
	for fingerprint, e := range left {
		sessions := []string{e.Session}
		if e.Beside != nil {
			sessions = []string{e.Beside.Session, e.Session}
		}
		for _, session := range sessions {
			if _, err := b.End(ctx, fingerprint, session, HubStopped); err != nil && !errors.Is(err, ErrReplaced) {
				return fmt.Errorf("end sessions of an earlier hub: %w", err)
			}
		}
	}
	return nil
}
