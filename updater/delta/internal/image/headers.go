package image

// view is the bytes of a file from some place on. Behind their end there are zeros.
type view []byte

// from returns what is from a place on.
func (b view) from(at uint64) view { return b[min(at, uint64(len(b))):] }

// word returns the little-endian number of n bytes at a place.
func (b view) word(at, n uint64) (v uint64) {
	b = b.from(at)
	for i := range min(n, uint64(len(b))) {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

// machines are what the headers of all three formats call them.
var machines = map[uint64]Arch{62: AMD64, 183: ARM64, 0x8664: AMD64, 0xAA64: ARM64, 0x01000007: AMD64, 0x0100000C: ARM64}

// raw is a segment as the file says it, before it was checked.
type raw struct {
	off, size, addr, mem uint64
	exec                 bool
}

// fields says where the header of a segment or section has what a raw one is made of, how wide the words are, and which
// bit of the four bytes at flags means code.
type fields struct{ off, size, addr, mem, width, flags, exec uint64 }

var (
	elfSegment   = fields{8, 32, 16, 40, 8, 4, 1}
	peSection    = fields{20, 16, 12, 8, 4, 36, 0x20000000}
	machoSegment = fields{40, 48, 24, 32, 8, 60, 4}
)

func (b view) segment(f fields) raw {
	return raw{b.word(f.off, f.width), b.word(f.size, f.width), b.word(f.addr, f.width), b.word(f.mem, f.width), b.word(f.flags, 4)&f.exec != 0}
}

// headers reads the headers of a file in any format.
func (im *Image) headers(b view) (segments []raw) {
	switch {
	case b.word(0, 6) == 0x01_02_46_4C_45_7F:
		im.Arch = machines[b.word(18, 2)]
		for i := range b.word(56, 2) {
			if p := b.from(b.word(32, 8) + i*b.word(54, 2)); p.word(0, 4) == 1 { // PT_LOAD
				segments = append(segments, p.segment(elfSegment))
			}
		}
	case b.word(0, 2) == 0x5A4D:
		return im.pe(b.from(b.word(60, 4)))
	case b.word(0, 4) == 0xFEEDFACF:
		im.Arch = machines[b.word(4, 4)]
		at := uint64(32)
		for range min(b.word(16, 4), maxCommands) {
			c := b.from(at)
			switch c.word(0, 4) {
			case 0x19: // LC_SEGMENT_64
				if s := c.segment(machoSegment); s.addr != 0 || s.size != 0 { // not the page that catches null pointers
					segments = append(segments, s)
				}
			case 0x22, 0x80000022: // LC_DYLD_INFO
				if off, n := c.word(8, 4), c.word(12, 4); off+n <= uint64(len(b)) {
					im.Rebase = Span{uint32(off), uint32(n)}
				}
			}
			at += c.word(4, 4)
		}
	}
	return segments
}

// maxCommands bounds those of a Mach-O header; Go programs have about 15.
const maxCommands = 1024

// pe reads the headers of a PE file from its signature on.
func (im *Image) pe(b view) []raw {
	opt := b.from(24)
	if b.word(0, 4) != 0x4550 || opt.word(0, 2) != 0x20B {
		return nil
	}
	im.Arch = machines[b.word(4, 2)]
	base := opt.word(24, 8)
	im.Pdata = Span{uint32(opt.word(136, 4)), uint32(opt.word(140, 4))} // directory 3
	im.Reloc = Span{uint32(opt.word(152, 4)), uint32(opt.word(156, 4))} // directory 5
	segments := []raw{{size: min(opt.word(60, 4), uint64(len(im.Data))), addr: base}}
	for i := range b.word(6, 2) {
		s := opt.from(b.word(20, 2) + 40*i).segment(peSection)
		// What the file holds beyond the section's memory is padding, but it is mapped in whole pages all the same.
		s.size = min(s.size, (s.mem+511)&^511)
		s.addr += base
		segments = append(segments, s)
	}
	return segments
}
