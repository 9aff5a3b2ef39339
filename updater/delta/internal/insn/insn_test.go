package insn

import (
	"encoding/hex"
	"testing"
)

// TestAMD64 lists instructions whose layout is known from the manual.
func TestAMD64(t *testing.T) {
	for _, c := range []struct {
		code string
		want Inst
	}{
		{"90", Inst{Len: 1, Opcode: 0, SIB: 1, Disp: 1, Imm: 1}},
		{"e811223344", Inst{Len: 5, Opcode: 0, SIB: 1, Disp: 1, Imm: 1, Kind: Call, Rel: 1}},
		{"e911223344", Inst{Len: 5, Opcode: 0, SIB: 1, Disp: 1, Imm: 1, Kind: Jump, Rel: 1}},
		{"eb10", Inst{Len: 2, Opcode: 0, SIB: 1, Disp: 1, Imm: 1, Kind: Rel8, Rel: 1}},
		{"7510", Inst{Len: 2, Opcode: 0, SIB: 1, Disp: 1, Imm: 1, Kind: Rel8, Rel: 1}},
		{"0f8511223344", Inst{Len: 6, Opcode: 1, SIB: 2, Disp: 2, Imm: 2, Kind: Cond, Rel: 2}},
		{"488d0511223344", Inst{Len: 7, Opcode: 1, SIB: 3, Disp: 3, Imm: 7, Kind: Data, Rel: 3}},          // LEA rax, [rip+..]
		{"833d1122334400", Inst{Len: 7, Opcode: 0, SIB: 2, Disp: 2, Imm: 6, Kind: Data, Rel: 2}},          // CMP dword [rip+..], 0
		{"48c70511223344aabbccdd", Inst{Len: 11, Opcode: 1, SIB: 3, Disp: 3, Imm: 7, Kind: Data, Rel: 3}}, // MOV qword [rip+..], imm32
		{"48b81122334455667788", Inst{Len: 10, Opcode: 1, SIB: 2, Disp: 2, Imm: 2}},                       // MOV rax, imm64
		{"66b81122", Inst{Len: 4, Opcode: 1, SIB: 2, Disp: 2, Imm: 2}},
		{"488b442408", Inst{Len: 5, Opcode: 1, SIB: 3, Disp: 4, Imm: 5}},
		{"488b042511223344", Inst{Len: 8, Opcode: 1, SIB: 3, Disp: 4, Imm: 8}},
		{"f6c301", Inst{Len: 3, Opcode: 0, SIB: 2, Disp: 2, Imm: 2}},       // TEST bl, 1
		{"f7d8", Inst{Len: 2, Opcode: 0, SIB: 2, Disp: 2, Imm: 2}},         // NEG eax
		{"c5f8770f", Inst{Len: 3, Opcode: 2, SIB: 3, Disp: 3, Imm: 3}},     // VZEROUPPER
		{"c5fe6f06", Inst{Len: 4, Opcode: 2, SIB: 4, Disp: 4, Imm: 4}},     // VMOVDQU
		{"c4e37d39c101", Inst{Len: 6, Opcode: 3, SIB: 5, Disp: 5, Imm: 5}}, // VEXTRACTI128
		{"62f1fe486f06", Inst{Len: 6, Opcode: 4, SIB: 6, Disp: 6, Imm: 6}}, // VMOVDQU64
		{"660f3a0fc108", Inst{Len: 6, Opcode: 3, SIB: 5, Disp: 5, Imm: 5}}, // PALIGNR
		{"0f38f0c1", Inst{Len: 4, Opcode: 2, SIB: 4, Disp: 4, Imm: 4}},
		{"06", Inst{}},
	} {
		b, _ := hex.DecodeString(c.code)
		got := AMD64(b)
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.code, got, c.want)
		}
	}
}

func TestARM64(t *testing.T) {
	for _, c := range []struct {
		word  uint32
		kind  Kind
		scale uint16
	}{
		{0x94000004, Branch26, 0}, {0x17FFFFFF, Branch26, 0}, {0x54000040, Branch19, 0}, {0xB4FFFFE0, Branch19, 0}, {0x36000041, Branch14, 0},
		{0x3707FFE1, Branch14, 0}, {0x90000000, Page, 0}, {0xF0FFFFE0, Page, 0}, {0xD503201F, None, 0}, {0x10000000, None, 0},
		{0x91048C00, Low12, 0}, // ADD x0, x0, 0x123
		{0xF9400800, Low12, 3}, // LDR x0, [x0, 16]
		{0xB9400800, Low12, 2}, // LDR w0, [x0, 8]
		{0x3DC00400, Low12, 4}, // LDR q0, [x0, 16]
	} {
		if kind, scale := ARM64(c.word); kind != c.kind || scale != c.scale {
			t.Errorf("%08x: kind %d scale %d, want %d and %d", c.word, kind, scale, c.kind, c.scale)
		}
	}
}

// FuzzAMD64 checks that a layout never contradicts itself, and that a beginning of an instruction which determines its
// layout gives the same one.
func FuzzAMD64(f *testing.F) {
	for _, s := range []string{"e811223344", "48c70511223344aabbccdd", "62f1fe486f06", "660f3a0fc108"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := AMD64(b)
		if in.Len == 0 {
			return
		}
		if in.Len > 15 || in.Imm > in.Len || in.Disp > in.Imm || in.SIB > in.Disp || in.Opcode >= in.SIB {
			t.Fatalf("% x: %+v", b, in)
		}
		if in.Kind != None && (in.Rel == 0 || in.Rel < in.Disp) {
			t.Fatalf("% x: a relative field without a place: %+v", b, in)
		}
		if len(b) >= int(in.Disp) {
			if short := AMD64(b[:in.Disp]); short != in {
				t.Fatalf("% x: %+v, its beginning alone gives %+v", b, in, short)
			}
		}
		for i := range in.Len {
			if c := in.Class(i); c >= 32 {
				t.Fatalf("% x: byte %d has class %d", b, i, c)
			}
		}
	})
}
