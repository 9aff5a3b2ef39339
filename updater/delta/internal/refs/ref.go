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

// End is the place behind the field.
func (r *Ref) End() uint32 { return r.Pos + uint32(r.Size) }

// layouts say for each kind where the bits of its field are, the low ones first: n bits at bit `at` of its bytes, taken as
// a little-endian number. shift is how far a target is shifted right in the field.
var layouts = [Kinds]struct {
	shift uint
	parts [3]struct{ at, n uint8 }
}{
	Rel8: {parts: bits(0, 8)}, Call: {parts: bits(0, 32)}, Jump: {parts: bits(0, 32)}, Cond: {parts: bits(0, 32)}, Data: {parts: bits(0, 32)},
	Branch26: {2, bits(0, 26)}, Branch19: {2, bits(5, 19)}, Branch14: {2, bits(5, 14)},
	Page: {12, bits(29, 2, 5, 19)}, Low12: {parts: bits(10, 12)},
	Abs: {parts: bits(0, 64)}, Off: {parts: bits(0, 32)}, FuncRel: {parts: bits(0, 32)}, Line: {parts: bits(0, 32)}, InlLine: {parts: bits(0, 32)},
	PageOff: {parts: bits(0, 12)}, Uleb: {parts: bits(0, 7, 8, 7, 16, 7)},
}

func bits(v ...uint8) (parts [3]struct{ at, n uint8 }) {
	for i := range len(v) / 2 {
		parts[i].at, parts[i].n = v[2*i], v[2*i+1]
	}
	return parts
}

// Shift is how far a target is shifted right in the field.
func (r *Ref) Shift() uint {
	switch r.Kind {
	case Low12:
		return uint(r.Aux)
	case Off:
		return uint(r.Aux >> 8)
	}
	return layouts[r.Kind].shift
}

// Wrap makes of a difference of two fields the smallest one that means the same.
func (r *Ref) Wrap(d int64) int64 {
	s := uint8(64)
	for _, p := range layouts[r.Kind].parts {
		s -= p.n
	}
	return d << s >> s
}

// Get returns the field in b, which starts at the field and has Size bytes.
func (r *Ref) Get(b []byte) (field uint64) {
	v, done := load(b[:r.Size]), uint8(0)
	for _, p := range layouts[r.Kind].parts {
		field |= v >> p.at & (1<<p.n - 1) << done
		done += p.n
	}
	return field
}

// Put sets the field in b and leaves the bits around it.
func (r *Ref) Put(b []byte, field uint64) {
	if r.Size == 4 && layouts[r.Kind].parts[0].n == 32 {
		binary.LittleEndian.PutUint32(b, uint32(field))
		return
	}
	b = b[:r.Size]
	v := load(b)
	for _, p := range layouts[r.Kind].parts {
		mask := uint64(1)<<p.n - 1
		v = v&^(mask<<p.at) | field&mask<<p.at
		field >>= p.n
	}
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
}

func load(b []byte) (v uint64) {
	for i, c := range b {
		v |= uint64(c) << (8 * i)
	}
	return v
}
