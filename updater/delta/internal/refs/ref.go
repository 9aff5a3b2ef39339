// Package refs finds in an executable the places that refer to addresses: in instructions, in Go's tables, in types
// and in plain pointers. What it finds depends on the bytes of the file alone and is part of the go1 format: it must
// never change. A wrong guess costs bytes in a patch, never its correctness.
package refs

import (
	"encoding/binary"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/insn"
)

// Kind says how a field holds an address.
type Kind uint8

// The kinds of references. Those up to Data have the numbers of package insn.
const (
	Rel8     = Kind(insn.Rel8)
	Call     = Kind(insn.Call)
	Jump     = Kind(insn.Jump)
	Cond     = Kind(insn.Cond)
	Data     = Kind(insn.Data)
	Branch26 = Kind(iota + 1) // arm64 B, BL: distance in words
	Branch19                  // arm64 B.cond, CBZ, CBNZ
	Branch14                  // arm64 TBZ, TBNZ
	Page                      // arm64 ADRP: distance in pages of 4 KiB
	Low12                     // arm64 ADD, LDR, STR: the low bits, scaled by Aux
	Abs                       // eight bytes: the address itself
	Off                       // four bytes: distance from a base, see Aux
	FuncRel                   // four bytes: distance from the start of the function that holds the target
	Line                      // four bytes: a line number where a function starts
	InlLine                   // four bytes: the same for an inlined one
	PageOff                   // two bytes: PE relocation, low 12 bits of the target
	Uleb                      // three bytes of a uleb128: distance from the base in Aux
	Kinds                     // how many there are
)

// Base is a start of something that offsets count from.
type Base uint8

// The bases. Those from FirstSegment on are the image's segments in file order.
const (
	Zero Base = iota // the image itself
	Text
	EText
	FuncNames
	CUs
	Files
	PCs
	Functab
	FindFunc
	GoFunc
	Types
	ETypes
	Rodata
	EPcln
	Bases
	FirstSegment = 32
)

// Ref is one reference of the old file.
type Ref struct {
	Pos    uint32 // file offset of the field
	Target uint32 // address; the line number for Line and InlLine
	Kind   Kind
	Size   uint8  // bytes
	Aux    uint16 // relative kinds: bytes from the field to what the distance counts from; Off: base | scale<<8; Low12: scale
}

// bitsOf is how many bits of a field count.
func (r *Ref) bitsOf() uint {
	switch r.Kind {
	case Rel8:
		return 8
	case Branch26:
		return 26
	case Branch19:
		return 19
	case Branch14:
		return 14
	case Page, Uleb:
		return 21
	case Low12, PageOff:
		return 12
	case Abs:
		return 64
	}
	return 32
}

// Shift is how far a target is shifted right in the field.
func (r *Ref) Shift() uint {
	switch r.Kind {
	case Branch26, Branch19, Branch14:
		return 2
	case Page:
		return 12
	case Low12:
		return uint(r.Aux)
	case Off:
		return uint(r.Aux >> 8)
	}
	return 0
}

// Wrap makes of a difference of two fields the smallest one that means the same.
func (r *Ref) Wrap(d int64) int64 {
	s := 64 - r.bitsOf()
	return d << s >> s
}

// Get returns the field in b, which starts at the field and has Size bytes.
func (r *Ref) Get(b []byte) uint64 {
	switch r.Kind {
	case Rel8:
		return uint64(b[0])
	case Abs:
		return binary.LittleEndian.Uint64(b)
	case PageOff:
		return uint64(binary.LittleEndian.Uint16(b) & 0xFFF)
	case Uleb:
		return uint64(b[0]&127) | uint64(b[1]&127)<<7 | uint64(b[2]&127)<<14
	}
	v := binary.LittleEndian.Uint32(b)
	switch r.Kind {
	case Branch26:
		return uint64(v & (1<<26 - 1))
	case Branch19:
		return uint64(v >> 5 & (1<<19 - 1))
	case Branch14:
		return uint64(v >> 5 & (1<<14 - 1))
	case Page:
		return uint64(v>>5&(1<<19-1)<<2 | v>>29&3)
	case Low12:
		return uint64(v >> 10 & 0xFFF)
	}
	return uint64(v)
}

// Put sets the field in b and leaves the bits around it.
func (r *Ref) Put(b []byte, field uint64) {
	switch r.Kind {
	case Rel8:
		b[0] = byte(field)
		return
	case Abs:
		binary.LittleEndian.PutUint64(b, field)
		return
	case PageOff:
		v := binary.LittleEndian.Uint16(b)
		binary.LittleEndian.PutUint16(b, v&^0xFFF|uint16(field&0xFFF))
		return
	case Uleb:
		for i := range 3 {
			b[i] = b[i]&128 | byte(field>>(7*i))&127
		}
		return
	}
	v, f := binary.LittleEndian.Uint32(b), uint32(field)
	switch r.Kind {
	case Branch26:
		v = v&^(1<<26-1) | f&(1<<26-1)
	case Branch19:
		v = v&^((1<<19-1)<<5) | f&(1<<19-1)<<5
	case Branch14:
		v = v&^((1<<14-1)<<5) | f&(1<<14-1)<<5
	case Page:
		v = v&^((1<<19-1)<<5|3<<29) | f>>2&(1<<19-1)<<5 | f&3<<29
	case Low12:
		v = v&^(0xFFF<<10) | f&0xFFF<<10
	default:
		v = f
	}
	binary.LittleEndian.PutUint32(b, v)
}
