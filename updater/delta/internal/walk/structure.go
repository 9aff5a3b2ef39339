package walk

import (
	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// Structure says which parts of the new file are made from their meaning once all the rest is there: the tables of pcs,
// entry by entry, the table that finds functions, from the function table, and the hashes of a code signature. A size of 0
// says that there is no such part.
type Structure struct {
	PCs      uint32 // bytes of the tables of pcs
	NFunc    uint32
	Functab  uint32 // bytes of the function table and its records
	FindFunc uint32 // bytes of the table that finds functions, if it is as the linker writes it
	Signed   uint32 // Mach-O: bytes that the code signature hashes
	Hashes   uint32 // where its list of hashes is in the file
}

// codeStructure codes the sizes and finds the holes that the content leaves.
func (w *walk) codeStructure() {
	s, m, size := &w.Structure, &w.old.Module, uint32(len(w.nb))
	was := [...]uint32{uint32(len(m.PCs)), m.NFunc, uint32(len(m.Functab)), 0, 0, 0}
	for i, v := range [...]*uint32{&s.PCs, &s.NFunc, &s.Functab, &s.FindFunc, &s.Signed, &s.Hashes} {
		*v = w.moved(*v, was[i], sitePlan, 9+uint32(i))
		coder.Check(*v <= size, "read sizes: a table of %d does not fit into %d bytes", *v, size)
	}
	coder.Check(s.PCs == 0 || m.NFunc > 0 && uint64(s.NFunc)*52+4 <= uint64(s.Functab), "read sizes: %d functions do not fit into %d bytes", s.NFunc, s.Functab)
	hashes := image.HashesLen(s.Signed)
	coder.Check(uint64(s.Hashes)+hashes <= uint64(size), "read sizes: the hashes of %d bytes are not in the file", s.Signed)
	w.holes = [...]image.Span{w.span(refs.PCs, s.PCs), w.span(refs.FindFunc, s.FindFunc), {Off: s.Hashes, Len: uint32(hashes)}}
	ft, end := w.span(refs.Functab, s.Functab), uint32(0)
	for _, h := range w.holes {
		coder.Check(h.Len == 0 || h.Off >= end, "read sizes: two tables overlap")
		coder.Check(ft.Off >= h.Off+h.Len || ft.Off+ft.Len <= h.Off, "read sizes: the function table lies in another one")
		end = max(end, h.Off+h.Len)
		for _, c := range w.Copies {
			coder.Check(c.New >= h.Off+h.Len || c.New+c.Len <= h.Off, "read copies: one lies in a table")
		}
	}
}

// span returns where in the new file the n bytes of a table are.
func (w *walk) span(base refs.Base, n uint32) (s image.Span) {
	if n > 0 {
		var ok bool
		s, ok = w.new.Span(w.Bases[base], n)
		coder.Check(ok, "read tables: one of %d bytes at %#x is not in the file", n, w.Bases[base])
	}
	return s
}

// tables makes what was left out, now that the rest of the new file is there; the hashes of a code signature last of all.
func (w *walk) tables() {
	s := &w.Structure
	if s.PCs > 0 {
		ft := w.span(refs.Functab, s.Functab)
		m := refs.Module{Base: w.Bases, NFunc: s.NFunc, Functab: w.nb[ft.Off : ft.Off+ft.Len]}
		coder.Check(m.Ordered(), "read function table: its functions are not in order")
		newTables(w, &m, ft.Off).run()
		if h := w.holes[1]; h.Len > 0 {
			b := refs.AppendFindFunc(w.nb[h.Off:h.Off:h.Off+h.Len], &m)
			coder.Check(len(b) == int(h.Len), "make function finder: %d bytes are not %d", len(b), h.Len)
		}
	}
	h := w.holes[2]
	image.AppendHashes(w.nb[h.Off:h.Off:h.Off+h.Len], w.nb[:s.Signed])
}
