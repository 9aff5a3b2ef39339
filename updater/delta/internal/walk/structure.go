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
	w.codeTables()
	s, size := &w.Structure, uint64(len(w.nb))
	s.Signed = uint32(w.number(uint64(s.Signed), size, "size of what is signed", sitePlan, 13))
	if s.Signed > 0 {
		s.Hashes = s.Signed + uint32(w.number(uint64(s.Hashes-s.Signed), size-uint64(s.Signed), "place of page hashes", sitePlan, 14))
		n := image.HashesLen(s.Signed)
		coder.Check(uint64(s.Hashes)+n <= size, "read sizes: the hashes of %d bytes are not in the file", s.Signed)
		w.hole(image.Span{Off: s.Hashes, Len: uint32(n)})
	}
	for _, h := range w.holes {
		for _, c := range w.Copies {
			coder.Check(c.New >= h.Off+h.Len || c.New+c.Len <= h.Off, "read copies: one lies in a table")
		}
	}
}

// codeTables codes the sizes of Go's tables.
func (w *walk) codeTables() {
	s, m, size := &w.Structure, &w.old.Module, uint64(len(w.nb))
	s.PCs = uint32(w.number(uint64(s.PCs), size, "size of pc tables", sitePlan, 9))
	if s.PCs == 0 {
		return
	}
	s.NFunc = w.moved(s.NFunc, m.NFunc, sitePlan, 10)
	s.Functab = w.moved(s.Functab, uint32(len(m.Functab)), sitePlan, 11)
	s.FindFunc = uint32(w.number(uint64(s.FindFunc), size, "size of function finder", sitePlan, 12))
	coder.Check(m.OK && uint64(s.Functab) <= size && uint64(s.NFunc)*52+4 <= uint64(s.Functab),
		"read sizes: a table of %d functions does not fit into %d bytes", s.NFunc, s.Functab)
	w.hole(w.span(w.Bases[refs.PCs], s.PCs))
	if s.FindFunc > 0 {
		w.hole(w.span(w.Bases[refs.FindFunc], s.FindFunc))
	}
}

// hole adds a hole, which must lie behind the others.
func (w *walk) hole(h image.Span) {
	n := len(w.holes)
	coder.Check(n == 0 || h.Off >= w.holes[n-1].Off+w.holes[n-1].Len, "read sizes: two tables overlap")
	w.holes = append(w.holes, h)
}

// span returns where in the new file the n bytes of a table at an address are.
func (w *walk) span(addr, n uint32) image.Span {
	s, ok := w.new.Span(addr, n)
	coder.Check(ok, "read tables: one of %d bytes at %#x is not in the file", n, addr)
	return s
}

// tables makes what was left out, now that the function table of the new file is there.
func (w *walk) tables() {
	s := &w.Structure
	if s.PCs == 0 {
		return
	}
	ft := w.span(w.Bases[refs.Functab], s.Functab)
	m := refs.Module{OK: true, Base: w.Bases, NFunc: s.NFunc, Functab: w.nb[ft.Off : ft.Off+ft.Len]}
	coder.Check(m.Ordered(), "read function table: its functions are not in order")
	newTables(w, &m, ft.Off).run()
	if s.FindFunc > 0 {
		h := w.holes[1]
		b, ok := refs.AppendFindFunc(w.nb[h.Off:h.Off:h.Off+h.Len], &m)
		coder.Check(ok && uint32(len(b)) == h.Len, "make function finder: it does not fit into %d bytes", h.Len)
	}
}

// hashes makes the hashes of a code signature, last of all.
func (w *walk) hashes() {
	if s := &w.Structure; s.Signed > 0 {
		image.AppendHashes(w.nb[s.Hashes:s.Hashes:uint64(s.Hashes)+image.HashesLen(s.Signed)], w.nb[:s.Signed])
	}
}
