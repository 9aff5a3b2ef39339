package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/limpet-monitoring/limpet/hub/internal/mark"
)

// savedBox is a box as the bucket keeps it. What the register and the board know is not in it.
type savedBox struct {
	Enrolled Time              `json:"enrolled"` // of the admission it belongs to
	Through  uint64            `json:"through"`
	Results  uint64            `json:"results"`
	Checks   map[string]*tally `json:"checks"`
}

// savedState is what one save writes. Its position counts only when all the rest is written.
type savedState struct {
	position uint64
	boxes    map[string]savedBox
	notes    map[noteKey]mark.Note
}

// collect takes together what has changed since the last save. Owner.
func (f *Fleet) collect() savedState {
	s := savedState{position: f.position, boxes: map[string]savedBox{}, notes: f.dirtyNotes}
	f.dirtyNotes = map[noteKey]mark.Note{}
	for fingerprint, b := range f.boxes {
		if !b.dirty {
			continue
		}
		b.dirty = false
		checks := make(map[string]*tally, len(b.checks)) // tallies are never changed, the box's map is
		for name, t := range b.checks {
			checks[name] = t
		}
		s.boxes[fingerprint] = savedBox{Enrolled: b.enrolled.Enrolled, Through: b.through, Results: b.results, Checks: checks}
	}
	return s
}

// saveAside saves beside the owner, one save at a time. Owner.
func (f *Fleet) saveAside(life context.Context) {
	if !f.saves.TryLock() {
		return
	}
	state := f.collect()
	f.followed.Add(1)
	go func() {
		defer f.followed.Done()
		defer f.saves.Unlock()
		if err := f.save(life, state); err != nil {
			f.do(func() { f.putBack(state, err) })
		}
	}()
}

// putBack keeps what could not be saved for the next save: a later position must not pass over it. Owner.
func (f *Fleet) putBack(state savedState, err error) {
	f.log.Error("view not saved, trying again", "err", err)
	for fingerprint := range state.boxes {
		if b := f.boxes[fingerprint]; b != nil {
			b.dirty = true
		}
	}
	for key, note := range state.notes {
		if _, newer := f.dirtyNotes[key]; !newer {
			f.dirtyNotes[key] = note
		}
	}
}

// save writes boxes and notes, and last of all the position.
func (f *Fleet) save(ctx context.Context, s savedState) error {
	for fingerprint, b := range s.boxes {
		data, err := json.Marshal(b)
		if err != nil {
			return fmt.Errorf("save view of %.12s: %w", fingerprint, err)
		}
		if _, err := f.saved.Put(ctx, fingerprint, data); err != nil {
			return fmt.Errorf("save view of %.12s: %w", fingerprint, err)
		}
	}
	for key, note := range s.notes {
		if err := f.notes.Write(ctx, key.fingerprint, key.epoch, note); err != nil {
			return fmt.Errorf("save note of %.12s: %w", key.fingerprint, err)
		}
	}
	_, err := f.saved.Put(ctx, positionKey, strconv.AppendUint(nil, s.position, 10))
	return err
}

// restoreBox takes a saved box, unless the agent was forgotten or admitted anew since. Owner.
func (f *Fleet) restoreBox(fingerprint string, s savedBox) {
	b := f.boxes[fingerprint]
	if b == nil || !b.enrolled.Enrolled.Equal(s.Enrolled.Time) {
		return
	}
	b.through, b.results = s.Through, s.Results
	for name, t := range s.Checks {
		if t != nil {
			b.checks[name] = t
		}
	}
	f.show(b)
}
