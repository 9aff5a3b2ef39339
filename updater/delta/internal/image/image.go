// Package image reads from an executable what the delta codec needs to know: where its bytes lie in memory. It reads
// ELF, PE and Mach-O files of 64 bits. A file that it does not understand is an image without segments, not an error.
//
// Addresses here are 32-bit distances from Base, the lowest address of the program.
package image

import (
	"cmp"
	"encoding/binary"
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
	var segments []raw
	switch {
	case len(b) >= 64 && string(b[:4]) == "\x7fELF":
		segments = im.elf(b)
	case len(b) >= 64 && string(b[:2]) == "MZ":
		segments = im.pe(b)
	case len(b) >= 32 && binary.LittleEndian.Uint32(b) == 0xFEEDFACF:
		segments = im.macho(b)
	}
	if !im.place(segments) {
		return Image{Data: b}
	}
	return im
}

// place checks the segments and makes them relative to the lowest address.
func (im *Image) place(segments []raw) bool {
	if len(segments) == 0 || len(segments) > MaxSegments {
		return false
	}
	im.Base = segments[0].addr
	for _, s := range segments {
		im.Base = min(im.Base, s.addr)
	}
	for _, s := range segments {
		s.mem = max(s.mem, s.size)
		if s.off > uint64(len(im.Data)) || s.size > uint64(len(im.Data))-s.off {
			return false
		}
		addr := s.addr - im.Base
		if addr >= 1<<31 || s.mem >= 1<<31 {
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
		if s.Size == 0 {
			continue
		}
		if uint64(s.Off) < end || uint64(s.Off)+uint64(s.Size) > uint64(size) {
			return false
		}
		end = uint64(s.Off) + uint64(s.Size)
	}
	return true
}

// Addr returns the address of the byte at a file offset.
func (im *Image) Addr(off uint32) (uint32, bool) {
	for _, s := range im.Segments {
		if off-s.Off < s.Size && off >= s.Off {
			return s.Addr + (off - s.Off), true
		}
	}
	return 0, false
}

// Offset returns where in the file the byte at an address is; false for memory that has no bytes in the file.
func (im *Image) Offset(addr uint32) (uint32, bool) {
	for _, s := range im.Segments {
		if addr >= s.Addr && addr-s.Addr < s.Size {
			return s.Off + (addr - s.Addr), true
		}
	}
	return 0, false
}

// End returns the first address behind the program.
func (im *Image) End() uint32 {
	end := uint32(0)
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

func (im *Image) elf(b []byte) []raw {
	le := binary.LittleEndian
	if b[4] != 2 || b[5] != 1 {
		return nil
	}
	switch le.Uint16(b[18:]) {
	case 62:
		im.Arch = AMD64
	case 183:
		im.Arch = ARM64
	}
	at, size, n := le.Uint64(b[32:]), uint64(le.Uint16(b[54:])), uint64(le.Uint16(b[56:]))
	if size < 56 || at > uint64(len(b)) || n*size > uint64(len(b))-at {
		return nil
	}
	var segments []raw
	for i := range n {
		p := b[at+i*size:]
		if le.Uint32(p) != 1 { // PT_LOAD
			continue
		}
		segments = append(segments, raw{
			off: le.Uint64(p[8:]), addr: le.Uint64(p[16:]), size: le.Uint64(p[32:]), mem: le.Uint64(p[40:]),
			exec: le.Uint32(p[4:])&1 != 0,
		})
	}
	return segments
}

func (im *Image) pe(b []byte) []raw {
	le := binary.LittleEndian
	at := uint64(le.Uint32(b[60:]))
	if at > uint64(len(b)) || uint64(len(b))-at < 24+240 || string(b[at:at+4]) != "PE\x00\x00" {
		return nil
	}
	coff, opt := b[at+4:], b[at+24:]
	switch le.Uint16(coff) {
	case 0x8664:
		im.Arch = AMD64
	case 0xAA64:
		im.Arch = ARM64
	}
	n, optSize := uint64(le.Uint16(coff[2:])), uint64(le.Uint16(coff[16:]))
	if le.Uint16(opt) != 0x20B || optSize < 240 || 24+optSize+n*40 > uint64(len(b))-at {
		return nil
	}
	base, headers := le.Uint64(opt[24:]), uint64(le.Uint32(opt[60:]))
	segments := []raw{{size: min(headers, uint64(len(b))), addr: base}}
	table := b[at+24+optSize:]
	for i := range n {
		s := table[i*40:]
		// What the file holds beyond the section's memory is padding, but it is mapped in whole pages all the same.
		size, mem := uint64(le.Uint32(s[16:])), uint64(le.Uint32(s[8:]))
		segments = append(segments, raw{
			off: uint64(le.Uint32(s[20:])), size: min(size, (mem+511)&^511), mem: mem,
			addr: base + uint64(le.Uint32(s[12:])), exec: le.Uint32(s[36:])&0x20000000 != 0,
		})
		for dir, span := range map[int]*Span{3: &im.Pdata, 5: &im.Reloc} {
			va, dirSize := uint64(le.Uint32(opt[112+8*dir:])), uint64(le.Uint32(opt[116+8*dir:]))
			if sva := uint64(le.Uint32(s[12:])); dirSize > 0 && va >= sva && va-sva+dirSize <= size {
				*span = Span{uint32(va - sva + uint64(le.Uint32(s[20:]))), uint32(dirSize)}
			}
		}
	}
	if uint64(im.Pdata.Off)+uint64(im.Pdata.Len) > uint64(len(b)) || uint64(im.Reloc.Off)+uint64(im.Reloc.Len) > uint64(len(b)) {
		return nil
	}
	return segments
}

func (im *Image) macho(b []byte) []raw {
	le := binary.LittleEndian
	switch le.Uint32(b[4:]) {
	case 0x01000007:
		im.Arch = AMD64
	case 0x0100000C:
		im.Arch = ARM64
	}
	var segments []raw
	at := 32
	for range le.Uint32(b[16:]) {
		if at+8 > len(b) {
			return nil
		}
		cmd, size := le.Uint32(b[at:]), int(le.Uint32(b[at+4:]))
		if size < 8 || size > len(b)-at {
			return nil
		}
		c := b[at : at+size]
		switch {
		case cmd == 0x19 && size >= 72: // LC_SEGMENT_64
			s := raw{addr: le.Uint64(c[24:]), mem: le.Uint64(c[32:]), off: le.Uint64(c[40:]), size: le.Uint64(c[48:])}
			s.exec = le.Uint32(c[60:])&4 != 0
			if s.addr != 0 || s.size != 0 { // not the page that catches null pointers
				segments = append(segments, s)
			}
		case cmd == 0x1D && size >= 16: // LC_CODE_SIGNATURE
			s := Span{le.Uint32(c[8:]), le.Uint32(c[12:])}
			if uint64(s.Off)+uint64(s.Len) <= uint64(len(b)) {
				im.Sign = s
			}
		case cmd&0x7FFFFFFF == 0x22 && size >= 48: // LC_DYLD_INFO
			s := Span{le.Uint32(c[8:]), le.Uint32(c[12:])}
			if uint64(s.Off)+uint64(s.Len) <= uint64(len(b)) {
				im.Rebase = s
			}
		}
		at += size
	}
	return segments
}
