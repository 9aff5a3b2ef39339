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

// Immediate classes of the one-byte opcodes and of those behind 0F.
const (
	no   = iota
	ib   // one byte
	iw   // two
	iz   // four, or two with an operand size prefix
	iv   // eight with REX.W, else as iz
	mo   // an address of eight bytes
	rb   // relative, one byte
	rd   // relative, four bytes
	iwb  // enter: two and one
	bad  // no instruction in 64-bit code
	grp3 // F6, F7: an immediate with reg 0 and 1 only
)

const modrm = 0x10

// one has an entry for each one-byte opcode, two for each behind 0F.
var one, two [256]uint8

func init() {
	for row := 0; row < 0x40; row += 8 {
		for i := range 4 {
			one[row+i] = modrm
		}
		one[row+4], one[row+5], one[row+6], one[row+7] = ib, iz, bad, bad
	}
	set := func(t *[256]uint8, from, to int, v uint8) {
		for i := from; i <= to; i++ {
			t[i] = v
		}
	}
	set(&one, 0x60, 0x62, bad)
	one[0x63] = modrm
	one[0x68], one[0x69], one[0x6A], one[0x6B] = iz, modrm|iz, ib, modrm|ib
	set(&one, 0x70, 0x7F, rb)
	one[0x80], one[0x81], one[0x82], one[0x83] = modrm|ib, modrm|iz, bad, modrm|ib
	set(&one, 0x84, 0x8F, modrm)
	one[0x9A] = bad
	set(&one, 0xA0, 0xA3, mo)
	one[0xA8], one[0xA9] = ib, iz
	set(&one, 0xB0, 0xB7, ib)
	set(&one, 0xB8, 0xBF, iv)
	one[0xC0], one[0xC1], one[0xC2] = modrm|ib, modrm|ib, iw
	one[0xC6], one[0xC7], one[0xC8], one[0xCA], one[0xCD], one[0xCE] = modrm|ib, modrm|iz, iwb, iw, ib, bad
	set(&one, 0xD0, 0xD3, modrm)
	set(&one, 0xD4, 0xD6, bad)
	set(&one, 0xD8, 0xDF, modrm)
	set(&one, 0xE0, 0xE3, rb)
	set(&one, 0xE4, 0xE7, ib)
	one[0xE8], one[0xE9], one[0xEA], one[0xEB] = rd, rd, bad, rb
	one[0xF6], one[0xF7] = modrm|grp3, modrm|grp3
	one[0xFE], one[0xFF] = modrm, modrm

	set(&two, 0x00, 0xFF, modrm)
	for _, op := range []int{0x05, 0x06, 0x07, 0x08, 0x09, 0x0B, 0x0E, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x37, 0x77, 0xA0, 0xA1, 0xA2, 0xA8, 0xA9, 0xAA} {
		two[op] = no
	}
	for _, op := range []int{0x04, 0x0A, 0x0C, 0x24, 0x25, 0x26, 0x27, 0x36, 0x39, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F} {
		two[op] = bad
	}
	set(&two, 0x70, 0x73, modrm|ib)
	set(&two, 0x80, 0x8F, rd)
	set(&two, 0xC8, 0xCF, no)
	for _, op := range []int{0xA4, 0xAC, 0xBA, 0xC2, 0xC4, 0xC5, 0xC6} {
		two[op] = modrm | ib
	}
}

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
	var in Inst
	operand16, rexW := false, false
	for range 14 {
		switch r.peek() {
		case 0x66:
			operand16 = true
		case 0x67, 0xF2, 0xF3, 0xF0, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65:
		default:
			goto prefixed
		}
		r.at++
	}
	return Inst{}
prefixed:
	if c := r.peek(); c&0xF0 == 0x40 {
		rexW = c&8 != 0
		r.at++
	}
	class := in.opcode(&r)
	if class&15 == bad {
		return Inst{}
	}
	in.operand(&r, class)
	in.immediate(&r, class&15, operand16, rexW)
	if r.at > 15 {
		return Inst{}
	}
	in.Len = r.at
	return in
}

