package walk

import (
	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// Structure says which parts of the new file are made from their meaning once all the rest is there: the tables of pcs,
// entry by entry, and the table that finds functions, from the function table. Without PCs there is no such part.
type Structure struct {
	NFunc    uint32
	Functab  uint32 // bytes of the function table and its records
	PCs      uint32 // bytes of the tables of pcs
	FindFunc uint32 // bytes of the table that finds functions, or 0 if it is not as the linker writes it
	Signed   uint32 // Mach-O: bytes that the code signature hashes, or 0
	Hashes   uint32 // where its list of hashes is in the file
}

// Quantum returns the smallest distance between two pcs.
func Quantum(a image.Arch) uint32 {
	if a == image.ARM64 {
		return 4
	}
	return 1
}

// codeStructure codes the sizes and finds the holes that the content leaves.
func (w *walk) codeStructure() {
	w.holes = nil
	w.codeTables()
	s := &w.Structure
	s.Signed = uint32(w.number(uint64(s.Signed), uint64(len(w.nb)), "size of what is signed", sitePlan, 13))
	if s.Signed > 0 {
		left := uint64(len(w.nb)) - uint64(s.Signed)
		s.Hashes = s.Signed + uint32(w.number(uint64(s.Hashes-s.Signed), left, "place of page hashes", sitePlan, 14))
		if uint64(s.Hashes)+image.HashesLen(s.Signed) > uint64(len(w.nb)) {
			coder.Fail("read sizes: the hashes of %d bytes are not in the file", s.Signed)
		}
		w.hole(image.Span{Off: s.Hashes, Len: uint32(image.HashesLen(s.Signed))})
	}
	for _, h := range w.holes {
		for _, c := range w.Copies {
			if c.New < h.Off+h.Len && c.New+c.Len > h.Off {
				coder.Fail("read copies: one lies in a table")
			}
		}
	}
}

// codeTables codes the sizes of Go's tables.
func (w *walk) codeTables() {
	s, m := &w.Structure, &w.old.Module
	s.PCs = uint32(w.number(uint64(s.PCs), uint64(len(w.nb)), "size of pc tables", sitePlan, 9))
	if s.PCs == 0 {
		return
	}
	s.NFunc = m.NFunc + uint32(w.signed(int64(int32(s.NFunc-m.NFunc)), sitePlan, 10))
	s.Functab = uint32(len(m.Functab)) + uint32(w.signed(int64(int32(s.Functab-uint32(len(m.Functab)))), sitePlan, 11))
	s.FindFunc = uint32(w.number(uint64(s.FindFunc), uint64(len(w.nb)), "size of function finder", sitePlan, 12))
	if uint64(s.Functab) > uint64(len(w.nb)) || uint64(s.NFunc)*52+4 > uint64(s.Functab) || !m.OK {
		coder.Fail("read sizes: a table of %d functions does not fit into %d bytes", s.NFunc, s.Functab)
	}
	for _, h := range [2][2]uint32{{w.Bases[refs.PCs], s.PCs}, {w.Bases[refs.FindFunc], s.FindFunc}} {
		if h[1] == 0 {
			continue
		}
		b, ok := w.span(h[0], h[1])
		if !ok {
			coder.Fail("read sizes: a table of %d bytes at %#x is not in the file", h[1], h[0])
		}
		w.hole(b)
	}
}

// hole adds a hole, which must lie behind the others.
func (w *walk) hole(h image.Span) {
	if n := len(w.holes); n > 0 && h.Off < w.holes[n-1].Off+w.holes[n-1].Len {
		coder.Fail("read sizes: two tables overlap")
	}
	w.holes = append(w.holes, h)
}

// span returns where in the new file n bytes at an address are.
func (w *walk) span(addr, n uint32) (image.Span, bool) {
	for _, s := range w.Segments {
		if addr >= s.Addr && addr-s.Addr <= s.Size && n <= s.Size-(addr-s.Addr) {
			return image.Span{Off: s.Off + (addr - s.Addr), Len: n}, true
		}
	}
	return image.Span{}, false
}

// gap makes the bytes from at to to that no copy makes, but for the holes.
func (w *walk) gap(at, to, from uint32) {
	for _, h := range w.holes {
		if h.Off >= at && h.Off+h.Len <= to {
			w.literal(at, h.Off, from)
			at = h.Off + h.Len
		}
	}
	w.literal(at, to, from)
}

// tables makes what was left out, now that the function table of the new file is there.
func (w *walk) tables() {
	if w.Structure.PCs == 0 {
		return
	}
	ft, ok := w.span(w.Bases[refs.Functab], w.Structure.Functab)
	if !ok {
		coder.Fail("read function table: it is not in the file")
	}
	m := refs.Module{OK: true, Base: w.Bases, NFunc: w.Structure.NFunc, Functab: w.nb[ft.Off : ft.Off+ft.Len]}
	if !m.Ordered() {
		coder.Fail("read function table: its functions are not in order")
	}
	t := newTables(w, &m)
	if w.want != nil {
		t.want = refs.Module{NFunc: m.NFunc, Functab: w.whole[ft.Off : ft.Off+ft.Len]}
	}
	t.run(ft.Off)
	if w.Structure.FindFunc > 0 {
		h := w.holes[1]
		b, ok := refs.AppendFindFunc(w.nb[h.Off:h.Off:h.Off+h.Len], &m)
		if !ok || uint32(len(b)) != h.Len {
			coder.Fail("make function finder: it does not fit into %d bytes", h.Len)
		}
	}
}

// hashes makes the hashes of a code signature, last of all.
func (w *walk) hashes() {
	if s := &w.Structure; s.Signed > 0 {
		image.AppendHashes(w.nb[s.Hashes:s.Hashes:uint64(s.Hashes)+image.HashesLen(s.Signed)], w.nb[:s.Signed])
	}
}

// Plain returns a new file as the content makes it: the offsets of pc tables are zero if those are made from their
// structure. It also returns that structure and the holes which the content leaves. tables says whether the old file has
// Go's tables too.
func Plain(new *refs.Source, tables bool) (plain []byte, s Structure, holes []image.Span) {
	plain = new.Image.Data
	if tables {
		if p, t, h, ok := plainTables(new); ok {
			plain, s, holes = p, t, h
		}
	}
	if off, limit, ok := new.Image.Hashes(); ok && limit > 0 {
		s.Hashes, s.Signed = off, limit
		holes = append(holes, image.Span{Off: off, Len: uint32(image.HashesLen(limit))})
	}
	return plain, s, holes
}

// plainTables does it for Go's tables; ok is false if the linker's rules would not give the same file.
func plainTables(new *refs.Source) (plain []byte, s Structure, holes []image.Span, ok bool) {
	m := &new.Module
	quantum := Quantum(new.Image.Arch)
	ft, in := new.Image.Offset(m.Base[refs.Functab])
	pcs, in2 := new.Image.Offset(m.Base[refs.PCs])
	if !m.OK || !in || !in2 || len(m.PCs) < 2 || m.PCs[0] != 0 || m.Base[refs.FindFunc] < m.Base[refs.PCs] {
		return nil, s, nil, false
	}
	plain = append(plain, new.Image.Data...)
	end := uint32(1)
	var order []uint32
	var pairs []refs.Pair
	for i := range m.NFunc {
		at := m.FuncOff(i)
		r, ok := refs.RecordAt(plain[ft:ft+uint32(len(m.Functab))], at)
		if !ok {
			return nil, s, nil, false
		}
		order = refs.FieldOrder(r.PCData(), order)
		for _, f := range order {
			off := r.Field(f)
			r.SetField(f, 0)
			if off > end {
				return nil, s, nil, false
			}
			if off < end {
				continue
			}
			_, n, ok := refs.ReadTable(m.PCs[off:], quantum, pairs)
			if !ok {
				return nil, s, nil, false
			}
			end += uint32(n)
		}
	}
	if end > uint32(len(m.PCs)) || end < 2 {
		return nil, s, nil, false
	}
	s = Structure{NFunc: m.NFunc, Functab: uint32(len(m.Functab)), PCs: end}
	holes = []image.Span{{Off: pcs, Len: end}}
	if off, n, ok := sameFinder(new); ok {
		s.FindFunc = n
		holes = append(holes, image.Span{Off: off, Len: n})
	}
	return plain, s, holes, true
}

// sameFinder reports whether the table that finds functions is as the linker writes it.
func sameFinder(new *refs.Source) (off, n uint32, ok bool) {
	b, ok := refs.AppendFindFunc(nil, &new.Module)
	if !ok {
		return 0, 0, false
	}
	was, ok := new.Image.Bytes(new.Module.Base[refs.FindFunc], uint32(len(b)))
	if !ok || string(was) != string(b) {
		return 0, 0, false
	}
	off, _ = new.Image.Offset(new.Module.Base[refs.FindFunc])
	return off, uint32(len(b)), true
}

// Cut takes holes out of copies.
func Cut(copies []Copy, holes []image.Span) []Copy {
	for _, h := range holes {
		var out []Copy
		for _, c := range copies {
			if lo := min(c.New+c.Len, h.Off); lo > c.New {
				out = append(out, Copy{New: c.New, Old: c.Old, Len: lo - c.New})
			}
			if lo := max(c.New, h.Off+h.Len); lo < c.New+c.Len {
				out = append(out, Copy{New: lo, Old: c.Old + (lo - c.New), Len: c.New + c.Len - lo})
			}
		}
		copies = out
	}
	return copies
}
