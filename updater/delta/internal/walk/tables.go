package walk

import (
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
	hole    image.Span   // for the tables
	out     []byte       // the tables, as far as they are made
	quantum uint32
	moved   map[uint32]uint32 // offsets of the old file's tables to those of the new one
	shifts  [1 << 16]known    // of lines

	// The function at hand.
	rec, old              refs.Record // its record, and that of its partner in the old file or nil
	entry, size, oldEntry uint32
	code                  []byte
	marks                 []uint8           // of each byte of its code
	decoded               bool              // the marks of instructions are there
	ends                  int               // marks of entries
	pcs                   map[uint32]uint32 // where pcs of the partner turned out to be

	// Its table at hand.
	kind      uint32
	ring      uint32      // hits and misses of tables
	pairs     []refs.Pair // the partner's, and its table of files
	files     []refs.Pair
	was       []Entry     // the partner's, with what is known of them
	predicted []refs.Pair // what follows from them
	want      []refs.Pair // the encoder's, and one more
	progress
}

// Marks of a function's bytes.
const (
	begins = 1 << iota // an instruction
	ends               // an entry of an earlier table
)

func newTables(w *walk, m *refs.Module, functab uint32) *tables {
	h := w.holes[0]
	return &tables{
		walk: w, om: &w.old.Module, m: m, functab: functab, hole: h, out: append(w.nb[h.Off:h.Off:h.Off+h.Len], 0),
		quantum: max(uint32(w.old.Image.Arch), 1), moved: map[uint32]uint32{0: 0},
	}
}

// run makes all tables and fills in the records of the function table.
func (t *tables) run() {
	for i := range t.m.NFunc {
		t.load(i)
		if t.readFiles(); len(t.files) > 0 {
			start := int32(t.old.Start())
			t.learnLine(t.fileID(t.files[0].DV-1), start, int32(t.rec.Start())-start)
		}
		for k := range 3 + t.rec.PCData() {
			t.kind = refs.InOrder(k, t.rec.PCData())
			t.field(t.functab+t.m.FuncOff(i), refs.FieldAt(t.kind))
		}
	}
	coder.Check(len(t.out) == int(t.hole.Len), "make pc tables: %d bytes of %d", len(t.out), t.hole.Len)
}

// load makes function i the one at hand and finds its partner: the function whose record was copied to its place.
func (t *tables) load(i uint32) {
	var ok bool
	t.rec, ok = refs.RecordAt(t.m.Functab, t.m.FuncOff(i))
	coder.Check(ok && t.m.FuncOff(i) >= 8*t.m.NFunc+4, "read function table: record %d is not in it", i)
	t.entry, t.size = t.m.Start(i), t.m.Entry(i+1)-t.m.Entry(i)
	t.old, t.ends, t.decoded = nil, 0, false
	t.pcs = map[uint32]uint32{} // anew: to clear a large one takes long
	s, _ := t.new.Span(t.entry, t.size)
	t.code = t.nb[s.Off : s.Off+s.Len]
	t.marks = slices.Grow(t.marks[:0], len(t.code))[:len(t.code)]
	clear(t.marks)
	place := t.functab + t.m.FuncOff(i)
	k := sort.Search(len(t.Copies), func(k int) bool { return t.Copies[k].New > place }) - 1
	if k < 0 || place-t.Copies[k].New >= t.Copies[k].Len {
		return
	}
	base, _ := t.walk.old.Image.Offset(t.om.Base[refs.Functab])
	was := t.Copies[k].Old + (place - t.Copies[k].New) - base // around 0 before the table
	if t.old, ok = refs.RecordAt(t.om.Functab, was); ok {
		t.oldEntry = t.om.Base[refs.Text] + t.old.Field(0)
	}
}

// boundaries marks where the instructions of the function at hand begin, when that is asked for.
func (t *tables) boundaries() {
	if t.decoded {
		return
	}
	t.decoded = true
	t.c.Charge(1 + len(t.marks)/32)
	for at, n := 0, 0; at < len(t.marks); at += n {
		t.marks[at] |= begins
		if n = int(t.quantum); n == 1 {
			n = int(max(insn.AMD64(t.code[at:min(at+16, len(t.marks))]).Len, 1))
		}
	}
}

// field makes the offset of one table in a function's record, which is at a place of the file, and the table itself if it is
// a new one.
func (t *tables) field(place, f uint32) {
	end, k := uint32(len(t.out)), t.kind
	was, pred, state := uint32(0), end, uint32(0)
	if t.old != nil && k < 3+t.old.PCData() {
		was, state = t.old.Field(f), 1
		if n, ok := t.moved[was]; ok {
			pred, state = n, 2
		}
	}
	got := word(t.Whole[place+f:])
	t.c.Contexts(hash2(k, state), hash3(k, state, t.ring&15), hash2(state, t.ring&255), hash3(k, pred, 1))
	hit := t.bit(got == pred, 1, siteTableField)
	t.ring = t.ring<<1 | coder.One(!hit)
	switch {
	case hit:
		got = pred
	case pred != end && t.bit(got == end, 2, siteTableField):
		got = end
	default:
		t.c.Contexts(k, hash2(k, state))
		got = uint32(t.c.Number(uint64(got), siteTableOffset))
		coder.Check(got < end, "read pc tables: a table at %d of %d", got, end)
	}
	t.rec.SetField(f, got)
	if got == end {
		t.table(was)
	}
	if was != 0 && got != 0 {
		t.moved[was] = got
	}
}

// oldTable reads a table of the old file, if there is one.
func (t *tables) oldTable(off uint32, buf []refs.Pair) (pairs []refs.Pair) {
	if pairs = buf[:0]; off > 0 && off < uint32(len(t.om.PCs)) {
		pairs, _, _ = refs.ReadTable(t.om.PCs[off:], t.quantum, buf)
	}
	t.c.Charge(1 + len(pairs)/8)
	return pairs
}

// readFiles reads the partner's table of files.
func (t *tables) readFiles() {
	if t.files = t.files[:0]; t.old != nil {
		t.files = t.oldTable(t.old.Field(refs.FieldAt(kindFile)), t.files)
	}
}

// fileID returns 1 + the place of a file's name, or 0 for one that the old program does not name.
func (t *tables) fileID(index int32) uint32 {
	i := (uint64(t.old.CU()) + uint64(uint32(index))) * 4
	if index < 0 || i+4 > uint64(len(t.om.CUs)) {
		return 0
	}
	return word(t.om.CUs[i:]) + 1
}

// readOld reads the old table at an offset and what is known of its entries.
func (t *tables) readOld(off uint32) {
	t.pairs = t.oldTable(off, t.pairs)
	if t.files = t.files[:0]; t.kind == kindLine {
		t.readFiles()
		t.c.Charge(lineCharge * len(t.pairs))
	}
	t.was = t.was[:0]
	line, file, k := int32(-1), int32(-1), -1
	for _, p := range t.pairs {
		for k+1 < len(t.files) && (k < 0 || t.files[k].PC < p.PC) {
			k++
			file += t.files[k].DV
		}
		line += p.DV
		pc, ok := t.pcs[p.PC]
		if !ok {
			pc, _ = t.walk.m.At(t.oldEntry + p.PC)
			pc -= t.entry
		}
		t.was = append(t.was, Entry{Old: p, Mapped: pc, line: line, file: t.fileID(file)})
	}
}
