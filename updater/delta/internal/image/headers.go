package image

import "encoding/binary"

var le = binary.LittleEndian

// machine says which one a format's header means.
func machine(v, amd64, arm64 uint32) Arch {
	switch v {
	case amd64:
		return AMD64
	case arm64:
		return ARM64
	}
	return Other
}

// headers reads the headers of a file in any format.
func (im *Image) headers(b []byte) []raw {
	switch {
	case len(b) >= 64 && string(b[:6]) == "\x7fELF\x02\x01":
		return im.elf(b)
	case len(b) >= 64 && string(b[:2]) == "MZ":
		return im.pe(b)
	case len(b) >= 32 && le.Uint32(b) == 0xFEEDFACF:
		return im.macho(b)
	}
	return nil
}

func (im *Image) elf(b []byte) (segments []raw) {
	im.Arch = machine(uint32(le.Uint16(b[18:])), 62, 183)
	at, size, n := le.Uint64(b[32:]), uint64(le.Uint16(b[54:])), uint64(le.Uint16(b[56:]))
	if size < 56 || at > uint64(len(b)) || n*size > uint64(len(b))-at {
		return nil
	}
	for i := range n {
		if p := b[at+i*size:]; le.Uint32(p) == 1 { // PT_LOAD
			segments = append(segments, raw{le.Uint64(p[8:]), le.Uint64(p[32:]), le.Uint64(p[16:]), le.Uint64(p[40:]), le.Uint32(p[4:])&1 != 0})
		}
	}
	return segments
}

func (im *Image) pe(b []byte) []raw {
	at, whole := uint64(le.Uint32(b[60:])), uint64(len(b))
	if at > whole || whole-at < 24+240 || string(b[at:at+4]) != "PE\x00\x00" {
		return nil
	}
	coff, opt := b[at+4:], b[at+24:]
	im.Arch = machine(uint32(le.Uint16(coff)), 0x8664, 0xAA64)
	n, optSize := uint64(le.Uint16(coff[2:])), uint64(le.Uint16(coff[16:]))
	if le.Uint16(opt) != 0x20B || optSize < 240 || 24+optSize+n*40 > whole-at {
		return nil
	}
	base := le.Uint64(opt[24:])
	segments := []raw{{size: min(uint64(le.Uint32(opt[60:])), whole), addr: base}}
	for i := range n {
		s := opt[optSize+i*40:]
		mem, addr, size, off := uint64(le.Uint32(s[8:])), uint64(le.Uint32(s[12:])), uint64(le.Uint32(s[16:])), uint64(le.Uint32(s[20:]))
		// What the file holds beyond the section's memory is padding, but it is mapped in whole pages all the same.
		segments = append(segments, raw{off, min(size, (mem+511)&^511), base + addr, mem, le.Uint32(s[36:])&0x20000000 != 0})
		for dir, span := range map[int]*Span{3: &im.Pdata, 5: &im.Reloc} {
			va, n := uint64(le.Uint32(opt[112+8*dir:])), uint64(le.Uint32(opt[116+8*dir:]))
			if n > 0 && va >= addr && va-addr+n <= size {
				*span = Span{uint32(va - addr + off), uint32(n)}
			}
		}
	}
	if !im.Pdata.in(b) || !im.Reloc.in(b) {
		return nil
	}
	return segments
}

func (s Span) in(b []byte) bool { return uint64(s.Off)+uint64(s.Len) <= uint64(len(b)) }

func (im *Image) macho(b []byte) (segments []raw) {
	im.Arch = machine(le.Uint32(b[4:]), 0x01000007, 0x0100000C)
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
		at += size
		var to *Span
		switch {
		case cmd == 0x19 && size >= 72: // LC_SEGMENT_64
			s := raw{le.Uint64(c[40:]), le.Uint64(c[48:]), le.Uint64(c[24:]), le.Uint64(c[32:]), le.Uint32(c[60:])&4 != 0}
			if s.addr != 0 || s.size != 0 { // not the page that catches null pointers
				segments = append(segments, s)
			}
		case cmd == 0x1D && size >= 16: // LC_CODE_SIGNATURE
			to = &im.Sign
		case cmd&0x7FFFFFFF == 0x22 && size >= 48: // LC_DYLD_INFO
			to = &im.Rebase
		}
		if to != nil {
			if s := (Span{le.Uint32(c[8:]), le.Uint32(c[12:])}); s.in(b) {
				*to = s
			}
		}
	}
	return segments
}
