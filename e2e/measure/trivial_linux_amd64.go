package main

import (
	"bytes"
	"encoding/binary"
	"os"
)

// writeTrivial writes the least that is a plugin: a static program of 200 bytes that prints "OK" and ends, so that what is measured is what
// running it costs; it counts from turns down to 0 before. It is made here because a machine to measure on need not have a compiler for it.
func writeTrivial(path string, turns uint32) error {
	var code []byte
	if turns > 0 {
		code = binary.LittleEndian.AppendUint32([]byte{0xb9}, turns) // mov ecx, turns
		code = append(code, 0xff, 0xc9, 0x75, 0xfc)                  // dec ecx; jnz to it
	}
	code = append(code,
		0xb8, 1, 0, 0, 0, // mov eax, 1 (write)
		0xbf, 1, 0, 0, 0, // mov edi, 1
		0x48, 0x8d, 0x35, 16, 0, 0, 0, // lea rsi, [rip+16]
		0xba, 3, 0, 0, 0, // mov edx, 3
		0x0f, 0x05, // syscall
		0xb8, 60, 0, 0, 0, // mov eax, 60 (exit)
		0x31, 0xff, // xor edi, edi
		0x0f, 0x05, // syscall
		'O', 'K', '\n')
	const base, headers = 0x400000, 64 + 56
	var b bytes.Buffer
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	put := func(values ...any) {
		for _, v := range values {
			binary.Write(&b, binary.LittleEndian, v)
		}
	}
	size := uint64(headers + len(code))
	put(uint16(2), uint16(62), uint32(1), uint64(base+headers), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0))
	put(uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(0x1000))
	b.Write(code)
	return os.WriteFile(path, b.Bytes(), 0o755)
}
