package session

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/wire"
)

const (
	// batchBytes is the most a batch has before compression. Less than the protocol allows, so that a
	// box that comes back with a backlog does not need the memory.
	batchBytes = 128 << 10
	// inFlight is how many generations have a batch on the way at once; the live one always may.
	inFlight = 4
)

// outlet is what drain sends by.
type outlet interface {
	send(*wire.Frame) bool
}

// drain sends what the buffer holds, one batch on the way for each generation.
type drain struct {
	buffer *buffer.Buffer
	line   outlet
	teller *wire.Teller // of what line carries
	log    *slog.Logger
	order  []*flow // as the buffer lists them: the live one last
	flows  map[uint64]*flow
}

// flow is one generation's.
type flow struct {
	epoch       uint64
	live        bool
	asked       bool // the hub was asked for its watermark
	ready       bool // it came
	busy        bool // a batch is on the way
	dry         bool // there was nothing to send, and nothing was written since
	stuck       bool // the buffer could not give a batch; asked again at the next heartbeat
	first, last uint64
	sent        time.Time
}

func newDrain(b *buffer.Buffer, l outlet, teller *wire.Teller, log *slog.Logger) *drain {
	return &drain{buffer: b, line: l, teller: teller, log: log, flows: map[uint64]*flow{}}
}

// resume takes the hub's watermarks: from now on these generations are sent.
func (d *drain) resume(marks []*wire.Watermark) {
	for _, m := range marks {
		verdict, err := d.buffer.Resume(m.GetEpoch(), m.GetSeq(), m.GetCrc())
		if err != nil {
			// Its batches stay away; the others' do not.
			d.log.Error("watermark not taken", "epoch", m.GetEpoch(), "seq", m.GetSeq(), "err", err)
			continue
		}
		if verdict != buffer.Equal {
			d.log.Info("the hub's watermark differs", "epoch", m.GetEpoch(), "seq", m.GetSeq(), "verdict", string(verdict))
		}
		if verdict != buffer.Restored {
			d.flows[m.GetEpoch()] = &flow{epoch: m.GetEpoch(), asked: true, ready: true}
		}
	}
	d.look()
}

// look compares with what the buffer keeps now, and asks the hub about generations it was not asked
// about.
func (d *drain) look() {
	kept := d.buffer.Generations()
	var ask []*wire.Generation
	d.order = d.order[:0]
	flows := make(map[uint64]*flow, len(kept))
	for _, g := range kept {
		f := d.flows[g.GetEpoch()]
		if f == nil {
			f = &flow{epoch: g.GetEpoch()}
		}
		if !f.asked {
			f.asked = true
			ask = append(ask, g)
		}
		f.dry = f.dry && !f.live
		f.live = !g.GetClosed()
		flows[f.epoch] = f
		d.order = append(d.order, f)
	}
	d.flows = flows
	for len(ask) > 0 {
		n := min(len(ask), wire.MaxGenerations)
		if !d.send(&wire.Frame{Body: &wire.Frame_Generations{Generations: &wire.Generations{Generations: ask[:n]}}}) {
			return // the loop learns why
		}
		ask = ask[n:]
	}
}

func (d *drain) send(f *wire.Frame) bool { return d.line.send(f) }

// pump sends what may be sent, the live generation first, then the oldest; it says whether there was anything.
func (d *drain) pump() bool {
	busy := 0
	for _, f := range d.order {
		if f.busy {
			busy++
		}
	}
	before := busy
	for i := len(d.order) - 1; i >= 0; i-- {
		if f := d.order[i]; f.live && f.idle() {
			busy += d.next(f)
		}
	}
	for _, f := range d.order {
		if busy >= inFlight {
			break
		}
		if f.idle() {
			busy += d.next(f)
		}
	}
	return busy > before
}

func (f *flow) idle() bool { return f.ready && !f.busy && !f.dry && !f.stuck }

// next sends a generation's next batch and says how many that were.
func (d *drain) next(f *flow) int {
	b, err := d.buffer.Next(f.epoch, batchBytes)
	if err != nil {
		f.stuck = true
		d.log.Error("results not read", "epoch", f.epoch, "err", err)
		return 0
	}
	if b == nil {
		f.dry = true
		return 0
	}
	f.busy, f.first, f.last, f.sent = true, b.GetFirst(), b.GetLast(), time.Now()
	d.send(&wire.Frame{Body: &wire.Frame_Batch{Batch: d.teller.Tell(b)}})
	return 1
}

// ack moves a cursor.
func (d *drain) ack(a *wire.Ack) error {
	f := d.flows[a.GetEpoch()]
	if f == nil || !f.ready {
		return fmt.Errorf("the hub confirms a generation it was sent nothing of: %016x", a.GetEpoch())
	}
	if err := d.buffer.Ack(a.GetEpoch(), a.GetSeq()); err != nil {
		return fmt.Errorf("take the hub's confirmation: %w", err)
	}
	if a.GetSeq() >= f.last {
		f.busy = false
	}
	return nil
}

// reject gives up one record of the batch on the way.
func (d *drain) reject(r *wire.Reject) error {
	f := d.flows[r.GetEpoch()]
	if f == nil || !f.busy || r.GetSeq() < f.first || r.GetSeq() > f.last {
		return fmt.Errorf("the hub refuses a result it was not sent: %d of %016x", r.GetSeq(), r.GetEpoch())
	}
	d.log.Warn("the hub can never take a result", "epoch", r.GetEpoch(), "seq", r.GetSeq(), "why", r.GetWhy())
	if err := d.buffer.Reject(r.GetEpoch(), r.GetSeq()); err != nil {
		return fmt.Errorf("take the hub's refusal: %w", err)
	}
	f.busy = false
	return nil
}

// overdue is an error when the hub has not confirmed a batch for too long. What was stuck is tried
// again.
func (d *drain) overdue(now time.Time) error {
	for _, f := range d.order {
		f.stuck = false
		if f.busy && now.Sub(f.sent) > ackWithin {
			return errUnconfirmed
		}
	}
	return nil
}
