package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/mark"
)

// Limits of bringing one batch to the bus.
const (
	tries     = 6                // beyond them the session ends, and the agent sends again in its next one
	firstWait = time.Millisecond // between tries, doubled each time
)

// errBehind: the bus holds less than this session has acknowledged, so the disk below it lost something.
var errBehind = errors.New("the bus lost what was acknowledged")

// errDiverged: what the bus holds under this number is not what the agent sends.
var errDiverged = errors.New("the agent's records are not those on the bus")

// held is what the bus holds of one generation.
type held struct {
	seq    uint64 // last record, 0 = none
	crc    uint32 // of it
	stream uint64 // sequence of the message it came in, 0 = there is none now
	acked  uint64 // what this session has acknowledged
}

// courier brings one session's batches to the bus, each record once. One goroutine uses it.
type courier struct {
	bus         *bus.Bus
	notes       *mark.Notes
	fingerprint string
	marks       map[uint64]*held
	hearer      wire.Hearer
	log         *slog.Logger
}

// deliver brings a batch to the bus and returns the answer for the agent, an Ack or a Reject. An error ends the session.
func (c *courier) deliver(ctx context.Context, told *wire.Batch) (*wire.Frame, error) {
	b, err := c.hearer.Hear(told) // before anything else: what it changes counts whatever becomes of the batch
	if err != nil {
		return nil, err
	}
	m, known := c.marks[b.GetEpoch()]
	if !known {
		return nil, fmt.Errorf("take batch of epoch %d: %w: no watermark was asked for it", b.GetEpoch(), errFrame)
	}
	bad, err := sound(b)
	if err != nil {
		return nil, err
	}
	if bad != nil {
		return rejection(bad), nil
	}
	for try := range tries {
		rest, err := m.cut(b)
		if err != nil {
			return nil, fmt.Errorf("take batch %d to %d of epoch %d: %w", b.GetFirst(), b.GetLast(), b.GetEpoch(), err)
		}
		if rest == nil {
			break
		}
		err = c.publish(ctx, rest, m)
		if err == nil {
			break
		}
		if errors.Is(err, bus.ErrTooLarge) {
			return rejection(&wire.Reject{Epoch: rest.GetEpoch(), Seq: rest.GetFirst(), Why: "larger than the bus can take"}), nil
		}
		if try == tries-1 {
			return nil, fmt.Errorf("take batch %d to %d of epoch %d: %w", b.GetFirst(), b.GetLast(), b.GetEpoch(), err)
		}
		if !errors.Is(err, bus.ErrConflict) {
			c.log.Warn("batch not confirmed, asking the bus what it holds", "agent", c.fingerprint, "err", err)
		}
		if err := c.refresh(ctx, b.GetEpoch(), m, try); err != nil {
			return nil, err
		}
	}
	m.acked = m.seq
	return &wire.Frame{Body: &wire.Frame_Ack{Ack: &wire.Ack{Epoch: b.GetEpoch(), Seq: m.seq}}}, nil
}

// publish appends what the bus does not hold yet.
func (c *courier) publish(ctx context.Context, rest *wire.Batch, m *held) error {
	wire.Compress(rest)
	data, err := wire.Marshal(rest)
	if err != nil {
		return err
	}
	stream, err := c.bus.Publish(ctx, mark.Subject(c.fingerprint, rest.GetEpoch()), data, m.stream)
	if err != nil {
		return err
	}
	m.seq, m.crc, m.stream = rest.GetLast(), rest.GetCrc(), stream
	return nil
}

// refresh asks the bus what it holds, after it refused or did not answer.
func (c *courier) refresh(ctx context.Context, epoch uint64, m *held, try int) error {
	if try > 0 {
		select {
		case <-time.After(firstWait << try):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	now, err := c.look(ctx, epoch)
	if err != nil {
		c.log.Warn("bus not asked", "agent", c.fingerprint, "err", err)
		return nil // the next try asks again: a refused publish changes nothing
	}
	if now.seq < m.acked {
		return fmt.Errorf("look at epoch %d: %w: %d acknowledged, %d there", epoch, errBehind, m.acked, now.seq)
	}
	now.acked = m.acked
	*m = now
	return nil
}

// look reads one generation's mark from the stream's leader; where the stream holds nothing of it (any more), from its note.
func (c *courier) look(ctx context.Context, epoch uint64) (held, error) {
	last, err := c.bus.Last(ctx, bus.Results, mark.Subject(c.fingerprint, epoch))
	if errors.Is(err, bus.ErrNone) {
		note, err := c.notes.Read(ctx, c.fingerprint, epoch)
		return held{seq: note.Seq, crc: note.Crc}, err
	}
	if err != nil {
		return held{}, err
	}
	var b wire.Batch
	if err := wire.Unmarshal(last.Data, &b); err != nil {
		return held{}, fmt.Errorf("read message %d: %w", last.Seq, err)
	}
	return held{seq: b.GetLast(), crc: b.GetCrc(), stream: last.Seq}, nil
}

// watermarks answers for each generation, and from then on takes its batches.
func (c *courier) watermarks(ctx context.Context, generations []*wire.Generation) ([]*wire.Watermark, error) {
	generations = generations[:min(len(generations), wire.MaxGenerations)]
	out := make([]*wire.Watermark, 0, len(generations))
	for _, g := range generations {
		m, err := c.look(ctx, g.GetEpoch())
		if err != nil {
			return nil, fmt.Errorf("find watermark of epoch %d: %w", g.GetEpoch(), err)
		}
		if len(c.marks) >= maxGenerations && c.marks[g.GetEpoch()] == nil {
			return nil, fmt.Errorf("find watermark of epoch %d: %w: more than %d generations", g.GetEpoch(), errFrame, maxGenerations)
		}
		c.marks[g.GetEpoch()] = &m
		out = append(out, &wire.Watermark{Epoch: g.GetEpoch(), Seq: m.seq, Crc: m.crc})
	}
	return out, nil
}

// cut is what of a batch the bus does not hold; nil = it holds all.
func (m *held) cut(b *wire.Batch) (*wire.Batch, error) {
	if b.GetFirst() > m.seq {
		return b, nil
	}
	if m.seq <= b.GetLast() {
		records, err := wire.Unpack(b)
		if err != nil {
			return nil, err
		}
		if wire.Crc(records[m.seq-b.GetFirst()].Raw) != m.crc {
			return nil, errDiverged
		}
	}
	return wire.CutBefore(b, m.seq+1)
}

// sound checks a batch. A record that no reader of the bus could decode gets a rejection: the agent sends what stands before it
// again, writes a gap for it and goes on.
func sound(b *wire.Batch) (*wire.Reject, error) {
	records, err := wire.Unpack(b)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if _, err := r.Item(); err != nil {
			return &wire.Reject{Epoch: b.GetEpoch(), Seq: r.Seq, Why: "not a record: " + err.Error()}, nil
		}
	}
	return nil, nil
}

func rejection(r *wire.Reject) *wire.Frame {
	return &wire.Frame{Body: &wire.Frame_Reject{Reject: r}}
}
