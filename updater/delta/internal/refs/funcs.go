package refs

// Fields of a function's record, Go 1.26.
const (
	recEntry     = 0
	recName      = 4
	recDefer     = 12
	recPCs       = 16 // three offsets into the table of pcs: stack, file, line
	recNPCData   = 28
	recCU        = 32
	recStart     = 36
	recNFuncData = 43
	RecordSize   = 44 // without the offsets of pcdata and funcdata, which follow
	maxPCData    = 16
	inlineData   = 2 // number of the pcdata that tells inlined calls apart
	inlineTree   = 3 // number of the funcdata that lists them
	inlineSize   = 16
	maxInline    = 1 << 16 // entries of one inline tree
	nothing      = 0xFFFFFFFF
)

// functions adds the references of the function table and of what hangs on it.
func (f *finder) functions() {
	m := &f.Module
	base, _ := f.Image.Offset(m.Base[Functab])
	for i := range m.NFunc {
		f.offset(base+8*i, Text, 0)
		f.offset(base+8*i+4, Functab, 0)
	}
	f.offset(base+8*m.NFunc, Text, 0)
	for i := range m.NFunc {
		if r, ok := RecordAt(m.Functab, m.FuncOff(i)); ok {
			f.record(r, base+m.FuncOff(i), m.Start(i), m.Start(i+1)-m.Start(i))
		}
	}
}

// record adds the references in the record of a function of some size, which is at a place of the file.
func (f *finder) record(r Record, pos, entry, size uint32) {
	f.offset(pos+recEntry, Text, 0)
	f.offset(pos+recName, FuncNames, 0)
	f.within(pos+recDefer, entry, size)
	f.offset(pos+recCU, CUs, 2)
	f.add(pos+recStart, Line, r.Start(), 0)
	npc := r.PCData()
	for k := range 3 + npc {
		f.offset(pos+FieldAt(k), PCs, 0)
	}
	for k := range uint32(r[recNFuncData]) {
		at := FieldAt(3 + npc + k)
		if uint64(at)+4 > uint64(len(r)) {
			return
		}
		f.offset(pos+at, GoFunc, 0)
		if k == inlineTree && npc > inlineData && r.Field(at) != nothing {
			f.tree(f.Module.Base[GoFunc]+r.Field(at), r.Field(FieldAt(3+inlineData)), entry, size)
		}
	}
}

// within adds a distance from the start of a function, if it is one.
func (f *finder) within(pos, entry, size uint32) {
	if v := f.word(pos); v > 0 && v < size {
		f.add(pos, FuncRel, entry+v, 0)
	}
}

// tree adds the references of a function's inline tree. How many entries it has only the function's table of inlined calls
// says: one more than the largest value there.
func (f *finder) tree(addr, table, entry, size uint32) {
	if table == 0 || table >= uint32(len(f.Module.PCs)) || f.trees[addr] {
		return
	}
	f.trees[addr] = true
	pairs, _, _ := ReadTable(f.Module.PCs[table:], 1, f.pairs)
	value, most := int32(-1), int32(-1)
	for _, p := range pairs {
		value += p.DV
		most = max(most, value)
	}
	s, ok := f.Image.Span(addr, min(uint32(most+1), maxInline)*inlineSize)
	if f.pairs = pairs; !ok {
		return
	}
	for pos := s.Off; pos < s.Off+s.Len; pos += inlineSize {
		f.offset(pos+4, FuncNames, 0)
		f.within(pos+8, entry, size)
		f.add(pos+12, InlLine, f.word(pos+12), 0)
	}
}
