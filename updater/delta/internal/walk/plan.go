package walk

import (
	"github.com/limpet-monitoring/limpet/updater/delta/internal/addrmap"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// maxExtra bounds the extra pieces of the map, and how many more there may be of copies than copies.
const maxExtra = 4096

// MaxCopies is the most copies that a result of a size may have.
func MaxCopies(size int) int { return size/64 + 1024 }

// codePlan codes all that precedes the content, and builds the address map from it.
func (w *walk) codePlan() {
	w.codeSegments()
	if len(w.Segments) == 0 {
		w.old = refs.Bare(w.ob) // where nothing is in memory, nothing refers to it
	}
	w.new = image.Image{Data: w.nb, Base: w.Base, Segments: w.Segments}
	w.codeCopies()
	w.codeExtra()
	w.m = addrmap.New(append(Clip(&w.old.Image, &w.new, w.Copies), w.Extra...))
	for i := range w.Bases {
		was, _ := w.m.At(w.old.Module.Base[i])
		w.Bases[i] = w.moved(w.Bases[i], was, siteBase)
	}
	w.codeStructure()
}

// number codes v, which may be at most limit, under contexts that are just the place in the plan.
func (w *walk) number(v, limit uint64, what string, site uint32, contexts ...uint32) uint64 {
	w.c.Contexts(append(contexts, 0)...)
	v = w.c.Number(v, site)
	coder.Check(v <= limit, "read %s: %d is over the limit of %d", what, v, limit)
	return v
}

// moved codes v by how far it is from what it was, around the end of 32 bits if that is nearer.
func (w *walk) moved(v, was, site uint32, contexts ...uint32) uint32 {
	w.c.Contexts(append(contexts, 0)...)
	return was + uint32(w.c.Signed(int64(int32(v-was)), site))
}

// slot returns the i-th of a list, of which a decoder has made those before it.
func slot[T any](list *[]T, i int) *T {
	if i == len(*list) {
		*list = append(*list, *new(T))
	}
	return &(*list)[i]
}

// codeSegments codes where the new file lies in memory, as differences to the old one.
func (w *walk) codeSegments() {
	old := &w.old.Image
	high := w.moved(uint32(w.Base>>32), uint32(old.Base>>32), sitePlan, 0)
	w.Base = uint64(high)<<32 | uint64(w.moved(uint32(w.Base), uint32(old.Base), sitePlan, 1))
	for i := range int(w.number(uint64(len(w.Segments)), image.MaxSegments, "number of segments", sitePlan, 2)) {
		s, was := slot(&w.Segments, i), image.Segment{}
		if i < len(old.Segments) {
			was = old.Segments[i]
		}
		s.Off = w.moved(s.Off, was.Off, sitePlan, 3)
		s.Size = w.moved(s.Size, was.Size, sitePlan, 4)
		s.Addr = w.moved(s.Addr, was.Addr, sitePlan, 5)
		s.Mem = w.moved(s.Mem, was.Mem, sitePlan, 6)
	}
	coder.Check(image.Sound(w.Segments, len(w.nb)), "read segments: they overlap or do not fit into %d bytes", len(w.nb))
}

// codeCopies codes the copies: the gap before each one, where it comes from, its length. The source is as far from the
// destination as that of one of the last four, or of the last one and a step.
func (w *walk) codeCopies() {
	size, oldSize := uint32(len(w.nb)), uint32(len(w.ob))
	var far [4]uint32
	at, way, lastLen := uint32(0), uint32(0), uint32(0)
	for i := range int(w.number(uint64(len(w.Copies)), uint64(MaxCopies(len(w.nb))), "number of copies", sitePlan, 7)) {
		c := slot(&w.Copies, i)
		gap := uint32(w.number(uint64(c.New-at), uint64(size-at), "gap", siteGap, way, hash2(way, logOf(lastLen))))
		g, d := logOf(gap), c.Old-c.New
		c.New = at + gap
		w.c.Contexts(0, way, hash2(way, g), g)
		k := recall(w, far[:], d, 1, siteWay)
		if d = far[min(k, 3)]; k == len(far) {
			d = w.moved(c.Old-c.New, far[0], sitePlace, g)
		}
		toFront(far[:], k, d)
		way, c.Old = uint32(k), c.New+d
		c.Len = uint32(w.number(uint64(c.Len), uint64(min(size-c.New, oldSize-min(c.Old, oldSize))), "length of a copy", siteLength, way, hash2(way, g)))
		coder.Check(c.Len > 0, "read copy %d: it is empty", i)
		at, lastLen = c.New+c.Len, c.Len
	}
}

// codeExtra codes the pieces of the map that no copy implies.
func (w *walk) codeExtra() {
	at, shift := uint32(0), uint32(0)
	for i := range int(w.number(uint64(len(w.Extra)), maxExtra, "number of extra pieces", sitePlan, 8)) {
		p := slot(&w.Extra, i)
		p.Old = w.moved(p.Old, at, siteExtra, 1)
		p.Len = w.moved(p.Len, 0, siteExtra, 2)
		p.New = w.moved(p.New, p.Old+shift, siteExtra, 3)
		at, shift = p.Old+p.Len, p.New-p.Old
		coder.Check(at >= p.Old, "read extra piece %d: it goes beyond all addresses", i)
	}
}

// Clip returns the stretches of memory that copies move, each within one segment of either file. It fails if there are many more
// than copies, as where segments lie over each other in the file.
func Clip(old, new *image.Image, copies []Copy) (pieces []addrmap.Piece) {
	for _, c := range copies {
		for _, to := range new.Segments {
			for _, from := range old.Segments {
				// Distances from the start of the copy.
				toLo, fromLo := int64(to.Off)-int64(c.New), int64(from.Off)-int64(c.Old)
				lo, hi := max(toLo, fromLo, 0), min(toLo+int64(to.Size), fromLo+int64(from.Size), int64(c.Len))
				if lo < hi {
					coder.Check(len(pieces) < len(copies)+maxExtra, "clip copies: they are far more pieces of the map")
					pieces = append(pieces, addrmap.Piece{Old: from.Addr + uint32(lo-fromLo), New: to.Addr + uint32(lo-toLo), Len: uint32(hi - lo)})
				}
			}
		}
	}
	return pieces
}

// region tells apart the parts of a program, by the last base before them; it chooses contexts and nothing else.
func region(im *image.Image, off uint32, bases *[refs.Bases]uint32) (r uint32) {
	addr, known := im.Addr(off)
	if !known {
		return uint32(refs.Bases)
	}
	for i, b := range bases {
		if b <= addr && b > bases[r] {
			r = uint32(i)
		}
	}
	return r
}
