package refs

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/insn"
)

// self returns the program that runs: a real one of this platform.
func self(t testing.TB) []byte {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sound checks what must hold for the references of any file.
func sound(t *testing.T, s *Source, n int) (count [Kinds]int) {
	end := uint32(0)
	var buf []Ref
	for at := 0; at < n; at += 4096 {
		buf = s.In(uint32(at), uint32(min(at+4096, n)), buf[:0])
		for _, r := range buf {
			if r.Pos < end {
				t.Fatalf("the reference at %d begins before %d, where the one before it ends", r.Pos, end)
			}
			end = r.Pos + r.Size()
			if int(end) > n {
				t.Fatalf("the reference at %d ends behind the file", r.Pos)
			}
			count[r.Kind]++
		}
	}
	return count
}

func TestReferencesOfThisProgram(t *testing.T) {
	b := self(t)
	s := Analyse(b)
	if s.Module.NFunc == 0 {
		t.Fatal("this program's tables are not found")
	}
	if s.Module.NFunc < 1000 {
		t.Errorf("this program has %d functions", s.Module.NFunc)
	}
	count := sound(t, s, len(b))
	for _, k := range []Kind{Abs, Off, FuncRel, Line, InlLine} {
		if count[k] < 100 {
			t.Errorf("kind %d: %d references", k, count[k])
		}
	}
}

// TestFields checks for every kind that a field which is put comes back, and that the bits around it stay.
func TestFields(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for k := insn.Rel8; k < Kinds; k++ {
		ref := Ref{Kind: k}
		for range 200 {
			was := make([]byte, ref.Size())
			for i := range was {
				was[i] = byte(r.Uint32())
			}
			b := bytes.Clone(was)
			want := r.Uint64() & ref.Get(bytes.Repeat([]byte{0xFF}, int(ref.Size())))
			ref.Put(b, want)
			if got := ref.Get(b); got != want {
				t.Fatalf("kind %d: put %#x, got %#x", k, want, got)
			}
			ref.Put(b, ref.Get(was))
			if !bytes.Equal(b, was) {
				t.Fatalf("kind %d: % x became % x", k, was, b)
			}
		}
	}
}

func TestTableRoundTrip(t *testing.T) {
	var b []byte
	want := []Pair{{-5, 4}, {300, 8}, {-1, 400000}, {7, 400004}}
	pc := uint32(0)
	for _, p := range want {
		b = AppendPair(b, p, pc, 4)
		pc = p.PC
	}
	b = append(b, 0, 99)
	got, n, ok := ReadTable(b, 4, nil)
	if !ok || n != len(b)-1 || len(got) != len(want) {
		t.Fatalf("%v, %d of %d bytes, %v", got, n, len(b)-1, ok)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("entry %d is %v, want %v", i, got[i], want[i])
		}
	}
	for name, bad := range map[string][]byte{
		"cut": b[:5], "empty": nil, "too large": {2, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0},
	} {
		if _, _, ok := ReadTable(bad, 4, nil); ok {
			t.Errorf("%s: it is taken", name)
		}
	}
}

// TestFindFunc checks the table against the one that Go's linker made for this very program.
func TestFindFunc(t *testing.T) {
	s := Analyse(self(t))
	b := AppendFindFunc(nil, &s.Module)
	was, ok := s.Image.Bytes(s.Module.Base[FindFunc], uint32(len(b)))
	if !ok || !bytes.Equal(was, b) {
		t.Error("the linker made another one")
	}
}

// TestSpoiledPrograms analyses a real program with damage in its tables; whatever is found must be sound.
func TestSpoiledPrograms(t *testing.T) {
	good := self(t)
	s := Analyse(good)
	head, _ := s.Image.Offset(s.Module.Base[FuncNames])
	functab, _ := s.Image.Offset(s.Module.Base[Functab])
	types, _ := s.Image.Offset(s.Module.Base[Types])
	r := rand.New(rand.NewPCG(3, 3))
	b := bytes.Clone(good)
	for round := range 3 {
		copy(b, good)
		for range 300 {
			base := []uint32{0, head - 64, functab + r.Uint32N(1<<16), types + r.Uint32N(1<<14)}[r.IntN(4)]
			if at := int(base) + r.IntN(256); at < len(b) {
				b[at] ^= byte(1 << r.IntN(8))
			}
		}
		if round == 2 {
			b = b[:len(b)*2/3]
		}
		sound(t, Analyse(b), len(b))
	}
}

func FuzzAnalyse(f *testing.F) {
	b := make([]byte, 512)
	copy(b, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(b[18:], 62)
	binary.LittleEndian.PutUint64(b[32:], 64)
	binary.LittleEndian.PutUint16(b[54:], 56)
	binary.LittleEndian.PutUint16(b[56:], 1)
	p := b[64:]
	binary.LittleEndian.PutUint32(p, 1)
	binary.LittleEndian.PutUint32(p[4:], 5)
	binary.LittleEndian.PutUint64(p[16:], 0x400000)
	binary.LittleEndian.PutUint64(p[32:], 512)
	copy(b[200:], []byte{0xE8, 1, 2, 0, 0, 0x48, 0x8D, 5, 16, 0, 0, 0, 0x75, 0xFE})
	f.Add(b)
	arm := bytes.Clone(b)
	arm[18] = 183
	f.Add(arm)
	f.Fuzz(func(t *testing.T, b []byte) {
		s := Analyse(b)
		sound(t, s, len(b))
		for i := range b {
			s.Class(uint32(i))
		}
	})
}
