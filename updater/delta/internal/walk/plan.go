package walk

import (
	"math"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/addrmap"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// codePlan codes all that precedes the content, and builds the address map from it.
func (w *walk) codePlan() {
	w.codeSegments()
	if len(w.Segments) == 0 {
		w.old = refs.Bare(w.ob) // where nothing is in memory, nothing refers to it
	}
	w.new = image.Image{Base: w.Base, Segments: w.Segments}
	w.codeCopies()
	w.codeExtra()
	w.m = addrmap.New(append(Clip(&w.old.Image, &w.new, w.Copies), w.Extra...))
	for i := range w.Bases {
		was, _ := w.m.At(w.old.Base[i])
		w.Bases[i] = was + uint32(w.signed(int64(int32(w.Bases[i]-was)), siteBase))
	}
	w.codeStructure()
}

// number codes v, which may be at most limit, under contexts that are just the place in the plan.
func (w *walk) number(v, limit uint64, what string, site uint32, contexts ...uint32) uint64 {
	w.c.Contexts(append(contexts, 0)...)
	v = w.c.Number(v, site)
	if v > limit {
		coder.Fail("read %s: %d is over the limit of %d", what, v, limit)
	}
	return v
}

func (w *walk) signed(v int64, site uint32, contexts ...uint32) int64 {
	w.c.Contexts(append(contexts, 0)...)
	return w.c.Signed(v, site)
}

// codeSegments codes where the new file lies in memory, as differences to the old one.
func (w *walk) codeSegments() {
	old := w.old.Image
	w.Base = old.Base + uint64(w.signed(int64(w.Base-old.Base)<<4>>4, sitePlan, 1))
	n := int(w.number(uint64(len(w.Segments)), image.MaxSegments, "number of segments", sitePlan, 2))
	if w.want == nil {
		w.Segments = make([]image.Segment, n)
	}
	for i := range w.Segments {
		s, was := &w.Segments[i], image.Segment{}
		if i < len(old.Segments) {
			was = old.Segments[i]
		}
		s.Off = w.near(s.Off, was.Off, 3)
		s.Size = w.near(s.Size, was.Size, 4)
		s.Addr = w.near(s.Addr, was.Addr, 5)
		s.Mem = w.near(s.Mem, was.Mem, 6)
	}
	if !image.Sound(w.Segments, len(w.nb)) {
		coder.Fail("read segments: they overlap or do not fit into %d bytes", len(w.nb))
	}
}

func (w *walk) near(v, was, place uint32) uint32 {
	d := w.signed(int64(v)-int64(was), sitePlan, place)
	if d += int64(was); d < 0 || d > math.MaxUint32 {
		coder.Fail("read segments: %d is no address", d)
	}
	return uint32(d)
}

// codeCopies codes the copies: the gap before each one, where it comes from, its length.
func (w *walk) codeCopies() {
	size := uint64(len(w.nb))
	n := int(w.number(uint64(len(w.Copies)), uint64(MaxCopies(len(w.nb))), "number of copies", sitePlan, 7))
	var diagonals [4]int64 // recent differences between place in the old file and in the new one
	at, way, lastLen := uint64(0), uint32(0), uint32(0)
	for i := range n {
		var c Copy
		if w.want != nil {
			c = w.Copies[i]
		}
		gap := w.number(uint64(c.New)-at, size-at, "gap", siteGap, way, hash2(way, logOf(lastLen)))
		c.New = uint32(at + gap)
		g := logOf(uint32(gap))
		var d int64
		d, way = w.codeDiagonal(int64(c.Old)-int64(c.New), &diagonals, g, way)
		o := d + int64(c.New)
		if o < 0 || o >= int64(len(w.ob)) {
			coder.Fail("read copy %d: its source %d is not in the old file", i, o)
		}
		c.Old = uint32(o)
		most := min(size-uint64(c.New), uint64(len(w.ob))-uint64(o))
		c.Len = uint32(w.number(uint64(c.Len), most, "length of a copy", siteLength, way, hash2(way, g)))
		if c.Len == 0 {
			coder.Fail("read copy %d: it is empty", i)
		}
		at, lastLen = uint64(c.New)+uint64(c.Len), c.Len
		if w.want == nil {
			w.Copies = append(w.Copies, c)
		}
	}
}

// codeDiagonal codes how far a copy's source is from its destination: as one of the last four distances, or as a step
// from one of the last two.
func (w *walk) codeDiagonal(d int64, recent *[4]int64, gap, way uint32) (int64, uint32) {
	w.c.Contexts(0, way, hash2(way, gap), gap)
	k := uint32(0)
	for ; k < 4; k++ {
		if w.bit(recent[k] == d, 1+k, siteWay) {
			break
		}
	}
	if k == 4 {
		from := uint32(0)
		if abs(d-recent[1]) < abs(d-recent[0]) {
			from = 1
		}
		if w.bit(from == 1, 6, siteWay) {
			from = 1
		} else {
			from = 0
		}
		d = recent[from] + w.signed(d-recent[from], sitePlace, gap, from)
		if abs(d) > math.MaxUint32 {
			coder.Fail("read copy: a distance of %d is impossible", d)
		}
	} else {
		d = recent[k]
	}
	for i := min(k, 3); i > 0; i-- {
		recent[i] = recent[i-1]
	}
	recent[0] = d
	return d, k
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}

// codeExtra codes the pieces of the map that no copy implies.
func (w *walk) codeExtra() {
	n := int(w.number(uint64(len(w.Extra)), maxExtra, "number of extra pieces", sitePlan, 8))
	at, shift := uint32(0), uint32(0)
	for i := range n {
		var p addrmap.Piece
		if w.want != nil {
			p = w.Extra[i]
		}
		p.Old = at + uint32(w.number(uint64(p.Old-at), math.MaxUint32, "place of an extra piece", siteExtra, 1))
		p.Len = uint32(w.number(uint64(p.Len), math.MaxUint32-uint64(p.Old), "length of an extra piece", siteExtra, 2))
		shift += uint32(w.signed(int64(int32(p.New-p.Old-shift)), siteExtra, 3))
		p.New = p.Old + shift
		at = p.Old + p.Len
		if w.want == nil {
			w.Extra = append(w.Extra, p)
		}
	}
}

// Clip returns the stretches of memory that copies move, each within one segment of either file.
func Clip(old, new *image.Image, copies []Copy) []addrmap.Piece {
	var pieces []addrmap.Piece
	for _, c := range copies {
		for _, s := range new.Segments {
			lo, hi := max(c.New, s.Off), min(uint64(c.New)+uint64(c.Len), uint64(s.Off)+uint64(s.Size))
			if uint64(lo) >= hi {
				continue
			}
			part := Copy{New: lo, Old: c.Old + (lo - c.New), Len: uint32(hi - uint64(lo))}
			for _, t := range old.Segments {
				lo, hi := max(part.Old, t.Off), min(uint64(part.Old)+uint64(part.Len), uint64(t.Off)+uint64(t.Size))
				if uint64(lo) < hi {
					n := part.New + (lo - part.Old)
					pieces = append(pieces, addrmap.Piece{Old: t.Addr + (lo - t.Off), New: s.Addr + (n - s.Off), Len: uint32(hi - uint64(lo))})
				}
			}
		}
	}
	return pieces
}

// Region tells apart the parts of a program; it chooses contexts and nothing else.
func region(addr uint32, known bool, b *[refs.Bases]uint32) uint32 {
	if !known {
		return 0
	}
	for i, r := range [...][2]refs.Base{
		{refs.Text, refs.EText}, {refs.FuncNames, refs.CUs}, {refs.CUs, refs.Files}, {refs.Files, refs.PCs},
		{refs.PCs, refs.Functab}, {refs.Functab, refs.GoFunc}, {refs.GoFunc, refs.FindFunc}, {refs.FindFunc, refs.EPcln},
		{refs.Types, refs.ETypes},
	} {
		if addr >= b[r[0]] && addr < b[r[1]] {
			return uint32(i) + 2
		}
	}
	if addr >= b[refs.Rodata] && b[refs.Rodata] > b[refs.Text] && addr < b[refs.FuncNames] {
		return 11
	}
	return 1
}