// opcode reads the opcode, with its escape or vector prefix, and returns its class.
func (in *Inst) opcode(r *reader) uint8 {
	op := r.next()
	class := one[op]
	switch op {
	case 0xC4: // VEX, three bytes
		m := r.next() & 31
		r.at++
		class = vector(m, r.peek())
		r.at++
	case 0xC5: // VEX, two bytes
		r.at++
		class = vector(1, r.peek())
		r.at++
	case 0x62: // EVEX
		m := r.next() & 7
		r.at += 2
		class = vector(m, r.peek())
		r.at++
	case 0x0F:
		op = r.next()
		class = two[op]
		switch {
		case op == 0x38:
			r.at++
			class = modrm
		case op == 0x3A:
			r.at++
			class = modrm | ib
		case class == rd:
			in.Kind = Cond
		}
	case 0xE8:
		in.Kind = Call
	case 0xE9:
		in.Kind = Jump
	}
	if class == rb {
		in.Kind = Rel8
	}
	in.Opcode = r.at - 1
	in.Head = r.at
	return class
}

// vector returns the class of a VEX or EVEX opcode in map m.
func vector(m, op byte) uint8 {
	switch {
	case m == 1 && op == 0x77:
		return no
	case m == 1 && (op >= 0x70 && op <= 0x73 || op == 0xC2 || op >= 0xC4 && op <= 0xC6), m == 3:
		return modrm | ib
	}
	return modrm
}

// operand reads the ModRM byte and what it asks for.
func (in *Inst) operand(r *reader, class uint8) {
	if class&modrm == 0 {
		return
	}
	in.ModRM = r.at
	m := r.next()
	in.Head = r.at
	mod, rm := m>>6, m&7
	if class&15 == grp3 && m>>3&7 < 2 {
		in.ImmN = -1
	}
	if mod == 3 {
		return
	}
	if rm == 4 {
		in.SIB = r.at
		if base := r.next() & 7; mod == 0 && base == 5 {
			in.DispN = 4
		}
		in.Head = r.at
	}
	switch {
	case mod == 1:
		in.DispN = 1
	case mod == 2:
		in.DispN = 4
	case mod == 0 && rm == 5:
		in.DispN = 4
		in.Kind = Data
	}
	if in.DispN > 0 {
		in.Disp = r.at
		if in.Kind == Data {
			in.Rel = r.at
		}
		r.at += in.DispN
	}
}

// immediate accounts for the immediate or the relative address at the end.
func (in *Inst) immediate(r *reader, class uint8, operand16, rexW bool) {
	n := 0
	switch class {
	case ib, rb:
		n = 1
	case iw:
		n = 2
	case iwb:
		n = 3
	case iz, iv:
		switch {
		case rexW && class == iv:
			n = 8
		case operand16 && !rexW:
			n = 2
		default:
			n = 4
		}
	case mo:
		n = 8
	case rd:
		n = 4
	case grp3:
		if in.ImmN < 0 {
			switch {
			case r.opcode(in.Opcode) == 0xF6:
				n = 1
			case operand16 && !rexW:
				n = 2
			default:
				n = 4
			}
		}
	}
	in.ImmN = n
	if n == 0 {
		return
	}
	in.Imm = r.at
	if class == rb || class == rd {
		in.Rel = r.at
	}
	r.at += n
}

func (r *reader) opcode(i int) byte {
	if i < len(r.b) {
		return r.b[i]
	}
	return 0
}

// Class says what byte i of the instruction is for; less than 32.
func (in *Inst) Class(b []byte, i int) uint8 {
	switch {
	case i < in.Opcode:
		return 1
	case i == in.Opcode:
		return 2
	case in.ModRM > 0 && i == in.ModRM:
		return 3
	case in.SIB > 0 && i == in.SIB:
		return 4
	case in.DispN > 0 && i >= in.Disp && i < in.Disp+in.DispN:
		base := uint8(5)
		if in.DispN == 4 {
			base = 7 + uint8(i-in.Disp)
		}
		if in.SIB > 0 {
			base += 8
			if in.DispN == 1 {
				base = 6
			}
		}
		return base
	case in.ImmN > 0 && i >= in.Imm:
		return 20 + uint8(i-in.Imm)
	}
	return 0
}
