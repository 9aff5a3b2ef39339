// Package image reads from an executable what the delta codec needs to know: where its bytes lie in memory. It reads
// ELF, PE and Mach-O files of 64 bits. A file that it does not understand is an image without segments, not an error.
//
// Addresses here are 32-bit distances from Base, the lowest address of the program.
package image

import (
	"cmp"
	"slices"
)

// Arch is the machine that a program is for, as far as its instructions are understood here.
type Arch uint8

// The machines whose instructions are read.
const (
	Other Arch = iota
	AMD64
	ARM64
)

// MaxSegments bounds the list of segments; Go programs have 3 to 20.
const MaxSegments = 64

// Segment is a stretch of memory. Its first Size bytes come from the file at Off; Mem is at least Size.
type Segment struct {
	Off, Size, Addr, Mem uint32
	Exec                 bool
}

// Span is a stretch of the file.
type Span struct{ Off, Len uint32 }

// Image is what was found in a file.
type Image struct {
	Data     []byte
	Arch     Arch
	Base     uint64
	Segments []Segment // ordered by file offset; they overlap neither in the file nor in memory
	Pdata    Span      // PE: the function table
	Reloc    Span      // PE: the base relocations
	Rebase   Span      // Mach-O: the rebase opcodes
	Sign     Span      // Mach-O: the code signature
}

// raw is a segment as the file says it, before it was checked.
type raw struct {
	off, size, addr, mem uint64
	exec                 bool
}

// Parse reads the headers of b, which is at most 2 GiB long.
func Parse(b []byte) Image {
	im := Image{Data: b}
	if !im.place(im.headers(b)) {
		return Image{Data: b}
	}
	return im
}

// place checks the segments and makes them relative to the lowest address.
func (im *Image) place(segments []raw) bool {
	if len(segments) == 0 || len(segments) > MaxSegments {
		return false
	}
	im.Base = slices.MinFunc(segments, func(a, b raw) int { return cmp.Compare(a.addr, b.addr) }).addr
	for _, s := range segments {
		s.mem = max(s.mem, s.size)
		addr, size := s.addr-im.Base, uint64(len(im.Data))
		if s.off > size || s.size > size-s.off || addr >= 1<<31 || s.mem >= 1<<31 {
			return false
		}
		im.Segments = append(im.Segments, Segment{uint32(s.off), uint32(s.size), uint32(addr), uint32(s.mem), s.exec})
	}
	return Sound(im.Segments, len(im.Data))
}

// Sound reports whether segments lie in a file of the size given and overlap neither there nor in memory. It puts them
// in the order of their file offsets.
func Sound(segments []Segment, size int) bool {
	slices.SortStableFunc(segments, func(a, b Segment) int { return cmp.Compare(a.Addr, b.Addr) })
	end := uint64(0)
	for _, s := range segments {
		if uint64(s.Addr) < end || s.Mem < s.Size {
			return false
		}
		end = uint64(s.Addr) + uint64(s.Mem)
	}
	if end >= 1<<32 {
		return false
	}
	slices.SortStableFunc(segments, func(a, b Segment) int { return cmp.Compare(a.Off, b.Off) })
	end = 0
	for _, s := range segments {
		if s.Size > 0 {
			if uint64(s.Off) < end || uint64(s.Off)+uint64(s.Size) > uint64(size) {
				return false
			}
			end = uint64(s.Off) + uint64(s.Size)
		}
	}
	return true
}

// Segment returns the segment that has the byte at a file offset, or nil.
func (im *Image) Segment(off uint32) *Segment {
	for i := range im.Segments {
		if s := &im.Segments[i]; off >= s.Off && off-s.Off < s.Size {
			return s
		}
	}
	return nil
}

// Addr returns the address of the byte at a file offset.
func (im *Image) Addr(off uint32) (uint32, bool) {
	if s := im.Segment(off); s != nil {
		return s.Addr + (off - s.Off), true
	}
	return 0, false
}

// Offset returns where in the file the byte at an address is; false for memory that has no bytes in the file.
func (im *Image) Offset(addr uint32) (uint32, bool) {
	for i := range im.Segments {
		if s := &im.Segments[i]; addr >= s.Addr && addr-s.Addr < s.Size {
			return s.Off + (addr - s.Addr), true
		}
	}
	return 0, false
}

// End returns the first address behind the program.
func (im *Image) End() (end uint32) {
	for _, s := range im.Segments {
		end = max(end, s.Addr+s.Mem)
	}
	return end
}

// Span returns where in the file the n bytes at an address are, if one segment has them all in the file.
func (im *Image) Span(addr, n uint32) (Span, bool) {
	for _, s := range im.Segments {
		if addr >= s.Addr && addr-s.Addr <= s.Size && n <= s.Size-(addr-s.Addr) {
			return Span{s.Off + (addr - s.Addr), n}, true
		}
	}
	return Span{}, false
}

// Bytes returns these bytes.
func (im *Image) Bytes(addr, n uint32) ([]byte, bool) {
	s, ok := im.Span(addr, n)
	return im.Data[s.Off : s.Off+s.Len : s.Off+s.Len], ok
}
