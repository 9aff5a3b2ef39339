//go:build !race

package walk

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"strings"
	"testing"

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
	if s.Module.NFunc == 0 {
		t.Fatal("this program's tables are not found")
	}
	return s
}

// forge encodes a plan with a file that is all as predicted, whatever that is: what costs a patch least and a decoder most.
func forge(old *refs.Source, size int, plan Plan) (stream []byte, spent uint64, err error) {
	return encode(old, size, plan, Wish{})
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
	_, spent, err := forge(old, length, plan)
	t.Logf("functions of %d and %d bytes, %d copies: %d units", size(large[0]), size(large[1]), len(plan.Copies), spent)
	if most := uint64(len(plan.Copies)) * uint64(size(large[1])) / codeCharge; err == nil && spent < most {
		t.Errorf("%d units pay for %d copies, at least %d are right", spent, len(plan.Copies), most)
	}
}

// TestCheapDecisions decodes a stream whose every copy is as predicted: the most bytes for the fewest decisions. The memory
// taken is that of the result and of what is remembered.
func TestCheapDecisions(t *testing.T) {
	old := program(t)
	length := 4 * len(old.Image.Data)
	old.Image.Data = append(make([]byte, 0, 5*len(old.Image.Data)), old.Image.Data...) // with room for the result, as a decoder has it
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

// tabled is a plan for a file of a few functions whose tables of pcs are one byte, and that file. The functions end as far from the
// start of text as it is said.
func tabled(functions, end uint32) (Plan, []byte) {
	const record, size = 64, 4096
	functab := 8*functions + 4
	plan := Plan{Segments: []image.Segment{{Size: size, Mem: size}}}
	plan.Bases[refs.Functab], plan.Bases[refs.PCs], plan.Bases[refs.FindFunc] = 0, 3000, 3001
	plan.Bases[refs.EText] = 0xFFFFFFFF
	plan.Structure = Structure{PCs: 1, NFunc: functions, Functab: functab + functions*record, FindFunc: 100}
	content := make([]byte, size)
	for i := range functions {
		binary.LittleEndian.PutUint32(content[8*i+4:], functab+i*record)
	}
	binary.LittleEndian.PutUint32(content[8*functions:], end)
	return plan, content
}

// TestTablesRefused makes tables that no linker makes.
func TestTablesRefused(t *testing.T) {
	for name, c := range map[string]struct {
		end   uint32
		spoil func(*Plan, []byte)
		want  string
	}{
		"functions up to the end of all memory": {0xFFFFFFF0, func(*Plan, []byte) {}, "function finder"},
		"a record in the list of functions":     {900, func(_ *Plan, b []byte) { binary.LittleEndian.PutUint32(b[4:], 8) }, "record 0"},
		"function table in the tables of pcs":   {900, func(p *Plan, _ []byte) { p.Bases[refs.PCs] = 100 }, "function table"},
		"function table in the function finder": {900, func(p *Plan, _ []byte) { p.Bases[refs.PCs], p.Bases[refs.FindFunc] = 20, 100 }, "function table"},
	} {
		plan, content := tabled(3, c.end)
		c.spoil(&plan, content)
		_, _, err := encode(program(t), len(content), plan, Wish{Whole: content, Content: content})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestPiecesAreBounded lays all segments that there may be over the same bytes: every copy would be as many pieces of the map.
func TestPiecesAreBounded(t *testing.T) {
	const size, each = 1 << 20, 60
	old := program(t)
	plan := Plan{}
	for i := range uint32(image.MaxSegments) {
		plan.Segments = append(plan.Segments, image.Segment{Size: size, Addr: i * size, Mem: size})
	}
	for at := uint32(0); len(plan.Copies) < MaxCopies(size); at += each {
		plan.Copies = append(plan.Copies, Copy{New: at, Old: at, Len: each})
	}
	if _, _, err := forge(old, size, plan); err == nil || !strings.Contains(err.Error(), "pieces") {
		t.Errorf("%v, want too many pieces", err)
	}
}
