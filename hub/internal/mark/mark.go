// Package mark says what the bus holds of each generation of each agent: under which subject its batches lie, and, where
// retention took all of them, up to where they went. Notes are written behind the stream by whoever reads all of it, long before
// retention can reach what they name.
package mark

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// noteAge is how long a note outlives the last batch of its generation: longer than any buffer stays on an agent.
const noteAge = 366 * 24 * time.Hour

// Subject is where the batches of one generation lie.
func Subject(fingerprint string, epoch uint64) string {
	return Subjects(fingerprint) + strconv.FormatUint(epoch, 10)
}

// Subjects is what the subjects of all generations of an agent begin with.
func Subjects(fingerprint string) string { return "results." + fingerprint + "." }

// ParseSubject is the reverse of Subject.
func ParseSubject(subject string) (fingerprint string, epoch uint64, ok bool) {
	parts := strings.Split(subject, ".")
	if len(parts) != 3 || parts[0] != "results" {
		return "", 0, false
	}
	epoch, err := strconv.ParseUint(parts[2], 10, 64)
	return parts[1], epoch, err == nil
}

// Note says how far a generation went.
type Note struct {
	Seq    uint64 `json:"seq"`    // its last record
	Crc    uint32 `json:"crc"`    // of that
	Stream uint64 `json:"stream"` // sequence of the message that brought it
}

// Notes is the bucket of notes. Its methods may be called from anywhere.
type Notes struct {
	bus    *bus.Bus
	bucket *bus.Bucket
}

// Open opens the notes on the bus.
func Open(ctx context.Context, b *bus.Bus) (*Notes, error) {
	bucket, err := b.Bucket(ctx, "notes", noteAge)
	if err != nil {
		return nil, fmt.Errorf("open notes: %w", err)
	}
	return &Notes{bus: b, bucket: bucket}, nil
}

// Read is the note of a generation whose subject is empty. It counts only where retention took the message it names; one that
// names a message which should be there still was written before the disk lost it, and says nothing: a zero Note.
func (n *Notes) Read(ctx context.Context, fingerprint string, epoch uint64) (Note, error) {
	e, err := n.bucket.Get(ctx, key(fingerprint, epoch))
	if errors.Is(err, bus.ErrNone) {
		return Note{}, nil
	}
	if err != nil {
		return Note{}, err
	}
	var note Note
	if err := json.Unmarshal(e.Value, &note); err != nil {
		return Note{}, fmt.Errorf("read note of epoch %d: %w", epoch, err)
	}
	bounds, err := n.bus.Bounds(ctx, bus.Results)
	if err != nil {
		return Note{}, err
	}
	if note.Stream >= bounds.First {
		return Note{}, nil
	}
	return note, nil
}

// Write notes how far a generation went.
func (n *Notes) Write(ctx context.Context, fingerprint string, epoch uint64, note Note) error {
	data, err := json.Marshal(note)
	if err != nil {
		return fmt.Errorf("write note of epoch %d: %w", epoch, err)
	}
	_, err = n.bucket.Put(ctx, key(fingerprint, epoch), data)
	return err
}

func key(fingerprint string, epoch uint64) string {
	return fingerprint + "." + strconv.FormatUint(epoch, 10)
}
