package fleet

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/mark"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// noteKey names a generation.
type noteKey struct {
	fingerprint string
	epoch       uint64
}

// arrival is a decoded message of the RESULTS stream.
type arrival struct {
	fingerprint string
	stream      uint64
	received    time.Time
	batch       *wire.Batch
	items       []*wire.Item
}

// takeMessage decodes a message and has the owner take it.
func (f *Fleet) takeMessage(m bus.Message) error {
	a, err := decode(m)
	if err != nil {
		// The gateway checks what it publishes: this is another program's message, or a damaged store.
		f.log.Error("message of the stream not readable", "subject", m.Subject, "seq", m.Seq, "err", err)
		f.do(func() { f.position = m.Seq })
		return nil
	}
	f.do(func() { f.take(a) })
	return nil
}

func decode(m bus.Message) (*arrival, error) {
	fingerprint, epoch, ok := mark.ParseSubject(m.Subject)
	if !ok {
		return nil, fmt.Errorf("read message %d: its subject is %q", m.Seq, m.Subject)
	}
	b := new(wire.Batch)
	if err := wire.Unmarshal(m.Data, b); err != nil {
		return nil, fmt.Errorf("read message %d: %w", m.Seq, err)
	}
	if b.GetEpoch() != epoch {
		return nil, fmt.Errorf("read message %d: it is of epoch %d", m.Seq, b.GetEpoch())
	}
	records, err := wire.Unpack(b)
	if err != nil {
		return nil, fmt.Errorf("read message %d: %w", m.Seq, err)
	}
	a := &arrival{fingerprint: fingerprint, stream: m.Seq, received: m.Time, batch: b, items: make([]*wire.Item, 0, len(records))}
	for _, r := range records {
		item, err := r.Item()
		if err != nil {
			return nil, fmt.Errorf("read message %d: %w", m.Seq, err)
		}
		a.items = append(a.items, item)
	}
	return a, nil
}

// take brings a message into the view. Owner.
func (f *Fleet) take(a *arrival) {
	f.position = a.stream
	b := f.known(a.fingerprint)
	if b == nil || a.stream <= b.through {
		return // forgotten, or in what was saved
	}
	f.dirtyNotes[noteKey{a.fingerprint, a.batch.GetEpoch()}] = mark.Note{Seq: a.batch.GetLast(), Crc: a.batch.GetCrc(), Stream: a.stream}
	b.through, b.dirty = a.stream, true
	if a.received.After(b.pulse.Seen.Time) {
		b.pulse.Seen = journal.At(a.received)
	}
	for _, item := range a.items {
		f.takeItem(b, a, item)
	}
	f.show(b)
}

func (f *Fleet) takeItem(b *box, a *arrival, item *wire.Item) {
	switch kind := item.GetKind().(type) {
	case *wire.Item_Result:
		f.takeResult(b, a, item.GetSeq(), kind.Result)
	case *wire.Item_Gap:
		g := kind.Gap
		f.record(b, a, item.GetSeq(), Event{Kind: journal.Gap, At: journal.At(a.received), Cause: presence.Clip(g.GetCause(), maxWord),
			Text: fmt.Sprintf("results %d to %d of epoch %d are lost: %s", g.GetFirst(), g.GetLast(), g.GetEpoch(), presence.Clip(g.GetCause(), maxWord))})
	case *wire.Item_LostRun:
		name := presence.Clip(kind.LostRun.GetCheck(), maxName)
		f.record(b, a, item.GetSeq(), Event{Kind: journal.LostRun, At: journal.At(time.Unix(0, kind.LostRun.GetStartNs())), Check: name,
			Text: "a run of " + name + " was cut off by a kill"})
	case *wire.Item_Samples:
		f.takeSamples(b, a, kind.Samples)
	case *wire.Item_Event:
		e := kind.Event
		f.record(b, a, item.GetSeq(), Event{Kind: journal.Agent, At: journal.At(time.Unix(0, e.GetAtNs())), Cause: presence.Clip(e.GetKind(), maxWord),
			Text: presence.Clip(e.GetText(), maxText), Attributes: presence.ClipMap(e.GetAttributes())})
	}
}

// takeResult makes a result its check's last, unless a later one was there before it.
func (f *Fleet) takeResult(b *box, a *arrival, seq uint64, r *wire.Result) {
	b.results++
	result := ResultOf(r, At{Epoch: a.batch.GetEpoch(), Seq: seq, Received: a.received})
	result.Long = ""
	was := b.checks[result.Check]
	if was != nil && later(was.Status.Last, result) {
		return
	}
	if was == nil && len(b.checks) >= maxChecks {
		f.log.Warn("check not shown: the agent has too many", "agent", b.enrolled.Fingerprint, "check", result.Check)
		return
	}
	next := follows(was, result, r)
	next.Message = a.stream
	b.checks[result.Check] = next
	b.news = append(b.news, &next.Status)
	f.noteState(b, a, was, next)
}

// later orders results of one agent by epoch, then number, never by time.
func later(a, b Result) bool {
	return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq)) > 0
}

// follows is a check's tally with a result behind what was there (nil = nothing).
func follows(was *tally, result Result, r *wire.Result) *tally {
	next := &tally{Revision: r.GetRevision(), Status: CheckStatus{
		Check: result.Check, Plugin: presence.Clip(r.GetPlugin(), maxWord), State: result.State, Text: result.Text, Since: result.Start, Last: result,
		EveryMS: int64(r.GetEveryMs()),
	}}
	if was == nil {
		return next
	}
	if was.Status.State == result.State {
		next.Status.Since = was.Status.Since
	}
	if result.Trigger == "manual" && next.Status.EveryMS == 0 {
		next.Status.EveryMS = was.Status.EveryMS
	}
	return next
}

// noteState writes a change of state to the log. A check that begins well is no news.
func (f *Fleet) noteState(b *box, a *arrival, was, next *tally) {
	old := ""
	if was != nil {
		old = was.Status.State
	}
	s := next.Status
	if old == s.State || (old == "" && s.State == "OK") {
		return
	}
	f.record(b, a, s.Last.Seq, Event{Kind: journal.State, At: s.Last.Start, Check: s.Check, State: s.State, Was: old,
		Text: s.Check + " is " + s.State + ": " + s.Text})
}

// record writes what a record of the stream says to the log, once over all hubs and all replays.
func (f *Fleet) record(b *box, a *arrival, seq uint64, e Event) {
	e.Fingerprint, e.Hostname = b.enrolled.Fingerprint, b.session.Facts.Hostname
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	key := fmt.Sprintf("%s.%d.%d", a.fingerprint, a.batch.GetEpoch(), seq)
	if err := journal.WriteOnce(ctx, f.bus, key, e); err != nil {
		f.log.Error("event not written", "kind", e.Kind, "err", err)
	}
}
