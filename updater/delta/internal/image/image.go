// Package image reads from an executable what the delta codec needs to know: where its bytes lie in memory. It reads
// ELF, PE and Mach-O files of 64 bits. A file that it does not understand is an image without segments, not an error.
//
// Addresses here are 32-bit distances from Base, the lowest address of the program.
package image

import (
	"cmp"
	"crypto/sha256"
	"slices"
)

// Arch is the machine that a program is for, as far as its instructions are understood here. Its number is the smallest
// distance between two of them.
type Arch uint8

// The machines whose instructions are read.
const (
	Other Arch = 0
	AMD64 Arch = 1
	ARM64 Arch = 4
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
	Segments []Segment // ordered by address, where they do not overlap
	Pdata    Span      // PE: the function table, by its address
	Reloc    Span      // PE: the base relocations, by their address
	Rebase   Span      // Mach-O: the rebase opcodes
}

// Parse reads the headers of b, which is at most 2 GiB long.
func Parse(b []byte) Image {
	im := Image{Data: b}
	if !im.place(im.headers(b)) {
		return Image{Data: b}
	}
	return im
}

// place makes the segments relative to the lowest address and checks them.
func (im *Image) place(segments []raw) bool {
	if len(segments) == 0 || len(segments) > MaxSegments {
		return false
	}
	im.Base = slices.MinFunc(segments, func(a, b raw) int { return cmp.Compare(a.addr, b.addr) }).addr
	for _, s := range segments {
		s.mem, s.addr = max(s.mem, s.size), s.addr-im.Base
		if (s.off|s.size|s.addr|s.mem)>>31 != 0 {
			return false
		}
		im.Segments = append(im.Segments, Segment{uint32(s.off), uint32(s.size), uint32(s.addr), uint32(s.mem), s.exec})
	}
	return Sound(im.Segments, len(im.Data))
}

// Sound reports whether segments lie in a file of the size given and do not overlap in memory. It puts them in the order of
// their addresses.
func Sound(segments []Segment, size int) bool {
	slices.SortStableFunc(segments, func(a, b Segment) int { return cmp.Compare(a.Addr, b.Addr) })
	end := uint64(0)
	for _, s := range segments {
		if uint64(s.Addr) < end || s.Mem < s.Size || uint64(s.Off)+uint64(s.Size) > uint64(size) {
			return false
		}
		end = uint64(s.Addr) + uint64(s.Mem)
	}
	return end < 1<<32
}

// Addr returns the address of the byte at a file offset.
func (im *Image) Addr(off uint32) (uint32, bool) {
	for i := range im.Segments {
		if s := &im.Segments[i]; off-s.Off < s.Size { // around 0 before it
			return s.Addr + (off - s.Off), true
		}
	}
	return 0, false
}

// Offset returns where in the file the byte at an address is; false for memory that has no bytes in the file.
func (im *Image) Offset(addr uint32) (uint32, bool) {
	s, ok := im.Span(addr, 1)
	return s.Off, ok
}

// End returns the first address behind the program.
func (im *Image) End() uint32 {
	if n := len(im.Segments); n > 0 {
		return im.Segments[n-1].Addr + im.Segments[n-1].Mem
	}
	return 0
}

// Span returns where in the file the n bytes at an address are, if one segment has them all in the file.
func (im *Image) Span(addr, n uint32) (Span, bool) {
	for i := range im.Segments {
		if s := &im.Segments[i]; addr >= s.Addr && uint64(addr-s.Addr)+uint64(n) <= uint64(s.Size) {
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

// SignPage is how many bytes each hash of a code signature covers.
const SignPage = 4096

// HashesLen returns the length of the list for limit bytes.
func HashesLen(limit uint32) uint64 { return (uint64(limit) + SignPage - 1) / SignPage * sha256.Size }

// AppendHashes appends the SHA-256 of each page of b, the last of which may be short.
func AppendHashes(list, b []byte) []byte {
	for page := range slices.Chunk(b, SignPage) {
		sum := sha256.Sum256(page)
		list = append(list, sum[:]...)
	}
	return list
}
