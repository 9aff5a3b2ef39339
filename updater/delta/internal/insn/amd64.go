// Package insn takes machine instructions apart as far as the delta codec needs: how long one is, what each of its
// bytes is for, and where it refers to another address.
package insn

// Kind says which field of an instruction holds an address, or a part of one, and how.
type Kind uint8

// The kinds of fields. Those of amd64 count from the end of the instruction, those of arm64 from its start. Short ones come
// first, as they never lead out of a function.
const (
	None     Kind = iota
	Rel8          // amd64: one byte, short jumps
	Branch19      // arm64: B.cond, CBZ, CBNZ
	Branch14      // arm64: TBZ, TBNZ
	Call          // amd64: four bytes
	Jump          // four bytes
	Cond          // four bytes: conditional jumps
	Data          // four bytes: the displacement of a memory operand
	Branch26      // arm64: B, BL
	Page          // ADRP: distance in pages of 4 KiB from the page of the instruction
	Low12         // ADD, LDR, STR: the low bits
)

// Inst is the layout of one amd64 instruction: the index of the last opcode byte, and where the parts behind it begin,
// each of which may be empty: ModRM, SIB, displacement, immediate. The bytes before Disp determine all of it.
type Inst struct {
	Len                    uint8 // 0 for bytes that are no instruction
	Opcode, SIB, Disp, Imm uint8
	Kind                   Kind
	Rel                    uint8 // the relative field if Kind is not None
}

// What follows an opcode, sixteen of them a line. Lower case without ModRM but for m: nothing (.), one byte (b), two (w),
// three (e), eight (o); four, or two with an operand size prefix (z), and eight instead with REX.W (v); relative, one
// byte (r) or four (R). With ModRM: nothing more (m), as b (B), as z (Z), and with reg 0 and 1 only: as b (G), as z (g). A
// prefix (p); x is no instruction in 64-bit code. Escapes are taken care of elsewhere.
const (
	oneByte = "mmmmbzxxmmmmbzxx" + "mmmmbzxxmmmmbzxx" + "mmmmbzpxmmmmbzpx" + "mmmmbzpxmmmmbzpx" +
		"................" + "................" + "xxxmppppzZbB...." + "rrrrrrrrrrrrrrrr" +
		"BZxBmmmmmmmmmmmm" + "..........x....." + "oooo....bz......" + "bbbbbbbbvvvvvvvv" +
		"BBw...BZe.w..bx." + "mmmmxxx.mmmmmmmm" + "rrrrbbbbRRxr...." + "p.pp..Gg......mm"
	behind0F = "mmmmx.....x.xm.m" + "mmmmmmmmmmmmmmmm" + "mmmmxxxxmmmmmmmm" + "......x.mxmxxxxx" +
		"mmmmmmmmmmmmmmmm" + "mmmmmmmmmmmmmmmm" + "mmmmmmmmmmmmmmmm" + "BBBBmmm.mmmmmmmm" +
		"RRRRRRRRRRRRRRRR" + "mmmmmmmmmmmmmmmm" + "...mBmmm...mBmmm" + "mmmmmmmmmmBmmmmm" +
		"mmBmBBBm........" + "mmmmmmmmmmmmmmmm" + "mmmmmmmmmmmmmmmm" + "mmmmmmmmmmmmmmmm"
)

// How many bytes follow what a letter says, and whether ModRM precedes them.
var (
	immediates = [128]uint8{'b': 1, 'B': 1, 'G': 1, 'r': 1, 'w': 2, 'e': 3, 'z': 4, 'Z': 4, 'g': 4, 'v': 4, 'R': 4, 'o': 8}
	hasModRM   = [128]bool{'m': true, 'B': true, 'Z': true, 'g': true, 'G': true}
)

// window is the bytes of one instruction, and zeros behind what is known of it.
type window [32]byte

// AMD64 takes the instruction at the start of b apart. Bytes behind the end of b count as zero, so a caller that has
// only the first n bytes of an instruction may rely on the result if Disp is at most n.
func AMD64(b []byte) (in Inst) {
	var w window
	copy(w[:16], b)
	at, half, wide := uint8(0), false, false // operand size prefix, REX.W
	for ; oneByte[w[at]] == 'p' && at < 14; at++ {
		half = half || w[at] == 0x66
	}
	if c := w[at]; c&0xF0 == 0x40 {
		wide = c&8 != 0
		at++
	}
	class, at := in.opcode(&w, at)
	if class == 'x' || class == 'p' {
		return Inst{}
	}
	in.Opcode, at = at, at+1
	n := immediates[class]
	switch {
	case wide && class == 'v':
		n = 8
	case half && !wide && n == 4 && class != 'R':
		n = 2
	}
	in.SIB, in.Disp, in.Imm = at, at, at
	if hasModRM[class] {
		if class|32 == 'g' && w[at]>>3&7 >= 2 {
			n = 0
		}
		in.operand(&w, at)
	}
	if class|32 == 'r' {
		in.Rel = in.Imm
	}
	if in.Len = in.Imm + n; in.Len > 15 {
		return Inst{}
	}
	return in
}

// opcode reads the opcode, with its escape or vector prefix, and returns what follows it and where its last byte is.
func (in *Inst) opcode(w *window, at uint8) (class byte, last uint8) {
	table := byte(0) // of opcodes: one byte, behind 0F, behind 0F 38, behind 0F 3A
	switch w[at] {
	case 0x0F:
		at++
		switch table = 1; w[at] {
		case 0x38:
			table, at = 2, at+1
		case 0x3A:
			table, at = 3, at+1
		}
	case 0xC5: // VEX, two bytes
		table, at = 1, at+2
	case 0xC4: // VEX, three bytes
		table, at = w[at+1]&31, at+3
	case 0x62: // EVEX
		table, at = w[at+1]&7, at+4
	}
	op := w[at]
	switch class = 'm'; table {
	case 0:
		if class = oneByte[op]; class == 'r' {
			in.Kind = Rel8
		} else if class == 'R' {
			in.Kind = Call + Kind(op&1) // E8, E9
		}
	case 1:
		if class = behind0F[op]; class == 'R' {
			in.Kind = Cond
		}
	case 3:
		class = 'B'
	}
	return class, at
}

// operand reads the ModRM byte and what it asks for.
func (in *Inst) operand(w *window, at uint8) {
	mod, base := w[at]>>6, w[at]&7
	in.SIB = at + 1
	in.Disp = in.SIB
	if mod != 3 && base == 4 {
		base = w[in.SIB] & 7
		in.Disp++
	}
	in.Imm = in.Disp
	switch {
	case mod == 1:
		in.Imm++
	case mod == 2, mod == 0 && base == 5:
		in.Imm += 4
	}
	if mod == 0 && in.Imm > in.Disp && in.Disp == in.SIB {
		in.Kind, in.Rel = Data, in.Disp
	}
}

// Class says what byte i of the instruction is for; less than 32.
func (in *Inst) Class(i uint8) uint8 {
	sib := in.Disp - in.SIB // 1 if there is one
	switch {
	case i >= in.Len:
		return 0
	case i >= in.Imm:
		return 15 + i - in.Imm
	case i >= in.Disp && in.Imm-in.Disp == 1:
		return 5 + sib
	case i >= in.Disp:
		return 7 + 4*sib + i - in.Disp
	case i >= in.SIB:
		return 4
	case i > in.Opcode:
		return 3
	case i == in.Opcode:
		return 2
	}
	return 1
}
