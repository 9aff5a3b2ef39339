package refs

import (
	"encoding/binary"
)

// Fields of a function's record, Go 1.26.
const (
	recEntry     = 0
	recName      = 4
	recDefer     = 12
	recPCs       = 16         // three offsets into the table of pcs: stack, file, line
	FileTable    = recPCs + 4 // the offset of the table of files
	LineTable    = recPCs + 8 // of lines
	recNPCData   = 28
	recCU        = 32
	recStart     = 36
	recNFuncData = 43
	RecordSize   = 44 // without the offsets of pcdata and funcdata, which follow
	maxPCData    = 16
	inlineData   = 2 // number of the pcdata that tells inlined calls apart
	inlineTree   = 3 // number of the funcdata that lists them
	inlineSize   = 16
	nothing      = 0xFFFFFFFF
)

// functions adds the references of the function table and of what hangs on it.
func (f *finder) functions() {
	m := &f.mod
	base, ok := f.im.Offset(m.Base[Functab])
	if !ok {
		return
	}
	for i := range m.NFunc {
		f.offset(base+8*i, m.Entry(i), Text)
		f.offset(base+8*i+4, m.FuncOff(i), Functab)
	}
	f.offset(base+8*m.NFunc, m.Entry(m.NFunc), Text)
	for i := range m.NFunc {
		f.record(base, m.FuncOff(i), i)
	}
	f.offsets(m.Base[CUs], len(m.CUs)/4, Files)
	f.offsets(m.TypeLinks.Off, int(m.TypeLinks.Len/4), Types)
}

// offsets adds n offsets of four bytes from a base, which lie at an address.
func (f *finder) offsets(addr uint32, n int, from Base) {
	off, ok := f.im.Offset(addr)
	if !ok {
		return
	}
	for i := range uint32(n) {
		if v := binary.LittleEndian.Uint32(f.im.Data[off+4*i:]); v != nothing {
			f.offset(off+4*i, v, from)
		}
	}
}

// record adds the references in the record of function i, which is at an offset of the function table.
func (f *finder) record(base, at, i uint32) {
	m := &f.mod
	r := Record(m.Functab[at:])
	if len(r) < RecordSize {
		return
	}
	npc, nfd := r.PCData(), uint32(r[recNFuncData])
	if npc > maxPCData || uint64(len(r)) < RecordSize+4*uint64(npc+nfd) {
		return
	}
	pos, entry, size := base+at, m.Base[Text]+r.Field(recEntry), m.Entry(i+1)-m.Entry(i)
	f.offset(pos+recEntry, r.Field(recEntry), Text)
	f.offset(pos+recName, r.Field(recName), FuncNames)
	if d := r.Field(recDefer); d != 0 && d < size {
		f.add(pos+recDefer, 4, FuncRel, entry+d, 0)
	}
	if cu := r.CU(); cu != nothing {
		f.add(pos+recCU, 4, Off, m.Base[CUs]+4*cu, uint16(CUs)|2<<8)
	}
	f.add(pos+recStart, 4, Line, r.Start(), 0)
	f.order = FieldOrder(npc, f.order)
	for _, at := range f.order {
		if off := r.Field(at); off != 0 {
			f.offset(pos+at, off, PCs)
		}
	}
	for k := range nfd {
		at := RecordSize + 4*npc + 4*k
		if v := r.Field(at); v != nothing {
			f.offset(pos+at, v, GoFunc)
			if k == inlineTree && npc > inlineData {
				f.tree(m.Base[GoFunc]+v, r.Field(RecordSize+4*inlineData), entry, size)
			}
		}
	}
}

// tree adds the references of a function's inline tree. How long it is only the function's table of inlined calls says.
func (f *finder) tree(addr, table, entry, size uint32) {
	if table == 0 || f.trees[addr] {
		return
	}
	f.trees[addr] = true
	n := uint32(f.mod.largest(table) + 1)
	b, ok := f.im.Bytes(addr, n*inlineSize)
	if !ok {
		return
	}
	off, _ := f.im.Offset(addr)
	for i := range n {
		e, pos := Record(b[inlineSize*i:]), off+inlineSize*i
		f.offset(pos+4, e.Field(4), FuncNames)
		if pc := e.Field(8); pc < size {
			f.add(pos+8, 4, FuncRel, entry+pc, 0)
		}
		f.add(pos+12, 4, InlLine, e.Field(12), 0)
	}
}

// maxInline bounds the entries of one inline tree.
const maxInline = 1 << 16

// largest returns the largest value of the table at an offset of the table of pcs, or -1.
func (m *Module) largest(at uint32) int {
	value, most := int32(-1), int32(-1)
	if at >= uint32(len(m.PCs)) {
		return -1
	}
	b := m.PCs[at:]
	for first := true; ; first = false {
		d, n := binary.Uvarint(b)
		if n <= 0 || d == 0 && !first {
			return int(most)
		}
		b = b[n:]
		value += int32(uint32(d)>>1) ^ -int32(uint32(d)&1)
		if most = max(most, value); most >= maxInline {
			return -1
		}
		if _, n = binary.Uvarint(b); n <= 0 {
			return int(most)
		}
		b = b[n:]
	}
}
