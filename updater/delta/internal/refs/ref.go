// Package refs finds in an executable the places that refer to addresses: in instructions, in Go's tables, in types
// and in plain pointers. What it finds depends on the bytes of the file alone and is part of the go1 format: it must
// never change. A wrong guess costs bytes in a patch, never its correctness.
package refs

import (
	"encoding/binary"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/insn"
)

var le = binary.LittleEndian

// Kind says how a field holds an address: as one of an instruction, or as one of these.
type Kind = insn.Kind

// The kinds of references outside of code.
const (
	Abs     = insn.Low12 + 1 + iota // eight bytes: the address itself
	Off                             // four bytes: distance from a base, see Aux
	FuncRel                         // four bytes: distance from the start of the function that holds the target
	Line                            // four bytes: a line number where a function starts
	InlLine                         // four bytes: the same for an inlined one
	PageOff                         // two bytes: PE relocation, low 12 bits of the target
	Uleb                            // three bytes of a uleb128: distance from the base in Aux
	Kinds                           // how many there are
)

// Base is a start of something that offsets count from.
type Base uint8

// The bases.
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
	TypeLinks
	Bases
)

// Ref is one reference of the old file.
type Ref struct {
	Pos    uint32 // file offset of the field
	Target uint32 // address; the line number for Line and InlLine
	Kind   Kind
	Aux    uint16 // relative kinds: bytes from the field to what the distance counts from; Off: base; Uleb: segment; in the high byte by how much more it is shifted
}

// layout is how a kind's field looks: how many bytes it has, how far a target is shifted right in it, and which of its
// bits, taken as a little-endian number, those of the target are, the low ones first.
type layout struct {
	size  uint32
	shift uint
	parts []bits
}

// bits are n bits from bit `at` on.
type bits struct{ at, n uint8 }

var (
	four    = layout{4, 0, []bits{{0, 32}}}
	layouts = [Kinds]layout{
		insn.Rel8: {1, 0, []bits{{0, 8}}}, insn.Call: four, insn.Jump: four, insn.Cond: four, insn.Data: four,
		insn.Branch26: {4, 2, []bits{{0, 26}}}, insn.Branch19: {4, 2, []bits{{5, 19}}}, insn.Branch14: {4, 2, []bits{{5, 14}}},
		insn.Page: {4, 12, []bits{{29, 2}, {5, 19}}}, insn.Low12: {4, 0, []bits{{10, 12}}},
		PageOff: {2, 0, []bits{{0, 12}}}, Abs: {8, 0, []bits{{0, 64}}}, Off: four, FuncRel: four, Line: four, InlLine: four,
		Uleb: {3, 0, []bits{{0, 7}, {8, 7}, {16, 7}}},
	}
)

// Size is how many bytes the field has.
func (r *Ref) Size() uint32 { return layouts[r.Kind].size }

// End is the place behind the field.
func (r *Ref) End() uint32 { return r.Pos + r.Size() }

// Shift is how far a target is shifted right in the field.
func (r *Ref) Shift() uint { return layouts[r.Kind].shift + uint(r.Aux>>8) }

// Wrap makes of a difference of two fields the smallest one that means the same.
func (r *Ref) Wrap(d int64) int64 {
	s := uint8(64)
	for _, p := range layouts[r.Kind].parts {
		s -= p.n
	}
	return d << s >> s
}

// Get returns the field in b, which starts at the field.
func (r *Ref) Get(b []byte) (field uint64) {
	v, done := r.load(b), uint8(0)
	for _, p := range layouts[r.Kind].parts {
		field |= v >> p.at & (1<<p.n - 1) << done
		done += p.n
	}
	return field
}

// Put sets the field in b and leaves the bits around it.
func (r *Ref) Put(b []byte, field uint64) {
	v := r.load(b)
	for _, p := range layouts[r.Kind].parts {
		mask := uint64(1)<<p.n - 1
		v = v&^(mask<<p.at) | field&mask<<p.at
		field >>= p.n
	}
	for i := range r.Size() {
		b[i] = byte(v >> (8 * i))
	}
}

func (r *Ref) load(b []byte) (v uint64) {
	for i, c := range b[:r.Size()] {
		v |= uint64(c) << (8 * i)
	}
	return v
}
