//go:build !race

package walk

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// program is the one that runs: a real one, with code to decode.
func program(t *testing.T) *refs.Source {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := refs.Analyse(b)
	if !s.Module.OK {
		t.Fatal("this program's tables are not found")
	}
	return s
}

// forge encodes a plan with a file that is all as predicted, whatever that is: what costs a patch least and a decoder most.
func forge(old *refs.Source, size int, plan Plan) (stream []byte, spent uint64, err error) {
	defer coder.Recover(&err)
	w := newWalk(context.Background(), coder.NewEncoder(Budget), old, size)
	w.Plan, w.Wish = plan, Wish{Whole: w.nb, Content: w.nb}
	w.run()
	return w.c.Bytes(), w.c.Spent(), nil
}

// TestJumpingCopies makes a patch whose copies take turns between the two largest functions, so that each one is decoded
// again and again for a decision or two.
func TestJumpingCopies(t *testing.T) {
	old := program(t)
	m := &old.Module
	var large [2]uint32 // numbers of functions
	size := func(i uint32) uint32 { return m.Entry(i+1) - m.Entry(i) }
	for i := range m.NFunc {
		if size(i) > size(large[0]) {
			large[0], large[1] = i, large[0]
		} else if size(i) > size(large[1]) {
			large[1] = i
		}
	}
	const each, length = 8, 1 << 20
	plan := Plan{Base: old.Image.Base, Segments: []image.Segment{{Size: 1, Mem: 1}}}
	for at := uint32(0); len(plan.Copies) < MaxCopies(length); at += each {
		from, ok := old.Image.Offset(m.Start(large[len(plan.Copies)%2]))
		if !ok {
			t.Fatal("a function is not in the file")
		}
		plan.Copies = append(plan.Copies, Copy{New: at, Old: from, Len: each})
	}
	before := old.Decoded()
	_, _, err := forge(old, length, plan)
	most := decodeAll*uint64(len(old.Image.Data)+length) + decodeEach*1_000_000 + decodeToo // not a million decisions
	slack := uint64(checkMask+1) * uint64(size(large[0]))
	t.Logf("functions of %d and %d bytes, %d copies: %d bytes decoded", size(large[0]), size(large[1]), len(plan.Copies), old.Decoded()-before)
	if err == nil || !strings.Contains(err.Error(), "of code were decoded") {
		t.Errorf("%v, want it to be too much code", err)
	}
	if n := old.Decoded() - before; n > most+slack {
		t.Errorf("%d bytes of code were decoded, at most %d are right", n, most+slack)
	}
}

// TestCheapDecisions decodes a stream whose every copy is as predicted: the most bytes for the fewest decisions. The memory
// taken is that of the result and of what is remembered.
func TestCheapDecisions(t *testing.T) {
	old := program(t)
	length := 4 * len(old.Image.Data)
	plan := Plan{Base: old.Image.Base, Segments: []image.Segment{{Size: 1, Mem: 1}}}
	for i := range 4 {
		n := uint32(len(old.Image.Data))
		plan.Copies = append(plan.Copies, Copy{New: uint32(i) * n, Old: 0, Len: n})
	}
	stream, spent, err := forge(old, length, plan)
	if err != nil {
		t.Fatal(err)
	}
	got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := Decode(context.Background(), old, length, bytes.NewReader(stream), spent); err != nil {
				b.Fatal(err)
			}
		}
	})
	t.Logf("%d bytes from a stream of %d bytes and %d decisions: %v, %d bytes taken", length, len(stream), spent, got.T, got.AllocedBytesPerOp())
	if most := int64(length) + 16<<20; got.AllocedBytesPerOp() > most {
		t.Errorf("%d bytes were taken, at most %d are right", got.AllocedBytesPerOp(), most)
	}
}
