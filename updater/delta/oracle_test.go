package delta_test

import (
	"encoding/binary"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"
	"golang.org/x/arch/x86/x86asm"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/insn"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// code calls f with each function of a sample program.
func code(t *testing.T, platform string, f func(b []byte, addr uint64)) {
	base, _ := golden(t, platform)
	s := refs.Analyse(base)
	if s.Module.NFunc == 0 {
		t.Fatalf("the sample for %s has no function table", platform)
	}
	for i := range s.Module.NFunc {
		addr := s.Module.Base[refs.Text] + s.Module.Entry(i)
		if b, ok := s.Image.Bytes(addr, s.Module.Entry(i+1)-s.Module.Entry(i)); ok {
			f(b, s.Image.Base+uint64(addr))
		}
	}
}

// TestAMD64AgreesWithOracle decodes all code of real programs beside golang.org/x/arch, which knows no vector prefixes:
// these are counted, and ours must know them.
func TestAMD64AgreesWithOracle(t *testing.T) {
	for _, platform := range []string{"linux-amd64", "windows-amd64"} {
		same, relative, vector, unknown := 0, 0, 0, 0
		code(t, platform, func(b []byte, addr uint64) {
			for at := 0; at < len(b); {
				in := insn.AMD64(b[at:min(at+16, len(b))])
				want, err := x86asm.Decode(b[at:], 64)
				if err == nil && vectorPrefix(b[at]) {
					err = x86asm.ErrUnrecognized // what it makes of one is not the instruction
				}
				switch {
				case err == nil && int(in.Len) != want.Len:
					t.Fatalf("% x is %v of %d bytes, ours has %d", b[at:min(at+15, len(b))], want, want.Len, in.Len)
				case err == nil && want.PCRel > 0:
					relative++
					if size := int(in.Len) - int(in.Rel) - tailOf(&in); in.Kind == insn.None || int(in.Rel) != want.PCRelOff || size != want.PCRel {
						t.Fatalf("% x (%v): relative field of %d bytes at %d, ours %+v", b[at:at+want.Len], want, want.PCRel, want.PCRelOff, in)
					}
				case err == nil && in.Kind != insn.None:
					t.Fatalf("% x (%v) refers to nothing, ours %+v", b[at:at+want.Len], want, in)
				case in.Len == 0:
					unknown++
				case err != nil:
					vector++
				}
				same++
				at += int(max(in.Len, 1))
			}
		})
		t.Logf("%s: %d instructions, %d relative, %d that only ours knows, %d bytes that neither knows", platform, same, relative, vector, unknown)
		if same < 100_000 || relative < 20_000 || vector*50 > same || unknown > 200 { // a PE's build id is in its text
			t.Errorf("%s: %d instructions, %d relative, %d that only ours knows, %d unknown bytes: this compared too little", platform, same, relative, vector, unknown)
		}
	}
}

// tailOf is how many bytes of an instruction follow its relative field.
func tailOf(in *insn.Inst) int {
	if in.Kind == insn.Data {
		return int(in.Len - in.Imm)
	}
	return 0
}

// vectorPrefix says whether a byte begins a VEX or EVEX instruction.
func vectorPrefix(b byte) bool { return b == 0xC4 || b == 0xC5 || b == 0x62 }

// TestARM64AgreesWithOracle does it for the kind and the distance of every word of code.
func TestARM64AgreesWithOracle(t *testing.T) {
	for _, platform := range []string{"linux-arm64", "darwin-arm64"} {
		words, relative := 0, 0
		code(t, platform, func(b []byte, _ uint64) {
			for ; len(b) >= 4; b = b[4:] {
				words++
				want, err := arm64asm.Decode(b)
				if err != nil {
					continue // data between functions
				}
				kind, _ := insn.ARM64(binary.LittleEndian.Uint32(b))
				if kind == insn.Low12 {
					kind = insn.None
				}
				r := refs.Ref{Kind: kind}
				wantKind, wantDistance := kindOf(want)
				if kind != wantKind || kind != insn.None && r.Wrap(int64(r.Get(b)))<<r.Shift() != wantDistance {
					t.Fatalf("% x is %v: kind %d distance %d, ours kind %d", b[:4], want, wantKind, wantDistance, kind)
				}
				if kind != insn.None {
					relative++
				}
			}
		})
		t.Logf("%s: %d words, %d relative", platform, words, relative)
		if words < 100_000 || relative < 20_000 {
			t.Errorf("%s: %d words, %d relative: this compared too little", platform, words, relative)
		}
	}
}

// kindOf is what the codec calls the field of the oracle's instruction, and how far away its target is.
func kindOf(in arm64asm.Inst) (insn.Kind, int64) {
	for _, arg := range in.Args {
		distance, ok := arg.(arm64asm.PCRel)
		if !ok {
			continue
		}
		switch in.Op {
		case arm64asm.BL:
			return insn.Branch26, int64(distance)
		case arm64asm.B:
			if _, conditional := in.Args[0].(arm64asm.Cond); conditional {
				return insn.Branch19, int64(distance)
			}
			return insn.Branch26, int64(distance)
		case arm64asm.CBZ, arm64asm.CBNZ:
			return insn.Branch19, int64(distance)
		case arm64asm.TBZ, arm64asm.TBNZ:
			return insn.Branch14, int64(distance)
		case arm64asm.ADRP:
			return insn.Page, int64(distance)
		}
	}
	return insn.None, 0
}
