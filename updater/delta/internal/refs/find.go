package refs

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
)

// Source is what is known of a file: its image, its Go tables, and its references. Those outside of code are a list;
// those in code are found when they are asked for, since they would take as much memory as the code itself.
type Source struct {
	Image  image.Image
	Module Module
	Base   [Bases]uint32
	list   []Ref
	code   code
}

// maxList bounds the references outside of code; a core has about 0.4 million.
const maxList = 16 << 20

// Analyse reads a file. It never fails: what it does not understand has no references.
func Analyse(b []byte) *Source {
	im := image.Parse(b)
	f := finder{im: &im, trees: map[uint32]bool{}}
	f.mod = FindModule(&im)
	if f.mod.OK {
		f.functions()
		f.types()
	}
	f.pointers()
	f.pdata()
	f.relocs()
	f.rebase()
	return source(im, f.mod, f.sorted())
}

// Bare is a source of which nothing is known but its bytes.
func Bare(b []byte) *Source { return source(image.Image{Data: b}, Module{}, nil) }

func source(im image.Image, mod Module, list []Ref) *Source {
	s := &Source{Image: im, Module: mod, Base: mod.Base, list: list}
	s.code = code{s: s, limit: im.End()}
	return s
}

// finder collects references in any order.
type finder struct {
	im    *image.Image
	mod   Module
	list  []Ref
	trees map[uint32]bool // addresses of the inline trees that were read
	order []uint32        // room for one record
}

func (f *finder) add(pos uint32, size uint8, kind Kind, target uint32, aux uint16) {
	if len(f.list) < maxList && uint64(pos)+uint64(size) <= uint64(len(f.im.Data)) {
		f.list = append(f.list, Ref{Pos: pos, Target: target, Kind: kind, Size: size, Aux: aux})
	}
}

// offset adds four bytes that hold v, a distance from a base.
func (f *finder) offset(pos, v uint32, from Base) {
	f.add(pos, 4, Off, f.mod.Base[from]+v, uint16(from))
}

// sorted returns the references in the order of the file. Of two that overlap the first stays, and of two at one place
// the one that was found first.
func (f *finder) sorted() []Ref {
	list := f.byPage()
	end, n := uint32(0), 0
	for _, r := range list {
		if r.Pos >= end {
			list[n] = r
			n++
			end = r.End()
		}
	}
	return list[:n]
}

// byPage sorts the references, of which those at one place keep their order: into pages of the file first, then each of
// these short lists.
func (f *finder) byPage() []Ref {
	const page = 12
	starts := make([]int, len(f.im.Data)>>page+2)
	for _, r := range f.list {
		starts[r.Pos>>page+1]++
	}
	for i := range len(starts) - 1 {
		starts[i+1] += starts[i]
	}
	sorted, next := make([]Ref, len(f.list)), slices.Clone(starts)
	for _, r := range f.list {
		sorted[next[r.Pos>>page]] = r
		next[r.Pos>>page]++
	}
	for i := range len(starts) - 1 {
		inOrder(sorted[starts[i]:starts[i+1]])
	}
	return sorted
}

func inOrder(list []Ref) {
	slices.SortStableFunc(list, func(a, b Ref) int { return cmp.Compare(a.Pos, b.Pos) })
}

// pointers adds every aligned word outside of code and line tables that holds an address of the program.
func (f *finder) pointers() {
	end, m := uint64(f.im.End()), &f.mod
	var skip [2][2]uint32
	if m.OK {
		skip = [2][2]uint32{{m.Base[Text], m.Base[EText]}, {m.Base[FuncNames], m.Base[GoFunc]}}
	}
	for _, s := range f.im.Segments {
		if s.Exec && !m.OK {
			continue
		}
	words:
		for i := -s.Addr & 7; i+8 <= s.Size; i += 8 {
			a := s.Addr + i
			for _, out := range skip {
				if a >= out[0] && a < out[1] {
					i += (out[1]-a+7)&^7 - 8
					continue words
				}
			}
			if v := binary.LittleEndian.Uint64(f.im.Data[s.Off+i:]) - f.im.Base; v <= end && (v > 0 || f.im.Base > 0) {
				f.add(s.Off+i, 8, Abs, uint32(v), 0)
			}
		}
	}
}

// pdata adds the addresses of a PE file's function table.
func (f *finder) pdata() {
	s := f.im.Pdata
	for i := uint32(0); i+4 <= s.Len; i += 4 {
		if v := binary.LittleEndian.Uint32(f.im.Data[s.Off+i:]); v != 0 {
			f.offset(s.Off+i, v, Zero)
		}
	}
}

// relocs adds the entries of a PE file's base relocations: the low bits of an address in the page of their block.
func (f *finder) relocs() {
	pos := f.im.Reloc.Off
	for b := f.im.Data[pos:][:f.im.Reloc.Len]; len(b) >= 8; {
		page, size := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		if size < 8 || uint64(size) > uint64(len(b)) {
			return
		}
		f.offset(pos, page, Zero)
		for i := uint32(8); i+2 <= size; i += 2 {
			if e := binary.LittleEndian.Uint16(b[i:]); e>>12 == 10 {
				f.add(pos+i, 2, PageOff, page+uint32(e&0xFFF), 0)
			}
		}
		b, pos = b[size:], pos+size
	}
}

// rebase adds the addresses in a Mach-O file's rebase opcodes: `2s uleb 51`, three bytes counted from segment s.
func (f *finder) rebase() {
	b := f.im.Data[f.im.Rebase.Off : f.im.Rebase.Off+f.im.Rebase.Len]
	for i := 0; i+5 <= len(b); i++ {
		// The file counts the page that catches null pointers as segment 0; the image does not have it.
		n := int(b[i]&15) - 1
		if b[i]&0xF0 != 0x20 || b[i+1]&b[i+2]&^b[i+3]&128 == 0 || b[i+4] != 0x51 || n < 0 || n >= len(f.im.Segments) {
			continue
		}
		v := uint32(b[i+1]&127) | uint32(b[i+2]&127)<<7 | uint32(b[i+3])<<14
		f.add(f.im.Rebase.Off+uint32(i)+1, 3, Uleb, f.im.Segments[n].Addr+v, uint16(FirstSegment+n))
		i += 4
	}
}

// In appends to buf the references that begin in the stretch of the file from lo to hi, in order.
func (s *Source) In(lo, hi uint32, buf []Ref) []Ref {
	buf = between(s.list, lo, hi, buf)
	n := len(buf)
	buf = s.code.in(lo, hi, buf)
	if n > 0 && len(buf) > n && buf[n].Pos < buf[n-1].Pos {
		inOrder(buf)
	}
	return buf
}

// between appends those of a list in order that begin from lo to hi.
func between(list []Ref, lo, hi uint32, buf []Ref) []Ref {
	i, _ := slices.BinarySearchFunc(list, lo, func(r Ref, p uint32) int { return cmp.Compare(r.Pos, p) })
	for ; i < len(list) && list[i].Pos < hi; i++ {
		buf = append(buf, list[i])
	}
	return buf
}
