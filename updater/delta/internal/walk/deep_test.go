//go:build !race

package walk

import (
	"bytes"
	"context"
	"encoding/binary"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// What a decoder may take of the processor for the worst patches: a result of 256 MB within the five minutes that the process
// has, and the largest budget within them too.
const (
	maxPerByte = time.Second >> 20
	maxPerUnit = 4 * time.Microsecond
)

// worked returns how much of the processor f takes.
func worked(t *testing.T, f func()) time.Duration {
	now := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := now()
	f()
	return now() - before
}

// roomy is this program with room for a result behind it, as a decoder has it.
func roomy(t *testing.T, size int) *refs.Source {
	data := program(t).Image.Data
	return refs.Analyse(append(make([]byte, 0, len(data)+size), data...))
}

// TestDeepCopies forges a patch for each part of a program that is full of references: all of the result are copies of the first
// 64 KiB of it, as predicted, so that each decision is worth the most references.
func TestDeepCopies(t *testing.T) {
	const size, each = 16 << 20, 64 << 10
	old := roomy(t, size)
	m := &old.Module
	for name, base := range map[string]refs.Base{
		"code": refs.Text, "units": refs.CUs, "function table": refs.Functab, "inline trees": refs.GoFunc, "types": refs.Types, "type links": refs.TypeLinks,
	} {
		from, ok := old.Image.Offset(m.Base[base])
		if !ok {
			t.Fatalf("%s: it is not in the file", name)
		}
		if base == refs.Functab {
			from += 8 * m.NFunc // the records
		}
		plan := Plan{Base: old.Image.Base, Segments: []image.Segment{{Size: size, Mem: size}}}
		for at := uint32(0); at < size; at += each {
			plan.Copies = append(plan.Copies, Copy{New: at, Old: from, Len: each})
		}
		stream, spent, err := forge(old, size, plan)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		fresh := roomy(t, size)
		took := worked(t, func() {
			if _, err := Decode(context.Background(), fresh, size, bytes.NewReader(stream), spent); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		t.Logf("%s: %d bytes of stream, %d units: %v", name, len(stream), spent, took)
		if took > size*maxPerByte {
			t.Errorf("%s: %v for %d bytes, at most %v are right", name, took, size, size*maxPerByte)
		}
	}
}

// TestDeepTables forges a patch whose every function has the tables of the old function with the largest ones, all as predicted
// and each made anew.
func TestDeepTables(t *testing.T) {
	const functions, step = 4000, 16
	old := program(t)
	m := &old.Module
	at, tables := largest(m)
	each := 0
	for _, b := range tables {
		each += len(b)
	}
	const record, entries = 64 * 4, 8 * (functions + 1)
	functab := entries + functions*record
	size := functab + 1 + functions*each
	if len(tables)*4+refs.RecordSize > record {
		t.Fatal("the record is too long")
	}
	plan := Plan{Base: old.Image.Base, Segments: []image.Segment{{Size: uint32(size), Mem: uint32(size) + functions*step}}}
	plan.Bases[refs.Functab], plan.Bases[refs.PCs], plan.Bases[refs.Text] = 0, uint32(functab), uint32(size)
	plan.Bases[refs.EText] = uint32(size) + functions*step
	plan.Structure = Structure{PCs: uint32(1 + functions*each), NFunc: functions, Functab: uint32(functab)}
	functabAt, _ := old.Image.Offset(m.Base[refs.Functab])
	content := make([]byte, size)
	whole := content
	whole = append([]byte(nil), content...)
	end := uint32(functab + 1)
	for i := range uint32(functions) {
		off := entries + i*record
		for _, b := range [][]byte{content, whole} {
			binary.LittleEndian.PutUint32(b[8*i:], i*step)
			binary.LittleEndian.PutUint32(b[8*i+4:], off)
			copy(b[off:off+record], m.Functab[at:])
		}
		for k := range uint32(len(tables)) {
			k = refs.InOrder(k, uint32(len(tables)-3))
			refs.Record(content[off:]).SetField(refs.FieldAt(k), 0)
			refs.Record(whole[off:]).SetField(refs.FieldAt(k), 0)
			if n := copy(whole[end:], tables[k]); n > 0 {
				refs.Record(whole[off:]).SetField(refs.FieldAt(k), end-uint32(functab))
				end += uint32(n)
			}
		}
		plan.Copies = append(plan.Copies, Copy{New: off, Old: functabAt + at, Len: record})
	}
	for _, b := range [][]byte{content, whole} {
		binary.LittleEndian.PutUint32(b[8*functions:], functions*step)
	}
	stream, spent, err := encode(old, size, plan, Wish{Whole: whole, Content: content})
	if err != nil {
		t.Fatal(err)
	}
	fresh := roomy(t, size)
	took := worked(t, func() {
		got, err := Decode(context.Background(), fresh, size, bytes.NewReader(stream), spent)
		if err != nil || !bytes.Equal(got, whole) {
			t.Errorf("another file, %v", err)
		}
	})
	t.Logf("%d functions, %d bytes of tables each, %d bytes of stream, %d units: %v", functions, each, len(stream), spent, took)
	if most := time.Duration(spent) * maxPerUnit; took > most {
		t.Errorf("%v for %d units, at most %v are right", took, spent, most)
	}
}

// largest returns the place of the record with the largest tables, and these tables as they are predicted for a function that
// is nowhere near: the same values, all at its start.
func largest(m *refs.Module) (at uint32, tables [][]byte) {
	most := 0
	for i := range min(m.NFunc, 2000) {
		r, ok := refs.RecordAt(m.Functab, m.FuncOff(i))
		if !ok || r.PCData() > 12 {
			continue
		}
		var list [][]byte
		sum := 0
		for k := range 3 + r.PCData() {
			var b []byte
			if off := r.Field(refs.FieldAt(k)); off != 0 {
				pairs, _, _ := refs.ReadTable(m.PCs[off:], 1, nil)
				for _, p := range pairs {
					b = refs.AppendPair(b, refs.Pair{DV: p.DV}, 0, 1)
				}
				b = append(b, 0)
			}
			list = append(list, b)
			sum += len(b)
		}
		if sum > most && sum < 20_000 {
			most, at, tables = sum, m.FuncOff(i), list
		}
	}
	return at, tables
}

// timed encodes a plan, decodes what comes out, and returns the units that this takes and the time of the decoder.
func timed(t *testing.T, size int, plan Plan, wish Wish) (spent uint64, took time.Duration) {
	stream, spent, err := encode(roomy(t, size), size, plan, wish)
	if err != nil {
		t.Fatal(err)
	}
	fresh := roomy(t, size)
	took = worked(t, func() {
		if _, err := Decode(context.Background(), fresh, size, bytes.NewReader(stream), spent); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%d bytes of stream, %d units: %v", len(stream), spent, took)
	return spent, took
}

// TestDeepMap forges a patch of as many copies as there may be: every other one is a piece of the map of its own, those between
// them are of inline trees, whose references are looked up there.
func TestDeepMap(t *testing.T) {
	const size, short, long = 8 << 20, 24, 103 // together the whole result but for some hundred bytes
	old := program(t)
	trees, ok := old.Image.Offset(old.Module.Base[refs.GoFunc])
	if !ok {
		t.Fatal("inline trees are not in the file")
	}
	plan := Plan{Base: old.Image.Base, Segments: []image.Segment{{Size: size, Mem: size}}}
	for at := uint32(0); len(plan.Copies) < MaxCopies(size)-2; at += short + long {
		from := at / 2 % uint32(len(old.Image.Data)-short)
		plan.Copies = append(plan.Copies, Copy{New: at, Old: from, Len: short}, Copy{New: at + short, Old: trees + at%(64<<10), Len: long})
	}
	if _, took := timed(t, size, plan, Wish{}); took > size*maxPerByte {
		t.Errorf("%v for %d bytes, at most %v are right", took, size, size*maxPerByte)
	}
}

// TestManyCalls forges a patch of nothing but new calls, beside places of the old file where references stand side by side, none of
// them a call.
func TestManyCalls(t *testing.T) {
	const size, run = 200_000, 2000
	old := program(t)
	trees, ok := old.Image.Offset(old.Module.Base[refs.GoFunc])
	if !ok {
		t.Fatal("inline trees are not in the file")
	}
	plan := Plan{Base: old.Image.Base, Segments: []image.Segment{{Size: size, Mem: size}}}
	plan.Bases[refs.EText] = size
	content := bytes.Repeat([]byte{0xE8, 1, 2, 3, 4}, size/5)
	for at := uint32(run); at < size; at += run {
		plan.Copies = append(plan.Copies, Copy{New: at, Old: trees + 4096, Len: 1})
		content[at] = old.Image.Data[trees+4096]
	}
	if spent, took := timed(t, size, plan, Wish{Whole: content, Content: content}); took > time.Duration(spent)*maxPerUnit {
		t.Errorf("%v for %d units, at most %v are right", took, spent, time.Duration(spent)*maxPerUnit)
	}
}
