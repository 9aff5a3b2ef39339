package walk

import (
	"cmp"
	"slices"
	"sort"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/insn"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// tables makes the tables of pcs of the new file, function by function.
type tables struct {
	*walk
	om      *refs.Module // of the old file
	m       *refs.Module // the new function table; the fields of its records are zero until they are made
	functab uint32       // where that is in the file
	out     []byte       // the tables, as far as they are made
	room    int          // what they may take
	quantum uint32
	moved   map[uint32]uint32 // offsets of the old file's tables to those of the new one
	hot     [fieldKinds][4]uint32
	changes [fieldKinds][3]int32 // recent differences of values
	lines   lineMap

	// The function at hand.
	old       refs.Record // its partner in the old file, or nil
	rec       refs.Record
	oldEntry  uint32
	entry     uint32
	size      uint32
	code      uint32      // where its code is in the file
	pcs       [][2]uint32 // where pcs of the partner turned out to be: old, new
	ends      []uint32    // pcs where earlier tables of the function have an entry
	starts    []uint32    // of its instructions
	kind      uint32
	ring      uint32 // hits and misses of tables
	oldPairs  []refs.Pair
	wantPairs []refs.Pair
	filePairs []refs.Pair
}

const (
	fieldKinds = 20      // kinds of tables that are told apart: three, and one for each pcdata
	maxStarts  = 1 << 20 // instructions of a function that are told apart
)

func newTables(w *walk, m *refs.Module, functab uint32) *tables {
	h := w.holes[0]
	return &tables{
		walk: w, om: &w.old.Module, m: m, functab: functab,
		out: append(w.nb[h.Off:h.Off:h.Off+h.Len], 0), room: int(h.Len), quantum: Quantum(w.old.Image.Arch),
		moved: map[uint32]uint32{}, lines: lineMap{slots: new([1 << lineSlotBits]lineSlot)},
	}
}

// run makes all tables and fills in the records of the function table.
func (t *tables) run() {
	for i := range t.m.NFunc {
		t.load(i)
		t.seed()
	}
	var order []uint32
	for i := range t.m.NFunc {
		t.load(i)
		t.boundaries()
		order = refs.FieldOrder(t.rec.PCData(), order)
		for k, f := range order {
			if t.kind = uint32(k); f >= refs.RecordSize {
				t.kind = 3 + (f-refs.RecordSize)/4
			}
			t.field(i, f)
		}
	}
	coder.Check(len(t.out) == t.room, "make pc tables: %d bytes of %d", len(t.out), t.room)
}

// load makes function i the one at hand and finds its partner: the function whose record was copied to its place.
func (t *tables) load(i uint32) {
	t.stop()
	var ok bool
	if t.rec, ok = refs.RecordAt(t.m.Functab, t.m.FuncOff(i)); !ok {
		coder.Fail("read function table: record %d is not in it", i)
	}
	t.entry, t.size = t.m.Start(i), t.m.Entry(i+1)-t.m.Entry(i)
	t.old, t.pcs, t.ends = nil, t.pcs[:0], t.ends[:0]
	place := t.functab + t.m.FuncOff(i)
	k, found := slices.BinarySearchFunc(t.Copies, place, func(c Copy, p uint32) int { return cmp.Compare(c.New, p) })
	if !found {
		k--
	}
	if k < 0 || place-t.Copies[k].New >= t.Copies[k].Len {
		return
	}
	base, ok := t.walk.old.Image.Offset(t.om.Base[refs.Functab])
	was := t.Copies[k].Old + (place - t.Copies[k].New)
	if !ok || was < base {
		return
	}
	was -= base
	n := uint32(sort.Search(int(t.om.NFunc), func(i int) bool { return t.om.FuncOff(uint32(i)) >= was }))
	if n < t.om.NFunc && t.om.FuncOff(n) == was {
		if t.old, ok = refs.RecordAt(t.om.Functab, was); ok {
			t.oldEntry = t.om.Start(n)
		}
	}
}

// boundaries decodes the function at hand.
func (t *tables) boundaries() {
	t.starts = t.starts[:0]
	s, ok := t.new.Span(t.entry, t.size)
	if !ok {
		return
	}
	t.code = s.Off
	code := t.nb[s.Off : s.Off+s.Len]
	for at := 0; at < len(code) && len(t.starts) < maxStarts; {
		t.starts = append(t.starts, uint32(at))
		if t.walk.old.Image.Arch == image.AMD64 {
			at += int(max(insn.AMD64(code[at:min(at+16, len(code))]).Len, 1))
		} else {
			at += int(t.quantum)
		}
	}
	t.c.Charge(1 + len(t.starts)/8)
}

// field makes one offset of function i's record, and the table that it points to if it is a new one.
func (t *tables) field(i, f uint32) {
	end := uint32(len(t.out))
	oldOff, state, pred := uint32(0), uint32(0), end
	if t.old != nil && f < refs.RecordSize+4*t.old.PCData() {
		if oldOff = t.old.Field(f); oldOff == 0 {
			state, pred = 1, 0
		} else if n, ok := t.moved[oldOff]; ok {
			state, pred = 3, n
		} else {
			state = 2
		}
	}
	got := t.offset(word(t.Whole[t.functab+t.m.FuncOff(i)+f:]), pred, end, state)
	t.rec.SetField(f, got)
	if got == end {
		t.table(oldOff, f)
	}
	if oldOff != 0 && got != 0 {
		t.moved[oldOff] = got
	}
}

// offset codes where a table is: as predicted, nowhere, at the end where a new one follows, or at an earlier place.
func (t *tables) offset(got, pred, end, state uint32) uint32 {
	k := t.kind
	t.c.Contexts(hash2(k, state), hash3(k, state, t.ring&15), hash2(state, t.ring&255), hash3(k, pred, 1))
	hit := t.bit(got == pred, 1, siteTableField)
	t.ring = t.ring<<1 | one(!hit)
	switch {
	case hit:
		return pred
	case pred != 0 && t.bit(got == 0, 2, siteTableField):
		return 0
	case pred != end && t.bit(got == end, 3, siteTableField):
		return end
	}
	hot := t.hot[k][:]
	t.c.Contexts(hash2(k, 1), hash3(k, state, 2), hash3(k, hot[0], 3))
	i := recall(t.walk, hot, got, 4, siteTableField)
	if i < len(hot) {
		got = hot[i]
	} else {
		t.c.Contexts(k, hash2(k, hot[0]), 99)
		got = uint32(t.c.Number(uint64(got), siteTableOffset))
		coder.Check(got > 0 && got < end, "read pc tables: a table at %d of %d", got, end)
	}
	toFront(hot, i, got)
	return got
}

// oldTable reads a table of the old file, if there is one.
func (t *tables) oldTable(off uint32, buf []refs.Pair) (pairs []refs.Pair, read bool) {
	if off == 0 || off >= uint32(len(t.om.PCs)) {
		return buf[:0], false
	}
	pairs, _, _ = refs.ReadTable(t.om.PCs[off:], t.quantum, buf)
	return pairs, true
}

// table makes a new table, which follows the others. Its partner is the old table at oldOff, if that is not 0.
func (t *tables) table(oldOff, f uint32) {
	t.stop()
	var read bool
	if t.oldPairs, read = t.oldTable(oldOff, t.oldPairs); read {
		t.c.Charge(1 + len(t.oldPairs)/8)
	}
	h := t.holes[0]
	t.wantPairs, _, _ = refs.ReadTable(t.Whole[int(h.Off)+len(t.out):h.Off+h.Len], t.quantum, t.wantPairs)
	p := tablePass{tables: t, prevLine: -1, newLine: -1, line: f == refs.LineTable}
	if p.line {
		p.files()
	}
	if len(t.oldPairs) > 0 {
		t.c.Contexts(t.kind, hash2(t.kind, t.ring&15), hash2(t.kind, logOf(uint32(len(t.oldPairs)))), hash2(t.kind, uint32(len(t.pcs)&3)))
		if t.bit(p.asPredicted(), 1, siteAll) {
			for j := range t.oldPairs {
				p.put(p.predict(j))
				p.take(j)
			}
			p.finish()
			return
		}
	}
	p.steps()
	p.finish()
}
