package insn

// Form says which field of an arm64 instruction holds an address.
type Form uint8

// The forms. Distances of branches count from the instruction, those of Page from the page it is in.
const (
	Plain Form = iota
	B26        // B, BL
	B19        // B.cond, CBZ, CBNZ
	B14        // TBZ, TBNZ
	Page       // ADRP
)

// ARM64 returns the form of an instruction and the distance in bytes that it holds.
func ARM64(w uint32) (Form, uint32) {
	switch {
	case w&0x7C000000 == 0x14000000:
		return B26, uint32(int32(w<<6)>>6) << 2
	case w&0xFF000010 == 0x54000000, w&0x7E000000 == 0x34000000:
		return B19, uint32(int32(w<<8)>>13) << 2
	case w&0x7E000000 == 0x36000000:
		return B14, uint32(int32(w<<13)>>18) << 2
	case w&0x9F000000 == 0x90000000:
		return Page, uint32(int32(w<<8)>>13)<<14 | w>>29&3<<12
	}
	return Plain, 0
}

// Low12 returns the low bits that an ADD, load or store with an unsigned immediate adds to the base register given, and
// by how many bits the field is shifted.
func Low12(w, base uint32) (low uint32, scale uint16, ok bool) {
	if w>>5&31 != base {
		return 0, 0, false
	}
	imm := w >> 10 & 0xFFF
	switch {
	case w&0xFFC00000 == 0x91000000: // ADD, 64 bits, no shift
		return imm, 0, true
	case w&0x3B000000 == 0x39000000: // LDR, STR with an unsigned immediate
		scale := uint16(w >> 30)
		if w&0x04800000 == 0x04800000 { // a vector register of 128 bits
			scale += 4
		}
		if scale > 4 {
			return 0, 0, false
		}
		return imm << scale, scale, true
	}
	return 0, 0, false
}
