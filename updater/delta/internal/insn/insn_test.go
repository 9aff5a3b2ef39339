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
		{"90", Inst{Len: 1, Opcode: 0, Head: 1}},
		{"e811223344", Inst{Len: 5, Imm: 1, ImmN: 4, Kind: Call, Rel: 1, Head: 1}},
		{"e911223344", Inst{Len: 5, Imm: 1, ImmN: 4, Kind: Jump, Rel: 1, Head: 1}},
		{"eb10", Inst{Len: 2, Imm: 1, ImmN: 1, Kind: Rel8, Rel: 1, Head: 1}},
		{"7510", Inst{Len: 2, Imm: 1, ImmN: 1, Kind: Rel8, Rel: 1, Head: 1}},
		{"0f8511223344", Inst{Len: 6, Opcode: 1, Imm: 2, ImmN: 4, Kind: Cond, Rel: 2, Head: 2}},
		{"488d0511223344", Inst{Len: 7, Opcode: 1, ModRM: 2, Disp: 3, DispN: 4, Kind: Data, Rel: 3, Head: 3}},                           // LEA rax, [rip+..]
		{"833d1122334400", Inst{Len: 7, Opcode: 0, ModRM: 1, Disp: 2, DispN: 4, Imm: 6, ImmN: 1, Kind: Data, Rel: 2, Head: 2}},          // CMP dword [rip+..], 0
		{"48c70511223344aabbccdd", Inst{Len: 11, Opcode: 1, ModRM: 2, Disp: 3, DispN: 4, Imm: 7, ImmN: 4, Kind: Data, Rel: 3, Head: 3}}, // MOV qword [rip+..], imm32
		{"48b81122334455667788", Inst{Len: 10, Opcode: 1, Imm: 2, ImmN: 8, Head: 2}},                                                    // MOV rax, imm64
		{"66b81122", Inst{Len: 4, Opcode: 1, Imm: 2, ImmN: 2, Head: 2}},
		{"488b442408", Inst{Len: 5, Opcode: 1, ModRM: 2, SIB: 3, Disp: 4, DispN: 1, Head: 4}},
		{"488b042511223344", Inst{Len: 8, Opcode: 1, ModRM: 2, SIB: 3, Disp: 4, DispN: 4, Head: 4}},
		{"f6c301", Inst{Len: 3, ModRM: 1, Imm: 2, ImmN: 1, Head: 2}},                  // TEST bl, 1
		{"f7d8", Inst{Len: 2, ModRM: 1, Head: 2}},                                     // NEG eax
		{"c5f8770f", Inst{Len: 3, Opcode: 2, Head: 3}},                                // VZEROUPPER
		{"c5fe6f06", Inst{Len: 4, Opcode: 2, ModRM: 3, Head: 4}},                      // VMOVDQU
		{"c4e37d39c101", Inst{Len: 6, Opcode: 3, ModRM: 4, Imm: 5, ImmN: 1, Head: 5}}, // VEXTRACTI128
		{"62f1fe486f06", Inst{Len: 6, Opcode: 4, ModRM: 5, Head: 6}},                  // VMOVDQU64
		{"660f3a0fc108", Inst{Len: 6, Opcode: 3, ModRM: 4, Imm: 5, ImmN: 1, Head: 5}}, // PALIGNR
		{"0f38f0c1", Inst{Len: 4, Opcode: 2, ModRM: 3, Head: 4}},
		{"06", Inst{}},
	} {
		b, _ := hex.DecodeString(c.code)
		got := AMD64(b)
		if got.Len > 0 && got.Imm == 0 {
			got.Imm = 0
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.code, got, c.want)
		}
	}
}

func TestARM64(t *testing.T) {
	for _, c := range []struct {
		word     uint32
		form     Form
		distance int32
	}{
		{0x94000004, B26, 16}, {0x17FFFFFF, B26, -4}, {0x54000040, B19, 8}, {0xB4FFFFE0, B19, -4}, {0x36000041, B14, 8},
		{0x3707FFE1, B14, -4}, {0x90000000, Page, 0}, {0xB0000001, Page, 4096}, {0xF0FFFFE0, Page, -4096}, {0xD503201F, Plain, 0},
		{0x10000000, Plain, 0},
	} {
		form, d := ARM64(c.word)
		if form != c.form || int32(d) != c.distance {
			t.Errorf("%08x: form %d distance %d, want %d and %d", c.word, form, int32(d), c.form, c.distance)
		}
	}
	for _, c := range []struct {
		word  uint32
		low   uint32
		scale uint16
		ok    bool
	}{
		{0x91048C00, 0x123, 0, true}, // ADD x0, x0, 0x123
		{0xF9400800, 16, 3, true},    // LDR x0, [x0, 16]
		{0xB9400800, 8, 2, true},     // LDR w0, [x0, 8]
		{0x3DC00400, 16, 4, true},    // LDR q0, [x0, 16]
		{0x91048C20, 0, 0, false},    // ADD x0, x1, ...
		{0xD503201F, 0, 0, false},
	} {
		low, scale, ok := Low12(c.word, 0)
		if ok != c.ok || ok && (low != c.low || scale != c.scale) {
			t.Errorf("%08x: %d << %d %v, want %d << %d %v", c.word, low, scale, ok, c.low, c.scale, c.ok)
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
		if in.Len > 15 || in.Head > in.Len || in.Disp+in.DispN > in.Len || in.Imm+in.ImmN > in.Len || in.Opcode >= in.Head {
			t.Fatalf("% x: %+v", b, in)
		}
		if in.Kind != None && (in.Rel == 0 || in.Rel < in.Head) {
			t.Fatalf("% x: a relative field without a place: %+v", b, in)
		}
		if len(b) >= int(in.Head) {
			if short := AMD64(b[:in.Head]); short != in {
				t.Fatalf("% x: %+v, its head alone gives %+v", b, in, short)
			}
		}
		for i := range in.Len {
			if c := in.Class(i); c >= 32 {
				t.Fatalf("% x: byte %d has class %d", b, i, c)
			}
		}
	})
}
