package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// maxText bounds what an agent can make of one entry, in bytes.
const maxText = 2048

// Write appends an entry; At is now where it is zero, ID is ignored.
func Write(ctx context.Context, b *bus.Bus, e Event) error {
	data, err := encode(e)
	if err != nil {
		return err
	}
	if _, err := b.Append(ctx, "events."+e.Kind, data); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

// WriteOnce appends an entry unless one with the same key was written before. key: letters, digits, - and dots.
func WriteOnce(ctx context.Context, b *bus.Bus, key string, e Event) error {
	data, err := encode(e)
	if err != nil {
		return err
	}
	if _, err := b.Publish(ctx, "events."+e.Kind+"."+key, data, 0); err != nil && !errors.Is(err, bus.ErrConflict) {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

// Read is the entry in a message of the EVENTS stream.
func Read(m bus.Message) (Event, error) {
	var e Event
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return Event{}, fmt.Errorf("read event %d: %w", m.Seq, err)
	}
	e.ID = strconv.FormatUint(m.Seq, 10)
	return e, nil
}

func encode(e Event) ([]byte, error) {
	e.ID = ""
	if e.At.IsZero() {
		e.At = At(time.Now())
	}
	if len(e.Text) > maxText {
		e.Text = e.Text[:maxText]
	}
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write event: %w", err)
	}
	return data, nil
}
