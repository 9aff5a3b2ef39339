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

// Inst is the layout of one amd64 instruction.
type Inst struct {
	Len    int // 0 for bytes that are no instruction
	Opcode int // index of the last opcode byte
	ModRM  int // index, or 0
	SIB    int // index, or 0
	Disp   int // index of the displacement, or 0
	DispN  int // its bytes
	Imm    int // index of the immediate, or 0
	ImmN   int // its bytes
	Kind   Kind
	Rel    int // index of the relative field if Kind is not None
	Head   int // bytes that determine all of this
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

// reader walks over the bytes of one instruction; behind the end it reads zeros.
type reader struct {
	b  []byte
	at int
}

func (r *reader) peek() byte {
	if r.at < len(r.b) {
		return r.b[r.at]
	}
	return 0
}

func (r *reader) next() byte {
	c := r.peek()
	r.at++
	return c
}

// AMD64 takes the instruction at the start of b apart. Bytes behind the end of b count as zero, so a caller that has
// only the first n bytes of an instruction may rely on the result if Head is at most n.
func AMD64(b []byte) Inst {
	r := reader{b: b}
	half, wide := false, false // operand size prefix, REX.W
	for prefix := true; prefix; {
		switch r.peek() {
		case 0x66:
			half = true
			r.at++
		case 0x67, 0xF2, 0xF3, 0xF0, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65:
			r.at++
		default:
			prefix = false
		}
		if r.at == 14 {
			return Inst{}
		}
	}
	if c := r.peek(); c&0xF0 == 0x40 {
		wide = c&8 != 0
		r.at++
	}
	var in Inst
	class, n := in.opcode(&r), 0
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
	switch class {
	case 'm', 'B', 'Z':
		in.operand(&r)
	case 'g':
		op := r.b[in.Opcode]
		if in.operand(&r) >= 2 {
			n = 0
		} else if op == 0xF6 {
			n = 1
		}
	case 'r', 'R':
		in.Rel = r.at
	}
	if n > 0 {
		in.Imm, in.ImmN = r.at, n
		r.at += n
	}
	if r.at > 15 {
		return Inst{}
	}
	in.Len = r.at
	return in
}

// opcode reads the opcode, with its escape or vector prefix, and returns what follows it.
func (in *Inst) opcode(r *reader) (class byte) {
	op := r.next()
	switch op {
	case 0xC4: // VEX, three bytes
		m := r.next() & 31
		r.at++
		class = vector(m, r.next())
	case 0xC5: // VEX, two bytes
		r.at++
		class = vector(1, r.next())
	case 0x62: // EVEX
		m := r.next() & 7
		r.at += 2
		class = vector(m, r.next())
	case 0x0F:
		op = r.next()
		switch class = behind0F[op]; {
		case op == 0x38:
			r.at++
		case op == 0x3A:
			r.at++
			class = 'B'
		case class == 'R':
			in.Kind = Cond
		}
	default:
		switch class = oneByte[op]; {
		case class == 'r':
			in.Kind = Rel8
		case class == 'R':
			in.Kind = Call + Kind(op&1) // E8, E9
		}
	}
	in.Opcode, in.Head = r.at-1, r.at
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

// operand reads the ModRM byte and what it asks for, and returns its reg.
func (in *Inst) operand(r *reader) (reg byte) {
	in.ModRM = r.at
	m := r.next()
	mod, rm := m>>6, m&7
	base := rm
	if mod != 3 && rm == 4 {
		in.SIB = r.at
		base = r.next() & 7
	}
	in.Head = r.at
	switch {
	case mod == 1:
		in.DispN = 1
	case mod == 2, mod == 0 && base == 5:
		in.DispN = 4
	}
	if in.DispN > 0 {
		in.Disp = r.at
		if mod == 0 && rm == 5 {
			in.Kind, in.Rel = Data, r.at
		}
		r.at += in.DispN
	}
	return m >> 3 & 7
}

// Class says what byte i of the instruction is for; less than 32.
func (in *Inst) Class(i int) uint8 {
	disp := i - in.Disp
	switch {
	case i < in.Opcode:
		return 1
	case i == in.Opcode:
		return 2
	case i == in.ModRM:
		return 3
	case i == in.SIB:
		return 4
	case disp >= 0 && disp < in.DispN && in.DispN == 1:
		return 5 + min(uint8(in.SIB), 1)
	case disp >= 0 && disp < in.DispN:
		return 7 + 8*min(uint8(in.SIB), 1) + uint8(disp)
	case in.ImmN > 0 && i >= in.Imm:
		return 20 + uint8(i-in.Imm)
	}
	return 0
}
