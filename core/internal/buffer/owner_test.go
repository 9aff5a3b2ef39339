package buffer

import (
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// TestACopyKeepsWhatItMadeItself: what it inherited goes with a gap record, what this life appended is carried over but for what the hub has.
func TestACopyKeepsWhatItMadeItself(t *testing.T) {
	d, one, two := t.TempDir(), Owner("one"), Owner("two")
	b := open(t, Options{Dir: d, Owner: one})
	add(t, b, texts("inherited", 4)...)
	inherited := b.Live()
	batch, err := b.Next(inherited, 1)
	if err != nil || b.Ack(inherited, batch.GetLast()) != nil {
		t.Fatal(err)
	}
	b.Close()
	b = open(t, Options{Dir: d, Owner: one})
	add(t, b, texts("own", 4)...)
	live := b.Live()
	if batch, err = b.Next(live, 1); err != nil || batch.GetLast() != 1 {
		t.Fatal(err)
	}
	// The batch came to the hub, its answer was lost: the refusal says so.
	marks := []*wire.Watermark{{Epoch: live, Seq: 1, Crc: batch.GetCrc()}, {Epoch: inherited, Seq: 1}}
	if err := b.Leave(two, marks); err != nil {
		t.Fatal(err)
	}
	add(t, b, "later")
	b.Left()
	expect(t, drain(t, b), "event copy", "later", "gap copy 2-4", "own1", "own2", "own3")
	b.Close()
	b = open(t, Options{Dir: d, Owner: two})
	defer b.Close()
	expect(t, drain(t, b))
}

// TestWhatAnotherKeyLeftIsNotSent: somebody gave the box a new key by hand.
func TestWhatAnotherKeyLeftIsNotSent(t *testing.T) {
	d := t.TempDir()
	b := open(t, Options{Dir: d, Owner: Owner("one")})
	mark(t, b, "cut off", 1)
	add(t, b, texts("r", 3)...)
	b.Close()
	b = open(t, Options{Dir: d, Owner: Owner("two")})
	defer b.Close()
	expect(t, drain(t, b), "gap copy 1-3")
	if n := b.Stats().Generations; n != 1 {
		t.Errorf("%d generations", n)
	}
}

// TestAChangeOfKeysThatFailsLeavesAll as it was.
func TestAChangeOfKeysThatFailsLeavesAll(t *testing.T) {
	b := open(t, Options{Dir: t.TempDir(), Owner: Owner("one")})
	defer b.Close()
	add(t, b, texts("r", 3)...)
	b.k.do(func() { b.k.restTill = b.k.started.Add(1 << 40) }) // a disk that just failed takes nothing
	if err := b.Leave(Owner("two"), nil); err == nil {
		t.Fatal("a key was left though nothing can be kept")
	}
	b.k.do(func() { b.k.restTill = b.k.started })
	add(t, b, "later")
	got := drain(t, b)
	if len(got) != 5 || got[0] != "r0" || got[3] != "later" || got[4] != "event buffer-refused" {
		t.Errorf("got %q", got)
	}
}
