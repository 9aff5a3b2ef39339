package gateway_test

import (
	"fmt"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/mark"
)

// A batch that cannot be followed ends its session and nothing else: the hub says why, nothing of it is on the bus, and the same results come whole in the next one.
func TestAWrongDifferenceEndsItsSession(t *testing.T) {
	h := startHub(t, settings{})
	for what, spoil := range map[string]func(*wire.Batch){
		"by what is not there": func(b *wire.Batch) { b.Alike = append(b.Alike[:4:4], 9, 1, 2, 3) },
		"checksum":             func(b *wire.Batch) { b.Alike[0]++ },
		"cut short":            func(b *wire.Batch) { b.Alike = b.Alike[:5] },
		"of no epoch":          func(b *wire.Batch) { b.Epoch = 0 },
		"beyond all bounds":    func(b *wire.Batch) { b.Zstd, b.Unpacked = true, 1<<31 },
	} {
		t.Run(what, func(t *testing.T) {
			a := newAgent(t, h.token(enrol.Request{}))
			a.tells = true
			for i := range 10 {
				a.result(7, "disk", wire.State_STATE_OK, fmt.Sprint("fine for ", i))
			}
			l := h.connect(a)
			b := l.teller.Tell(a.gens[7].batch(7, 10))
			spoil(b)
			if err := l.send(&wire.Frame{Body: &wire.Frame_Batch{Batch: b}}); err != nil {
				t.Fatal(err)
			}
			if bye := l.must(func(f *wire.Frame) bool { return f.GetBye() != nil || f.GetAck() != nil }).GetBye(); bye.GetCause() != "difference" || bye.GetText() == "" {
				t.Errorf("the hub said %v", bye)
			}
			if there := onTheBus(t, h.bus, a.fingerprint()); len(there) > 0 {
				t.Errorf("on the bus is %v", there)
			}
			a.tells = false
			if err := h.connect(a).drain(7, 10); err != nil {
				t.Fatal(err)
			}
			exactlyOnce(t, h.bus, a)
		})
	}
}

// What is told by difference lies on the bus as what was sent whole: each message by itself, to the byte.
func TestTheBusHoldsWholeRecords(t *testing.T) {
	h := startHub(t, settings{})
	a := newAgent(t, h.token(enrol.Request{}))
	a.tells = true
	for i := range 60 {
		a.result(7, fmt.Sprint("disk", i%20), wire.State_STATE_OK, fmt.Sprint("fine for ", i))
	}
	l := h.connect(a)
	if err := l.drain(7, 7); err != nil {
		t.Fatal(err)
	}
	seq := 0
	err := h.bus.Scan(t.Context(), bus.Results, mark.Subjects(a.fingerprint())+"*", bus.Start{}, func(m bus.Message) error {
		var b wire.Batch
		if err := wire.Unmarshal(m.Data, &b); err != nil {
			return err
		}
		records, err := wire.Unpack(&b)
		for _, r := range records {
			if string(r.Raw) != string(a.gens[7].records[seq]) {
				t.Errorf("record %d is another", r.Seq)
			}
			seq++
		}
		return err
	})
	if err != nil || seq != 60 {
		t.Errorf("%d records, %v", seq, err)
	}
}

// A record that is none is rejected as ever; what it changed of the bases counts, and what stands before it comes again.
func TestARejectedRecordIsStillABase(t *testing.T) {
	h := startHub(t, settings{})
	a := newAgent(t, h.token(enrol.Request{}))
	a.tells = true
	for i := range 3 {
		a.result(7, "disk", wire.State_STATE_OK, fmt.Sprint("fine for ", i))
	}
	good := a.gens[7].records[2]
	a.gens[7].records[2] = append(append([]byte{}, good...), 0x12, 0x03, 0x0a, 0x01, 0xff) // its name is no text
	l := h.connect(a)
	if err := l.sendBatch(a.gens[7].batch(7, 3)); err != nil {
		t.Fatal(err)
	}
	if r := l.must(func(f *wire.Frame) bool { return f.GetReject() != nil || f.GetAck() != nil || f.GetBye() != nil }).GetReject(); r.GetSeq() != 3 {
		t.Fatalf("the hub rejects %v", r)
	}
	a.gens[7].records[2] = good
	if err := l.drain(7, 2); err != nil {
		t.Fatal(err)
	}
	exactlyOnce(t, h.bus, a)
}
