package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/mark"
)

func openBus(t testing.TB) *bus.Bus {
	t.Helper()
	b, err := bus.Open(t.Context(), bus.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func courierOn(t testing.TB, b *bus.Bus, epochs ...uint64) *courier {
	t.Helper()
	notes, err := mark.Open(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	c := &courier{bus: b, notes: notes, fingerprint: "f", marks: map[uint64]*held{}, log: slog.New(slog.DiscardHandler)}
	for _, e := range epochs {
		if _, err := c.watermarks(t.Context(), []*wire.Generation{{Epoch: e}}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func record(t testing.TB, seq uint64, text string) []byte {
	t.Helper()
	raw, err := wire.Marshal(&wire.Item{Seq: seq, Kind: &wire.Item_Result{Result: &wire.Result{Check: "disk", Text: text}}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func batchOf(t testing.TB, epoch, first, last uint64, text string) *wire.Batch {
	t.Helper()
	var p wire.Packer
	for seq := first; seq <= last; seq++ {
		if !p.Add(seq, record(t, seq, text), wire.MaxBatch) {
			t.Fatalf("record %d does not fit", seq)
		}
	}
	return p.Batch(epoch)
}

// stored lists the numbers that the bus holds of an epoch, in its order.
func stored(t testing.TB, b *bus.Bus, epoch uint64) []uint64 {
	t.Helper()
	var out []uint64
	err := b.Scan(t.Context(), bus.Results, mark.Subject("f", epoch), bus.Start{}, func(m bus.Message) error {
		var batch wire.Batch
		if err := wire.Unmarshal(m.Data, &batch); err != nil {
			return err
		}
		records, err := wire.Unpack(&batch)
		for _, r := range records {
			out = append(out, r.Seq)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDeliver(t *testing.T) {
	b := openBus(t)
	for _, c := range []struct {
		name          string
		before        []*wire.Batch // by another session
		first, second *wire.Batch
		ack           uint64
		cause         error
		there         int
	}{
		{"fresh", nil, batchOf(t, 1, 1, 5, "a"), nil, 5, nil, 5},
		{"next", nil, batchOf(t, 2, 1, 5, "a"), batchOf(t, 2, 6, 9, "a"), 9, nil, 9},
		{"the same again", nil, batchOf(t, 3, 1, 5, "a"), batchOf(t, 3, 1, 5, "a"), 5, nil, 5},
		{"longer at the second time", nil, batchOf(t, 4, 1, 5, "a"), batchOf(t, 4, 1, 8, "a"), 8, nil, 8},
		{"shorter at the second time", nil, batchOf(t, 5, 1, 5, "a"), batchOf(t, 5, 1, 3, "a"), 5, nil, 5},
		{"other records, same numbers", nil, batchOf(t, 6, 1, 5, "a"), batchOf(t, 6, 1, 5, "b"), 0, errDiverged, 5},
		{"another session was there", []*wire.Batch{batchOf(t, 7, 1, 3, "a"), batchOf(t, 7, 4, 6, "a")}, batchOf(t, 7, 1, 9, "a"), nil, 9, nil, 9},
		{"another session took all", []*wire.Batch{batchOf(t, 8, 1, 9, "a")}, batchOf(t, 8, 1, 4, "a"), nil, 9, nil, 9},
		{"another session, other records", []*wire.Batch{batchOf(t, 9, 1, 3, "b")}, batchOf(t, 9, 1, 9, "a"), nil, 0, errDiverged, 3},
		{"no watermark", nil, batchOf(t, 99, 1, 3, "a"), nil, 0, errFrame, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			epoch := c.first.GetEpoch()
			mine := courierOn(t, b)
			if epoch != 99 {
				mine = courierOn(t, b, epoch)
			}
			for _, other := range c.before {
				if _, err := courierOn(t, b, epoch).deliver(t.Context(), other); err != nil {
					t.Fatal(err)
				}
			}
			answer, err := mine.deliver(t.Context(), c.first)
			if c.second != nil && err == nil {
				answer, err = mine.deliver(t.Context(), c.second)
			}
			if !errors.Is(err, c.cause) || answer.GetAck().GetSeq() != c.ack {
				t.Errorf("answer %v, %v", answer, err)
			}
			there := stored(t, b, epoch)
			if len(there) != c.there {
				t.Errorf("there are %v", there)
			}
			for i, seq := range there {
				if seq != uint64(i+1) {
					t.Fatalf("there are %v", there)
				}
			}
		})
	}
}

// The bus came back with less than it had confirmed: the session must end, so that a new one asks for the watermark.
func TestABusThatLostWhatItConfirmedEndsTheSession(t *testing.T) {
	b := openBus(t)
	c := courierOn(t, b, 1)
	if _, err := c.deliver(t.Context(), batchOf(t, 1, 1, 5, "a")); err != nil {
		t.Fatal(err)
	}
	c.marks[1].acked, c.marks[1].seq, c.marks[1].stream = 20, 20, 77 // as if more had been there
	if _, err := c.deliver(t.Context(), batchOf(t, 1, 21, 25, "a")); !errors.Is(err, errBehind) {
		t.Errorf("got %v", err)
	}
}

func TestManyGatewaysWriteOneGeneration(t *testing.T) {
	b := openBus(t)
	var wg sync.WaitGroup
	for size := range uint64(4) {
		c := courierOn(t, b, 1)
		wg.Go(func() {
			for first := uint64(1); first <= 200; {
				last := min(first+size*3, 200)
				answer, err := c.deliver(t.Context(), batchOf(t, 1, first, last, "a"))
				if errors.Is(err, bus.ErrConflict) {
					continue // six times somebody else was faster
				}
				if err != nil {
					t.Error(err)
					return
				}
				first = answer.GetAck().GetSeq() + 1
			}
		})
	}
	wg.Wait()
	there := stored(t, b, 1)
	if len(there) != 200 {
		t.Errorf("there are %d: %v", len(there), there)
	}
	for i, seq := range there {
		if seq != uint64(i+1) {
			t.Fatalf("record %d in place %d", seq, i+1)
		}
	}
}

func TestABusThatDoesNotAnswerEndsTheSession(t *testing.T) {
	b, err := bus.Open(t.Context(), bus.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	c := courierOn(t, b, 1)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if answer, err := c.deliver(t.Context(), batchOf(t, 1, 1, 5, "a")); err == nil {
		t.Errorf("answered %v", answer)
	}
}

func TestACancelledSessionAnswersNothing(t *testing.T) {
	c := courierOn(t, openBus(t), 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if answer, err := c.deliver(ctx, batchOf(t, 1, 1, 5, "a")); err == nil {
		t.Errorf("answered %v", answer)
	}
}

// Whatever bytes come, the checks neither panic nor let through what a reader of the bus could not read.
func FuzzFrames(f *testing.F) {
	good, err := wire.Marshal(&wire.Frame{Body: &wire.Frame_Batch{Batch: batchOf(f, 1, 1, 3, "a")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-2])
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff})
	f.Add([]byte("\x52\x0e\x08\x01\x10\x01\x18\x01\x30\xff\xff\xff\xff\x0f\x38\x01\x3a\x00")) // says it unpacks to 4 GiB
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := parseFrame(data)
		if err != nil || frame.GetBatch() == nil {
			return
		}
		b := frame.GetBatch()
		bad, err := sound(b)
		switch {
		case err != nil:
			if !errors.Is(err, wire.ErrBatch) {
				t.Fatalf("not said to be the batch's fault: %v", err)
			}
		case bad != nil:
			if bad.GetSeq() < b.GetFirst() || bad.GetSeq() > b.GetLast() {
				t.Fatalf("rejects %d of %d to %d", bad.GetSeq(), b.GetFirst(), b.GetLast())
			}
		default:
			records, err := wire.Unpack(b)
			if err != nil {
				t.Fatalf("let through what does not unpack: %v", err)
			}
			for _, r := range records {
				if _, err := r.Item(); err != nil {
					t.Fatalf("let through what does not read: %v", err)
				}
			}
		}
	})
}
