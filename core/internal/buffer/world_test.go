package buffer

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// promise is a result that the buffer accepted.
type promise struct {
	text       string
	epoch, seq uint64
}

// world is what no power cut of the box takes back: what its buffer promised, and what the bus holds. The disk's cuts look at it from
// any goroutine.
type world struct {
	mu       sync.Mutex
	owner    uint64 // whose key the box has
	promised []promise
	bus      map[stream][]kept // in order
}

// stream is one generation as the hub knows it.
type stream struct{ owner, epoch uint64 }

// kept is a record on the bus.
type kept struct {
	seq  uint64
	crc  uint32
	item *wire.Item
}

func newWorld() *world { return &world{owner: 1, bus: map[stream][]kept{}} }

// clone is the world as it is at this moment.
func (w *world) clone() *world {
	w.mu.Lock()
	defer w.mu.Unlock()
	bus := maps.Clone(w.bus)
	for epoch, records := range bus {
		bus[epoch] = slices.Clip(records)
	}
	return &world{owner: w.owner, promised: slices.Clip(w.promised), bus: bus}
}

func (w *world) promise(p promise) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.promised = append(w.promised, p)
}

func (w *world) watermark(epoch uint64) (seq uint64, crc uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := w.bus[stream{w.owner, epoch}]
	if n := len(held); n > 0 {
		return held[n-1].seq, held[n-1].crc
	}
	return 0, 0
}

// publish takes a batch as docs/wire.md has it: what the bus holds already is cut off.
func (w *world) publish(b *wire.Batch) error {
	records, err := wire.Unpack(b)
	if err != nil {
		return err
	}
	last, _ := w.watermark(b.GetEpoch())
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		if r.Seq <= last {
			continue
		}
		item, err := r.Item()
		if err != nil {
			return err
		}
		to := stream{w.owner, b.GetEpoch()}
		w.bus[to] = append(w.bus[to], kept{r.Seq, wire.Crc(r.Raw), item})
	}
	return nil
}

// forget takes the last n records of each epoch from the bus: its disk had not synced them.
func (w *world) forget(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for epoch, records := range w.bus {
		w.bus[epoch] = slices.Clip(records[:max(0, len(records)-n)])
	}
}

// part gives the box another key.
func (w *world) part(owner uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owner = owner
}

// occupy puts a record on the bus that another one of this box's copies sent under its numbers.
func (w *world) occupy(epoch uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	to := stream{w.owner, epoch}
	w.bus[to] = append(slices.Clip(w.bus[to]), kept{99, 7, &wire.Item{Seq: 99, Kind: &wire.Item_Event{Event: &wire.Event{Kind: "strange"}}}})
}

// meet is the beginning of a session: a watermark for each generation.
func (w *world) meet(b *Buffer) error {
	for _, g := range b.Generations() {
		seq, crc := w.watermark(g.GetEpoch())
		if _, err := b.Resume(g.GetEpoch(), seq, crc); err != nil {
			return err
		}
	}
	return nil
}

// serve brings what waits to the bus, so many batches at most, each of a record or two; an ack is lost where acks is false.
func (w *world) serve(b *Buffer, batches int, acks bool) error {
	for _, g := range b.Generations() {
		for ; batches > 0; batches-- {
			batch, err := b.Next(g.GetEpoch(), 60)
			if err != nil {
				return err
			}
			if batch == nil {
				break
			}
			if err := w.publish(batch); err != nil {
				return err
			}
			if !acks {
				return nil // the next batch would be the same
			}
			if err := b.Ack(g.GetEpoch(), batch.GetLast()); err != nil {
				return err
			}
		}
	}
	return nil
}

// arrived counts the results on the bus by their text, and lists the gaps stated there.
func (w *world) arrived() (texts map[string]int, gaps []*wire.Gap) {
	texts = map[string]int{}
	for _, records := range w.bus {
		for _, r := range records {
			if r.item.GetResult() != nil {
				texts[r.item.GetResult().GetText()]++
			}
			if r.item.GetGap() != nil {
				gaps = append(gaps, r.item.GetGap())
			}
		}
	}
	return texts, gaps
}

// holds compares: everything promised is on the bus once, or one of the causes given says that it is lost.
func (w *world) holds(t *testing.T, when string, causes ...string) {
	t.Helper()
	texts, gaps := w.arrived()
	stated := func(p promise) bool {
		return slices.ContainsFunc(gaps, func(g *wire.Gap) bool {
			return g.GetEpoch() == p.epoch && g.GetFirst() <= p.seq && p.seq <= g.GetLast()
		})
	}
	for text, n := range texts {
		if n > 1 && !slices.Contains(causes, causeRestored) {
			t.Errorf("%s: %s is on the bus %d times", when, text, n)
		}
	}
	for _, p := range w.promised {
		if texts[p.text] == 0 && !stated(p) {
			t.Errorf("%s: %s was promised, is not on the bus, and nothing says so", when, p.text)
		}
	}
	for _, g := range gaps {
		// Of records that no sync had covered a cut may take an earlier one and leave a later one: then it is stated that one is lost that nobody was promised.
		never := slices.Contains([]string{causeCorrupt, causeHubLost}, g.GetCause()) && !slices.ContainsFunc(w.promised, func(p promise) bool {
			return g.GetEpoch() == p.epoch && g.GetFirst() <= p.seq && p.seq <= g.GetLast()
		})
		if !never && !slices.Contains(causes, g.GetCause()) {
			t.Errorf("%s: a gap is stated that nothing here makes: %s", when, fmt.Sprint(g))
		}
	}
}
