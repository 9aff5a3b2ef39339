package walk

import (
	"math"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/addrmap"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// maxExtra bounds the extra pieces of the map.
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
		was, _ := w.m.At(w.old.Base[i])
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

func (w *walk) signed(v int64, site uint32, contexts ...uint32) int64 {
	w.c.Contexts(append(contexts, 0)...)
	return w.c.Signed(v, site)
}

// moved codes v by how far it is from what it was, around the end of 32 bits if that is nearer.
func (w *walk) moved(v, was, site uint32, contexts ...uint32) uint32 {
	return was + uint32(w.signed(int64(int32(v-was)), site, contexts...))
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
	old := w.old.Image
	w.Base = old.Base + uint64(w.signed(int64(w.Base-old.Base)<<4>>4, sitePlan, 1))
	for i := range int(w.number(uint64(len(w.Segments)), image.MaxSegments, "number of segments", sitePlan, 2)) {
		s, was := slot(&w.Segments, i), image.Segment{}
		if i < len(old.Segments) {
			was = old.Segments[i]
		}
		for k, f := range [][2]*uint32{{&s.Off, &was.Off}, {&s.Size, &was.Size}, {&s.Addr, &was.Addr}, {&s.Mem, &was.Mem}} {
			v := w.signed(int64(*f[0])-int64(*f[1]), sitePlan, 3+uint32(k)) + int64(*f[1])
			coder.Check(v >= 0 && v <= math.MaxUint32, "read segments: %d is no address", v)
			*f[0] = uint32(v)
		}
	}
	coder.Check(image.Sound(w.Segments, len(w.nb)), "read segments: they overlap or do not fit into %d bytes", len(w.nb))
}

// codeCopies codes the copies: the gap before each one, where it comes from, its length.
func (w *walk) codeCopies() {
	size, oldSize := uint64(len(w.nb)), uint64(len(w.ob))
	var diagonals [4]int64 // recent differences between place in the old file and in the new one
	at, way, lastLen := uint64(0), uint32(0), uint32(0)
	for i := range int(w.number(uint64(len(w.Copies)), uint64(MaxCopies(len(w.nb))), "number of copies", sitePlan, 7)) {
		c := slot(&w.Copies, i)
		gap := w.number(uint64(c.New)-at, size-at, "gap", siteGap, way, hash2(way, logOf(lastLen)))
		c.New = uint32(at + gap)
		g := logOf(uint32(gap))
		var d int64
		d, way = w.codeDiagonal(int64(c.Old)-int64(c.New), &diagonals, g, way)
		from := d + int64(c.New)
		coder.Check(from >= 0 && from < int64(oldSize), "read copy %d: its source %d is not in the old file", i, from)
		c.Old = uint32(from)
		most := min(size-uint64(c.New), oldSize-uint64(from))
		c.Len = uint32(w.number(uint64(c.Len), most, "length of a copy", siteLength, way, hash2(way, g)))
		coder.Check(c.Len > 0, "read copy %d: it is empty", i)
		at, lastLen = uint64(c.New)+uint64(c.Len), c.Len
	}
}

// codeDiagonal codes how far a copy's source is from its destination: as one of the last four distances, or as a step
// from one of the last two.
func (w *walk) codeDiagonal(d int64, recent *[4]int64, gap, way uint32) (int64, uint32) {
	w.c.Contexts(0, way, hash2(way, gap), gap)
	k := recall(w, recent[:], d, 1, siteWay)
	if k < 4 {
		d = recent[k]
	} else {
		from := one(w.bit(abs(d-recent[1]) < abs(d-recent[0]), 6, siteWay))
		d = recent[from] + w.signed(d-recent[from], sitePlace, gap, from)
		coder.Check(abs(d) <= math.MaxUint32, "read copy: a distance of %d is impossible", d)
	}
	toFront(recent[:], k, d)
	return d, uint32(k)
}

func abs(v int64) int64 { return max(v, -v) }

// codeExtra codes the pieces of the map that no copy implies.
func (w *walk) codeExtra() {
	at, shift := uint32(0), uint32(0)
	for i := range int(w.number(uint64(len(w.Extra)), maxExtra, "number of extra pieces", sitePlan, 8)) {
		p := slot(&w.Extra, i)
		p.Old = at + uint32(w.number(uint64(p.Old-at), math.MaxUint32, "place of an extra piece", siteExtra, 1))
		p.Len = uint32(w.number(uint64(p.Len), math.MaxUint32-uint64(p.Old), "length of an extra piece", siteExtra, 2))
		shift = w.moved(p.New-p.Old, shift, siteExtra, 3)
		p.New, at = p.Old+shift, p.Old+p.Len
	}
}

// Clip returns the stretches of memory that copies move, each within one segment of either file.
func Clip(old, new *image.Image, copies []Copy) []addrmap.Piece {
	var pieces []addrmap.Piece
	for _, c := range copies {
		for _, to := range new.Segments {
			if uint64(to.Off) >= uint64(c.New)+uint64(c.Len) || uint64(c.New) >= uint64(to.Off)+uint64(to.Size) {
				continue
			}
			for _, from := range old.Segments {
				// Distances from the start of the copy.
				toLo, fromLo := int64(to.Off)-int64(c.New), int64(from.Off)-int64(c.Old)
				lo := max(toLo, fromLo, 0)
				hi := min(toLo+int64(to.Size), fromLo+int64(from.Size), int64(c.Len))
				if lo < hi {
					p := addrmap.Piece{Old: from.Addr + uint32(lo-fromLo), New: to.Addr + uint32(lo-toLo), Len: uint32(hi - lo)}
					pieces = append(pieces, p)
				}
			}
		}
	}
	return pieces
}

// regions are the parts of a program that have tables of their own; each from one base to another.
var regions = [...][2]refs.Base{
	{refs.Text, refs.EText}, {refs.FuncNames, refs.CUs}, {refs.CUs, refs.Files}, {refs.Files, refs.PCs},
	{refs.PCs, refs.Functab}, {refs.Functab, refs.GoFunc}, {refs.GoFunc, refs.FindFunc}, {refs.FindFunc, refs.EPcln},
	{refs.Types, refs.ETypes},
}

// region tells apart the parts of a program; it chooses contexts and nothing else.
func region(im *image.Image, off uint32, b *[refs.Bases]uint32) uint32 {
	addr, known := im.Addr(off)
	if !known {
		return 0
	}
	for i, r := range &regions {
		if addr >= b[r[0]] && addr < b[r[1]] {
			return uint32(i) + 2
		}
	}
	if addr >= b[refs.Rodata] && b[refs.Rodata] > b[refs.Text] && addr < b[refs.FuncNames] {
		return 11
	}
	return 1
}
