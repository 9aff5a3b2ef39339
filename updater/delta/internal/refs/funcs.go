package refs

import (
	"encoding/binary"
)

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
	recSize      = 44
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
		f.add(base+8*i, 4, Off, m.Base[Text]+m.Entry(i), uint16(Text))
		f.add(base+8*i+4, 4, Off, m.Base[Functab]+m.FuncOff(i), uint16(Functab))
	}
	f.add(base+8*m.NFunc, 4, Off, m.Base[Text]+m.Entry(m.NFunc), uint16(Text))
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
			f.add(off+4*i, 4, Off, f.mod.Base[from]+v, uint16(from))
		}
	}
}

// record adds the references in the record of function i, which is at an offset of the function table.
func (f *finder) record(base, at, i uint32) {
	m := &f.mod
	b := m.Functab[at:]
	if len(b) < recSize {
		return
	}
	word := func(i uint32) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
	npc, nfd := word(recNPCData), uint32(b[recNFuncData])
	if npc > maxPCData || uint64(len(b)) < recSize+4*uint64(npc+nfd) {
		return
	}
	pos := base + at
	entry := m.Base[Text] + word(recEntry)
	f.add(pos+recEntry, 4, Off, entry, uint16(Text))
	f.add(pos+recName, 4, Off, m.Base[FuncNames]+word(recName), uint16(FuncNames))
	if d := word(recDefer); d != 0 && d < m.Entry(i+1)-m.Entry(i) {
		f.add(pos+recDefer, 4, FuncRel, entry+d, 0)
	}
	for k := range uint32(3) {
		f.pcs(pos+recPCs+4*k, word(recPCs+4*k))
	}
	if cu := word(recCU); cu != nothing {
		f.add(pos+recCU, 4, Off, m.Base[CUs]+4*cu, uint16(CUs)|2<<8)
	}
	f.add(pos+recStart, 4, Line, word(recStart), 0)
	for k := range npc {
		f.pcs(pos+recSize+4*k, word(recSize+4*k))
	}
	for k := range nfd {
		if v := word(recSize + 4*npc + 4*k); v != nothing {
			f.add(pos+recSize+4*npc+4*k, 4, Off, m.Base[GoFunc]+v, uint16(GoFunc))
			if k == inlineTree && npc > inlineData {
				f.tree(m.Base[GoFunc]+v, word(recSize+4*inlineData), entry, m.Entry(i+1)-m.Entry(i))
			}
		}
	}
}

func (f *finder) pcs(pos, off uint32) {
	if off != 0 {
		f.add(pos, 4, Off, f.mod.Base[PCs]+off, uint16(PCs))
	}
}

// tree adds the references of a function's inline tree. How long it is only the function's table of inlined calls says.
func (f *finder) tree(addr, table, entry, size uint32) {
	if table == 0 || f.trees[addr] {
		return
	}
	f.trees[addr] = true
	n := f.mod.largest(table) + 1
	b, ok := f.im.Bytes(addr, uint32(n)*inlineSize)
	if !ok {
		return
	}
	off, _ := f.im.Offset(addr)
	for i := range uint32(n) {
		e := b[inlineSize*i:]
		pos := off + inlineSize*i
		f.add(pos+4, 4, Off, f.mod.Base[FuncNames]+binary.LittleEndian.Uint32(e[4:]), uint16(FuncNames))
		if pc := binary.LittleEndian.Uint32(e[8:]); pc < size {
			f.add(pos+8, 4, FuncRel, entry+pc, 0)
		}
		f.add(pos+12, 4, InlLine, binary.LittleEndian.Uint32(e[12:]), 0)
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
	for i := 0; ; i++ {
		d, n := binary.Uvarint(b)
		if n <= 0 || d == 0 && i > 0 {
			break
		}
		b = b[n:]
		value += int32(uint32(d)>>1) ^ -int32(uint32(d)&1)
		if most = max(most, value); most >= maxInline {
			return -1
		}
		_, n = binary.Uvarint(b)
		if n <= 0 {
			break
		}
		b = b[n:]
	}
	return int(most)
}
