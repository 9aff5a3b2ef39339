// Package insn takes machine instructions apart as far as the delta codec needs: how long one is, what each of its
// bytes is for, and where it refers to another address.
package insn

// Kind says which field of an amd64 instruction holds an address relative to its end.
type Kind uint8

// The kinds of relative fields.
const (
	None Kind = iota
	Rel8      // one byte: short jumps
	Call      // four bytes
	Jump      // four bytes
	Cond      // four bytes: conditional jumps
	Data      // four bytes: the displacement of a memory operand
)

// Inst is the layout of one amd64 instruction; its fields are indexes of bytes and numbers of bytes.
type Inst struct {
	Len         uint8 // 0 for bytes that are no instruction
	Opcode      uint8 // the last opcode byte
	ModRM, SIB  uint8 // or 0
	Disp, DispN uint8 // the displacement, or 0
	Imm, ImmN   uint8 // the immediate, or 0
	Kind        Kind
	Rel         uint8 // the relative field if Kind is not None
	Head        uint8 // how many bytes determine all of this
}

// What follows an opcode, sixteen of them a line. Lower case without ModRM but for m: nothing (.), one byte (b), two (w),
// three (e), eight (o); four, or two with an operand size prefix (z), and eight instead with REX.W (v); relative, one
// byte (r) or four (R). With ModRM: nothing more (m), as b (B), as z (Z), and for F6 and F7 an immediate with reg 0 and 1
// only (g). x is no instruction in 64-bit code. Prefixes and escapes are taken care of elsewhere.
const (
	oneByte = "mmmmbzxxmmmmbzxx" + "mmmmbzxxmmmmbzxx" + "mmmmbzxxmmmmbzxx" + "mmmmbzxxmmmmbzxx" +
		"................" + "................" + "xxxm....zZbB...." + "rrrrrrrrrrrrrrrr" +
		"BZxBmmmmmmmmmmmm" + "..........x....." + "oooo....bz......" + "bbbbbbbbvvvvvvvv" +
		"BBw...BZe.w..bx." + "mmmmxxx.mmmmmmmm" + "rrrrbbbbRRxr...." + "......gg......mm"
	behind0F = "mmmmx.....x.xm.m" + "mmmmmmmmmmmmmmmm" + "mmmmxxxxmmmmmmmm" + "......x.mxmxxxxx" +
		"mmmmmmmmmmmmmmmm" + "mmmmmmmmmmmmmmmm" + "mmmmmmmmmmmmmmmm" + "BBBBmmm.mmmmmmmm" +
		"RRRRRRRRRRRRRRRR" + "mmmmmmmmmmmmmmmm" + "...mBmmm...mBmmm" + "mmmmmmmmmmBmmmmm" +
		"mmBmBBBm........" + "mmmmmmmmmmmmmmmm" + "mmmmmmmmmmmmmmmm" + "mmmmmmmmmmmmmmmm"
)

// window is the bytes of one instruction, with zeros behind the end of what is known. What reaches behind it is no
// instruction, so reading around its end does no harm.
type window [16]byte

func (w *window) at(i uint8) byte { return w[i&15] }

// AMD64 takes the instruction at the start of b apart. Bytes behind the end of b count as zero, so a caller that has
// only the first n bytes of an instruction may rely on the result if Head is at most n.
func AMD64(b []byte) (in Inst) {
	var w window
	if len(b) >= len(w) {
		w = window(b)
	} else {
		copy(w[:], b)
	}
	at, half, wide := uint8(0), false, false // operand size prefix, REX.W
	for prefix := true; prefix; {
		switch w.at(at) {
		case 0x66:
			half = true
			at++
		case 0x67, 0xF2, 0xF3, 0xF0, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65:
			at++
		default:
			prefix = false
		}
		if at == 14 {
			return Inst{}
		}
	}
	if c := w.at(at); c&0xF0 == 0x40 {
		wide = c&8 != 0
		at++
	}
	class := in.opcode(&w, at)
	n := uint8(0)
	switch class {
	case 'x':
		return Inst{}
	case 'b', 'B', 'r':
		n = 1
	case 'w':
		n = 2
	case 'e':
		n = 3
	case 'R':
		n = 4
	case 'o':
		n = 8
	case 'z', 'Z', 'v', 'g':
		switch n = 4; {
		case wide && class == 'v':
			n = 8
		case half && !wide:
			n = 2
		}
	}
	at = in.Opcode + 1
	switch class {
	case 'm', 'B', 'Z':
		at = in.operand(&w, at)
	case 'g':
		if w.at(at)>>3&7 >= 2 {
			n = 0
		} else if w.at(in.Opcode) == 0xF6 {
			n = 1
		}
		at = in.operand(&w, at)
	case 'r', 'R':
		in.Rel = at
	}
	if n > 0 {
		in.Imm, in.ImmN = at, n
	}
	if in.Len = at + n; in.Len > 15 {
		return Inst{}
	}
	return in
}

// opcode reads the opcode, with its escape or vector prefix, and returns what follows it.
func (in *Inst) opcode(w *window, at uint8) (class byte) {
	op := w.at(at)
	class = oneByte[op]
	switch class {
	case 'r':
		in.Kind = Rel8
	case 'R':
		in.Kind = Call + Kind(op&1) // E8, E9
	}
	switch op {
	case 0xC4: // VEX, three bytes
		class = vector(w.at(at+1)&31, w.at(at+3))
		at += 3
	case 0xC5: // VEX, two bytes
		class = vector(1, w.at(at+2))
		at += 2
	case 0x62: // EVEX
		class = vector(w.at(at+1)&7, w.at(at+4))
		at += 4
	case 0x0F:
		at++
		op = w.at(at)
		switch class = behind0F[op]; {
		case op == 0x38:
			at++
		case op == 0x3A:
			at++
			class = 'B'
		case class == 'R':
			in.Kind = Cond
		}
	}
	in.Opcode, in.Head = at, at+1
	return class
}

// vector returns what follows a VEX or EVEX opcode in map m.
func vector(m, op byte) byte {
	switch {
	case m == 1 && op == 0x77:
		return '.'
	case m == 1 && (op >= 0x70 && op <= 0x73 || op == 0xC2 || op >= 0xC4 && op <= 0xC6), m == 3:
		return 'B'
	}
	return 'm'
}

// operand reads the ModRM byte and what it asks for, and returns the place behind it.
func (in *Inst) operand(w *window, at uint8) uint8 {
	in.ModRM = at
	m := w.at(at)
	mod, base := m>>6, m&7
	at++
	if mod != 3 && base == 4 {
		in.SIB = at
		base = w.at(at) & 7
		at++
	}
	in.Head = at
	switch {
	case mod == 1:
		in.DispN = 1
	case mod == 2, mod == 0 && base == 5:
		in.DispN = 4
	default:
		return at
	}
	in.Disp = at
	if mod == 0 && in.SIB == 0 {
		in.Kind, in.Rel = Data, at
	}
	return at + in.DispN
}

// Class says what byte i of the instruction is for; less than 32.
func (in *Inst) Class(i uint8) uint8 {
	switch {
	case i < in.Opcode:
		return 1
	case i == in.Opcode:
		return 2
	case i == in.ModRM:
		return 3
	case i == in.SIB:
		return 4
	case i-in.Disp < in.DispN && in.DispN == 1: // around 0 before it
		return 5 + min(in.SIB, 1)
	case i-in.Disp < in.DispN:
		return 7 + 8*min(in.SIB, 1) + i - in.Disp
	case in.ImmN > 0 && i >= in.Imm:
		return 20 + i - in.Imm
	}
	return 0
}
