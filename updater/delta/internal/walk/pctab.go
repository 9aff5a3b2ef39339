package walk

import (
	"cmp"
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/insn"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// tables makes the tables of pcs of the new file, function by function.
type tables struct {
	*walk
	m       *refs.Module // the new function table; the fields of its records are zero until they are made
	want    refs.Module  // the same with the true fields, when encoding
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
	pcs       []pcPair // where pcs of the partner turned out to be
	ends      []uint32 // pcs where earlier tables of the function have an entry
	starts    []uint32 // of its instructions
	kind      uint32
	ring      uint32 // hits and misses of tables
	oldPairs  []refs.Pair
	wantPairs []refs.Pair
	filePairs []refs.Pair
}

// pcPair says where a pc of the old function is in the new one.
type pcPair struct{ old, new uint32 }

// fieldKinds is how many kinds of tables are told apart: three, and one for each pcdata.
const fieldKinds = 20

func newTables(w *walk, m *refs.Module) *tables {
	h := w.holes[0]
	t := &tables{walk: w, m: m, room: int(h.Len), moved: map[uint32]uint32{}, quantum: Quantum(w.old.Image.Arch)}
	t.out = append(w.nb[h.Off:h.Off:h.Off+h.Len], 0)
	t.lines.init()
	return t
}

// run makes all tables and fills in the records of the function table, which is at an offset of the file.
func (t *tables) run(functab uint32) {
	var order []uint32
	for pass := range 2 {
		for i := range t.m.NFunc {
			if i&checkMask == 0 && t.ctx.Err() != nil {
				panic(coder.Failure{Err: t.ctx.Err()})
			}
			t.load(i, functab)
			if pass == 0 {
				t.lines.seed(t)
				continue
			}
			t.boundaries()
			order = refs.FieldOrder(t.rec.PCData(), order)
			for k, f := range order {
				t.kind = uint32(k)
				if f >= 44 {
					t.kind = 3 + (f-44)/4
				}
				t.field(i, f)
			}
		}
	}
	if len(t.out) != t.room {
		coder.Fail("make pc tables: %d bytes of %d", len(t.out), t.room)
	}
}

// load makes function i the one at hand and finds its partner: the function whose record was copied to its place.
func (t *tables) load(i, functab uint32) {
	var ok bool
	if t.rec, ok = refs.RecordAt(t.m.Functab, t.m.FuncOff(i)); !ok {
		coder.Fail("read function table: record %d is not in it", i)
	}
	t.entry, t.size = t.m.Base[refs.Text]+t.m.Entry(i), t.m.Entry(i+1)-t.m.Entry(i)
	t.old, t.pcs, t.ends = nil, t.pcs[:0], t.ends[:0]
	place := functab + t.m.FuncOff(i)
	k, found := slices.BinarySearchFunc(t.Copies, place, func(c Copy, p uint32) int { return cmp.Compare(c.New, p) })
	if !found {
		k--
	}
	if k < 0 || place-t.Copies[k].New >= t.Copies[k].Len {
		return
	}
	om := &t.walk.old.Module
	base, ok := t.walk.old.Image.Offset(om.Base[refs.Functab])
	was := t.Copies[k].Old + (place - t.Copies[k].New)
	if !ok || was < base {
		return
	}
	lo, hi := uint32(0), om.NFunc
	for lo < hi {
		if mid := (lo + hi) / 2; om.FuncOff(mid) < was-base {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < om.NFunc && om.FuncOff(lo) == was-base {
		if t.old, ok = refs.RecordAt(om.Functab, was-base); ok {
			t.oldEntry = om.Base[refs.Text] + om.Entry(lo)
		}
	}
}

// maxStarts bounds how many instructions of a function are told apart.
const maxStarts = 1 << 20

// boundaries decodes the function at hand.
func (t *tables) boundaries() {
	t.starts = t.starts[:0]
	s, ok := t.span(t.entry, t.size)
	if !ok {
		return
	}
	code := t.nb[s.Off : s.Off+s.Len]
	for at := 0; at < len(code) && len(t.starts) < maxStarts; {
		t.starts = append(t.starts, uint32(at))
		switch t.walk.old.Image.Arch {
		case image.AMD64:
			n := insn.AMD64(code[at:min(at+16, len(code))]).Len
			at += max(n, 1)
		default:
			at += int(t.quantum)
		}
	}
	t.c.Charge(1 + len(t.starts)/8)
}

// field makes one offset of function i's record, and the table that it points to if it is a new one.
func (t *tables) field(i, f uint32) {
	end := uint32(len(t.out))
	var got uint32
	if t.walk.want != nil {
		got = refs.Record(t.want.Functab[t.m.FuncOff(i):]).Field(f)
	}
	oldOff, state, pred := uint32(0), uint32(0), end
	if t.old != nil && (f < 44 || f < 44+4*t.old.PCData()) {
		oldOff = t.old.Field(f)
		state, pred = 1, 0
		if oldOff != 0 {
			state, pred = 2, end
			if n, ok := t.moved[oldOff]; ok {
				state, pred = 3, n
			}
		}
	}
	got = t.offset(got, pred, end, state)
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
	hit := t.bit(got == pred, 1, siteField6)
	t.ring <<= 1
	if hit {
		return pred
	}
	t.ring |= 1
	if pred != 0 && t.bit(got == 0, 2, siteField6) {
		return 0
	}
	if pred != end && t.bit(got == end, 3, siteField6) {
		return end
	}
	hot := &t.hot[k]
	i := 0
	t.c.Contexts(hash2(k, 1), hash3(k, state, 2), hash3(k, hot[0], 3))
	for ; i < len(hot); i++ {
		if t.bit(got == hot[i], 4+uint32(i), siteField6) {
			got = hot[i]
			break
		}
	}
	if i == len(hot) {
		t.c.Contexts(k, hash2(k, hot[0]), 99)
		got = uint32(t.c.Number(uint64(got), siteOffset6))
		if got >= end || got == 0 {
			coder.Fail("read pc tables: a table at %d of %d", got, end)
		}
	}
	for j := min(i, len(hot)-1); j > 0; j-- {
		hot[j] = hot[j-1]
	}
	hot[0] = got
	return got
}

// table makes a new table, which follows the others. Its partner is the old table at oldOff, if that is not 0.
func (t *tables) table(oldOff, f uint32) {
	t.oldPairs = t.oldPairs[:0]
	om := &t.walk.old.Module
	if oldOff != 0 && oldOff < uint32(len(om.PCs)) {
		t.oldPairs, _, _ = refs.ReadTable(om.PCs[oldOff:], t.quantum, t.oldPairs)
		t.c.Charge(1 + len(t.oldPairs)/8)
	}
	var ops []byte
	if t.walk.want != nil {
		h := t.holes[0]
		t.wantPairs, _, _ = refs.ReadTable(t.whole[int(h.Off)+len(t.out):h.Off+h.Len], t.quantum, t.wantPairs)
	}
	p := tablePass{tables: t, prevLine: -1, newLine: -1, line: f == refs.LineTable}
	if p.line {
		p.files()
	}
	if len(t.oldPairs) > 0 {
		all := false
		if t.walk.want != nil {
			all = p.asPredicted(t.wantPairs)
		}
		t.c.Contexts(t.kind, hash2(t.kind, t.ring&15), hash2(t.kind, logOf(uint32(len(t.oldPairs)))), hash2(t.kind, uint32(len(t.pcs)&3)))
		if t.bit(all, 1, siteAll6) {
			for j := range t.oldPairs {
				p.put(p.predict(j))
				p.take(j)
			}
			p.finish()
			return
		}
	}
	if t.walk.want != nil {
		ops = p.align(t.wantPairs)
	}
	p.code(ops)
	p.finish()
}
