package image

import (
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"slices"
	"testing"
)

// elfFile makes a file of two segments with a gap between them.
func elfFile() []byte {
	b := make([]byte, 4096)
	le := binary.LittleEndian
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], uint16(elf.ET_EXEC))
	le.PutUint16(b[18:], uint16(elf.EM_X86_64))
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 2)
	for i, s := range []elf.Prog64{
		{Type: 1, Flags: 5, Off: 0, Vaddr: 0x400000, Filesz: 1024, Memsz: 1024},
		{Type: 1, Flags: 6, Off: 2048, Vaddr: 0x402000, Filesz: 512, Memsz: 8192},
	} {
		p := b[64+56*i:]
		le.PutUint32(p, s.Type)
		le.PutUint32(p[4:], s.Flags)
		le.PutUint64(p[8:], s.Off)
		le.PutUint64(p[16:], s.Vaddr)
		le.PutUint64(p[32:], s.Filesz)
		le.PutUint64(p[40:], s.Memsz)
	}
	return b
}

func TestELF(t *testing.T) {
	im := Parse(elfFile())
	want := []Segment{{0, 1024, 0, 1024, true}, {2048, 512, 0x2000, 8192, false}}
	if im.Arch != AMD64 || im.Base != 0x400000 || !slices.Equal(im.Segments, want) {
		t.Fatalf("%+v", im.Segments)
	}
	for _, c := range []struct {
		off, addr uint32
		ok        bool
	}{{0, 0, true}, {1023, 1023, true}, {1024, 0, false}, {2048, 0x2000, true}, {2559, 0x21FF, true}, {2560, 0, false}} {
		if addr, ok := im.Addr(c.off); ok != c.ok || addr != c.addr {
			t.Errorf("Addr(%d) = %#x, %v", c.off, addr, ok)
		}
		if off, ok := im.Offset(c.addr); c.ok && (!ok || off != c.off) {
			t.Errorf("Offset(%#x) = %d, %v", c.addr, off, ok)
		}
	}
	if _, ok := im.Offset(0x2200); ok {
		t.Error("memory without bytes has an offset")
	}
	if im.End() != 0x4000 {
		t.Errorf("the program ends at %#x", im.End())
	}
	if _, ok := im.Bytes(0x2100, 0x101); ok {
		t.Error("bytes beyond a segment are given")
	}
}

func TestRefused(t *testing.T) {
	for name, spoil := range map[string]func(b []byte){
		"beyond the file":   func(b []byte) { binary.LittleEndian.PutUint64(b[64+32:], 5000) },
		"offset overflows":  func(b []byte) { binary.LittleEndian.PutUint64(b[64+8:], ^uint64(0)) },
		"overlap in memory": func(b []byte) { binary.LittleEndian.PutUint64(b[64+56+16:], 0x400010) },
		"too far apart":     func(b []byte) { binary.LittleEndian.PutUint64(b[64+56+16:], 1<<40) },
		"huge memory":       func(b []byte) { binary.LittleEndian.PutUint64(b[64+56+40:], 1<<62) },
		"headers elsewhere": func(b []byte) { binary.LittleEndian.PutUint64(b[32:], 1<<60) },
		"32 bits":           func(b []byte) { b[4] = 1 },
		"big endian":        func(b []byte) { b[5] = 2 },
	} {
		b := elfFile()
		spoil(b)
		if im := Parse(b); len(im.Segments) != 0 || im.Arch != Other {
			t.Errorf("%s: %+v", name, im.Segments)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(elfFile())
	m := make([]byte, 256)
	binary.LittleEndian.PutUint32(m, macho.Magic64)
	binary.LittleEndian.PutUint32(m[4:], uint32(macho.CpuArm64))
	binary.LittleEndian.PutUint32(m[16:], 2)
	binary.LittleEndian.PutUint32(m[32:], 0x19)
	binary.LittleEndian.PutUint32(m[36:], 72)
	binary.LittleEndian.PutUint64(m[32+48:], 100)
	binary.LittleEndian.PutUint32(m[104:], 0x1D)
	binary.LittleEndian.PutUint32(m[108:], 16)
	f.Add(m)
	p := make([]byte, 1024)
	copy(p, "MZ")
	p[60] = 64
	copy(p[64:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(p[68:], pe.IMAGE_FILE_MACHINE_AMD64)
	binary.LittleEndian.PutUint16(p[70:], 1)
	binary.LittleEndian.PutUint16(p[84:], 240)
	binary.LittleEndian.PutUint16(p[88:], 0x20B)
	f.Add(p)
	f.Fuzz(func(t *testing.T, b []byte) {
		im := Parse(b)
		if !Sound(slices.Clone(im.Segments), len(b)) && len(im.Segments) > 0 {
			t.Fatalf("%+v", im.Segments)
		}
		for _, s := range []Span{im.Rebase} {
			_ = b[s.Off : s.Off+s.Len]
		}
	})
}
