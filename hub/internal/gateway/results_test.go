package gateway_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/mark"
)

func TestResultsReachTheBusAndTheView(t *testing.T) {
	h := startHub(t, settings{})
	a, l := h.join()
	a.result(7, "disk", wire.State_STATE_OK, "fine")
	a.result(7, "web", wire.State_STATE_CRITICAL, "down")
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := l.drain(7, 1); err != nil {
		t.Fatal(err)
	}
	h.until("two checks", func() bool { d, _ := h.fleet.Agent(a.fingerprint()); return len(d.Checks) == 2 })
	t.Logf("acked and shown after %s", time.Since(start))
	exactlyOnce(t, h.bus, a)
	d, _ := h.fleet.Agent(a.fingerprint())
	if d.Checks[0].Check != "web" || d.State != "CRITICAL" || d.Counts != (fleet.Counts{OK: 1, Critical: 1}) || d.Results != 2 {
		t.Errorf("agent %+v", d)
	}
}

// The line is cut at any moment, acks are lost, batches are sent again, the hub's parts are stopped and started: every record is
// on the bus once.
func TestExactlyOnceOverCutLines(t *testing.T) {
	t.Run("whole", func(t *testing.T) { overCutLines(t, false) })
	t.Run("by difference", func(t *testing.T) { overCutLines(t, true) })
}

func overCutLines(t *testing.T, tells bool) {
	dir := t.TempDir()
	h := startHub(t, settings{dir: dir})
	a := newAgent(t, h.token(enrol.Request{}))
	a.tells = tells
	for epoch := range uint64(3) {
		for i := range 300 {
			a.result(100+epoch, fmt.Sprint("disk", i%7), wire.State_STATE_OK, fmt.Sprint("fine for ", i))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		if round%20 == 19 {
			h.stop()
			h = startHub(t, settings{dir: dir, key: h.key})
		}
		l, err := a.connect(t.Context(), h.at())
		if err != nil {
			t.Fatal(err)
		}
		for range random.IntN(6) {
			epoch := 100 + random.Uint64N(3)
			b := a.gens[epoch].batch(epoch, 1+random.IntN(20))
			if b == nil {
				continue
			}
			if err := l.sendBatch(b); err != nil {
				t.Fatal(err)
			}
			switch random.IntN(4) {
			case 0: // the same again before an ack
				if err := l.sendBatch(b); err != nil {
					t.Fatal(err)
				}
				if err := l.acked(epoch); err != nil {
					t.Fatal(err)
				}
			case 1: // the ack is lost
				continue
			}
			if err := l.acked(epoch); err != nil {
				t.Fatal(err)
			}
		}
		l.cut()
	}
	l := h.connect(a)
	for epoch := range a.gens {
		if err := l.drain(epoch, 100); err != nil {
			t.Fatal(err)
		}
	}
	exactlyOnce(t, h.bus, a)
	h.until("900 results", func() bool { d, _ := h.fleet.Agent(a.fingerprint()); return d.Results == 900 })
}

// Two sessions of one agent, as after a line that only one side believes dead, send the same generation at once.
func TestTwoSessionsWriteOneGeneration(t *testing.T) {
	h := startHub(t, settings{})
	a, first := h.join()
	for range 400 {
		a.result(9, "disk", wire.State_STATE_OK, "fine")
	}
	if err := first.open(); err != nil {
		t.Fatal(err)
	}
	twin := *a // the same buffer, read by another process
	twin.gens = map[uint64]*generation{9: {records: a.gens[9].records}}
	var wg sync.WaitGroup
	wg.Go(func() { _ = first.drain(9, 3) }) // ends when it is replaced
	second, err := twin.connect(t.Context(), h.at())
	if err != nil {
		t.Fatal(err)
	}
	defer second.cut()
	if err := second.drain(9, 5); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	exactlyOnce(t, h.bus, a)
}

func TestWhatCannotBeReadIsRejected(t *testing.T) {
	h := startHub(t, settings{})
	a, l := h.join()
	a.result(1, "disk", wire.State_STATE_OK, "fine")
	a.result(1, "disk", wire.State_STATE_OK, "fine")
	a.gens[1].records = append(a.gens[1].records, []byte{8, 3, 18, 1, 255}) // number 3, a result that is none
	a.result(1, "disk", wire.State_STATE_OK, "fine")
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	send := func(most int) {
		t.Helper()
		if err := l.send(&wire.Frame{Body: &wire.Frame_Batch{Batch: a.gens[1].batch(1, most)}}); err != nil {
			t.Fatal(err)
		}
	}
	send(10)
	if f := l.must(func(f *wire.Frame) bool { return f.GetReject() != nil }); f.GetReject().GetSeq() != 3 {
		t.Errorf("rejected %v", f)
	}
	send(2) // what stands before it
	if err := l.acked(1); err != nil || a.gens[1].acked != 2 {
		t.Fatalf("acked %d, %v", a.gens[1].acked, err)
	}
	a.gens[1].acked = 3 // it goes on behind it
	send(10)
	if err := l.acked(1); err != nil || a.gens[1].acked != 4 {
		t.Errorf("acked %d, %v", a.gens[1].acked, err)
	}
	if there := onTheBus(t, h.bus, a.fingerprint())[1]; len(there) != 3 || there[3] != 0 {
		t.Errorf("there are %v", there)
	}
}

func TestTheLargestRecordIsTaken(t *testing.T) {
	h := startHub(t, settings{})
	a, l := h.join()
	noise := make([]byte, wire.MaxRecord)
	if _, err := rand.NewChaCha8([32]byte{}).Read(noise); err != nil {
		t.Fatal(err)
	}
	long := base64.StdEncoding.EncodeToString(noise)[:wire.MaxRecord-200] // little to compress
	a.add(1, &wire.Item{Kind: &wire.Item_Result{Result: &wire.Result{Check: "disk", Long: long}}})
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	if err := l.drain(1, 1); err != nil {
		t.Fatal(err)
	}
	exactlyOnce(t, h.bus, a)
}

// A generation whose messages retention took all goes on where it was; one that the disk lost begins again.
func TestNotesCountOnlyWhereRetentionTookTheMessage(t *testing.T) {
	h := startHub(t, settings{})
	notes, err := mark.Open(t.Context(), h.bus)
	if err != nil {
		t.Fatal(err)
	}
	a, l := h.join()
	for range 5 {
		a.result(1, "disk", wire.State_STATE_OK, "fine")
		a.result(2, "disk", wire.State_STATE_OK, "fine")
	}
	if _, err := h.bus.Append(t.Context(), mark.Subject("other", 1), []byte("x")); err != nil {
		t.Fatal(err)
	}
	bounds, err := h.bus.Bounds(t.Context(), bus.Results)
	if err != nil {
		t.Fatal(err)
	}
	crc := wire.Crc(a.gens[1].records[2])
	if err := notes.Write(t.Context(), a.fingerprint(), 1, mark.Note{Seq: 3, Crc: crc, Stream: bounds.First - 1}); err != nil {
		t.Fatal(err)
	}
	if err := notes.Write(t.Context(), a.fingerprint(), 2, mark.Note{Seq: 3, Crc: crc, Stream: bounds.First}); err != nil {
		t.Fatal(err)
	}
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	if a.gens[1].acked != 3 || a.gens[2].acked != 0 {
		t.Errorf("watermarks %d and %d", a.gens[1].acked, a.gens[2].acked)
	}
}
