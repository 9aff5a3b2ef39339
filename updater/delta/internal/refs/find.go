package refs

import (
	"cmp"
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
)

// Source is what is known of a file: its image, its Go tables, and its references. Those outside of code are a list;
// those in code are found when they are asked for, since they would take as much memory as the code itself.
type Source struct {
	Image  image.Image
	Module Module
	list   []Ref
	code   code
}

// maxList bounds the references outside of code; a core has about 0.4 million.
const maxList = 16 << 20

// Analyse reads a file. It never fails: what it does not understand has no references.
func Analyse(b []byte) *Source {
	s := Bare(b)
	s.Image = image.Parse(b)
	s.Module = findModule(&s.Image)
	s.code.find()
	s.list = make([]Ref, 0, min(len(b)/16, maxList)) // about as many as there are: growing would take as much again
	f := finder{Source: s, trees: map[uint32]bool{}}
	if m := &s.Module; m.NFunc > 0 {
		types := m.Base[ETypes] - m.Base[Types]
		f.functions()
		f.words(m.Base[CUs], uint32(len(m.CUs)), Files, m.Base[PCs]-m.Base[Files])
		f.words(m.Base[TypeLinks], m.links, Types, types)
		f.types(types)
	}
	f.pointers()
	f.words(s.Image.Pdata.Off, s.Image.Pdata.Len, Zero, s.Image.End())
	f.relocs()
	f.rebase()
	s.list = f.sorted()
	return s
}

// Bare is a source of which nothing is known but its bytes.
func Bare(b []byte) *Source {
	s := &Source{Image: image.Image{Data: b}}
	s.code.s, s.code.meter = s, func(int) {}
	return s
}

// finder collects references in any order.
type finder struct {
	*Source
	trees map[uint32]bool // addresses of the inline trees that were read
	pairs []Pair          // room for a table
}

func (f *finder) add(pos uint32, kind Kind, target uint32, aux uint16) {
	r := Ref{Pos: pos, Target: target, Kind: kind, Aux: aux}
	if len(f.list) < maxList && uint64(pos)+uint64(r.Size()) <= uint64(len(f.Image.Data)) {
		f.list = append(f.list, r)
	}
}

// word returns the four bytes at a place.
func (f *finder) word(pos uint32) uint32 { return le.Uint32(f.Image.Data[pos:]) }

// offset adds four bytes that hold a distance from a base, unless they say that there is nothing.
func (f *finder) offset(pos uint32, from Base, scale uint) {
	if v := f.word(pos); v != 0 && v != nothing {
		f.add(pos, Off, f.Module.Base[from]+v<<scale, uint16(from)|uint16(scale)<<8)
	}
}

// words adds the words of four bytes in n bytes at an address that are less than a limit: offsets from a base.
func (f *finder) words(addr, n uint32, from Base, limit uint32) {
	in, _ := f.Image.Span(addr, n)
	for pos := in.Off; pos+4 <= in.Off+in.Len; pos += 4 {
		if f.word(pos) < limit {
			f.offset(pos, from, 0)
		}
	}
}

// types adds the offsets in descriptors of types. It does not read these: a word that may be the offset of a name or of a
// type is taken for one, and behind the offset of a type one that leads to the start of a function for that of a method.
func (f *finder) types(size uint32) {
	m, before := &f.Module, uint32(0)
	in, _ := f.Image.Span(m.Base[Types], size)
	for pos := in.Off; pos+4 <= in.Off+in.Len; pos += 4 {
		v := f.word(pos)
		n := m.Before(m.Base[Text] + v)
		switch {
		case v < leastType:
		case (before%8 == 0 || before == nothing) && n-1 < m.NFunc && m.Entry(n-1) == v:
			f.offset(pos, Text, 0)
		case v < size:
			f.offset(pos, Types, 0)
		}
		before = v
	}
}

// leastType is the least offset of a name or type that is not taken for a size or a number.
const leastType = 128

// sorted returns the references in the order of the file. Of two that overlap the first stays, and of two at one place
// the one that was found first.
func (f *finder) sorted() []Ref {
	slices.SortStableFunc(f.list, func(a, b Ref) int { return cmp.Compare(a.Pos, b.Pos) }) // in place: there are a million
	end, n := uint32(0), 0
	for _, r := range f.list {
		if r.Pos >= end {
			f.list[n], end = r, r.End()
			n++
		}
	}
	return slices.Clone(f.list[:n]) // without the room that it had to grow
}

// pointers adds every aligned word outside of code and line tables that holds an address of the program.
func (f *finder) pointers() {
	m := &f.Module
	for _, s := range f.Image.Segments {
		if s.Exec && m.NFunc == 0 {
			continue
		}
		for i := -s.Addr & 7; i+8 <= s.Size; i += 8 {
			text, lines := s.Addr+i-m.Base[Text], s.Addr+i-m.Base[FuncNames] // around 0 before them
			v := le.Uint64(f.Image.Data[s.Off+i:]) - f.Image.Base
			if v <= uint64(f.code.limit) && v+f.Image.Base > 0 && text >= m.Base[EText]-m.Base[Text] && lines >= m.Base[GoFunc]-m.Base[FuncNames] {
				f.add(s.Off+i, Abs, uint32(v), 0)
			}
		}
	}
}

// relocs adds the entries of a PE file's base relocations: the low bits of an address in the page of their block.
func (f *finder) relocs() {
	in, _ := f.Image.Span(f.Image.Reloc.Off, f.Image.Reloc.Len)
	for pos, end := in.Off, in.Off+in.Len; pos+8 <= end; {
		block, page := pos, f.word(pos)
		f.offset(pos, Zero, 0)
		for pos += 8; pos+2 <= end && pos-block < f.word(block+4); pos += 2 {
			if e := uint32(le.Uint16(f.Image.Data[pos:])); e>>12 == 10 {
				f.add(pos, PageOff, page+e&0xFFF, 0)
			}
		}
	}
}

// rebase adds the addresses in a Mach-O file's rebase opcodes: `2s uleb 51`, three bytes counted from segment s.
func (f *finder) rebase() {
	b := f.Image.Data[f.Image.Rebase.Off:][:f.Image.Rebase.Len]
	for i := 0; i+5 <= len(b); i++ {
		// The file counts the page that catches null pointers as segment 0; the image does not have it.
		n := int(b[i]&15) - 1
		if b[i]&0xF0 == 0x20 && b[i+1]&b[i+2]&^b[i+3]&128 != 0 && b[i+4] == 0x51 && n >= 0 && n < len(f.Image.Segments) {
			r := Ref{Kind: Uleb}
			f.add(f.Image.Rebase.Off+uint32(i)+1, Uleb, f.Image.Segments[n].Addr+uint32(r.Get(b[i+1:])), uint16(n))
			i += 4
		}
	}
}

// In appends to buf the references that begin in the stretch of the file from lo to hi, in order.
func (s *Source) In(lo, hi uint32, buf []Ref) []Ref {
	buf = between(s.list, lo, min(hi, s.code.from), buf)
	buf = s.code.in(lo, hi, buf)
	return between(s.list, max(lo, s.code.from), hi, buf)
}

// between appends those of a list in order that begin from lo to hi.
func between(list []Ref, lo, hi uint32, buf []Ref) []Ref {
	i, _ := slices.BinarySearchFunc(list, lo, func(r Ref, p uint32) int { return cmp.Compare(r.Pos, p) })
	for ; i < len(list) && list[i].Pos < hi; i++ {
		buf = append(buf, list[i])
	}
	return buf
}
