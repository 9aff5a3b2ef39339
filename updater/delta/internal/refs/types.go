package refs

import "encoding/binary"

// layout says of a kind of types how long its descriptor is, and where in it are the types that it is made of.
type layout struct {
	size  uint32
	types []uint32
}

// Kinds of types in their descriptors that are more than a name, Go 1.26.
var typeLayouts = map[uint8]layout{
	17:            {72, []uint32{48, 56}}, // array
	18:            {64, []uint32{48}},     // channel
	kindFunc:      {56, nil},
	kindInterface: {80, nil},
	21:            {104, []uint32{48, 56, 64}}, // map
	22:            {56, []uint32{48}},          // pointer
	23:            {56, []uint32{48}},          // slice
	kindStruct:    {80, nil},
}

const (
	kindFunc      = 19
	kindInterface = 20
	kindStruct    = 25
	kindLast      = 26
)

// Fields of a type's descriptor.
const (
	typeFlag  = 20
	typeKind  = 23
	typeName  = 40
	typePtr   = 44
	typeSize  = 48
	maxFields = 1 << 16 // of a struct, a function or an interface
)

// typeWalk visits every type that can be reached from the lists of types and of interface tables.
type typeWalk struct {
	f     *finder
	addr  uint32 // of the first type
	off   uint32 // its place in the file
	b     []byte
	seen  []bool // by distance / 8
	queue []uint32
}

func (f *finder) types() {
	m := &f.mod
	w := typeWalk{f: f, addr: m.Base[Types]}
	var ok bool
	if w.b, ok = f.im.Bytes(w.addr, m.Base[ETypes]-w.addr); !ok {
		return
	}
	w.off, _ = f.im.Offset(w.addr)
	w.seen = make([]bool, len(w.b)/8+1)
	links, _ := f.im.Bytes(m.TypeLinks.Off, m.TypeLinks.Len)
	for ; len(links) >= 4; links = links[4:] {
		w.visit(binary.LittleEndian.Uint32(links))
	}
	links, _ = f.im.Bytes(m.ItabLinks.Off, m.ItabLinks.Len)
	for ; len(links) >= 8; links = links[8:] {
		if itab, ok := f.im.Bytes(uint32(binary.LittleEndian.Uint64(links)-f.im.Base), 16); ok {
			w.visit(w.distance(itab))
			w.visit(w.distance(itab[8:]))
		}
	}
	for n := len(w.queue); n > 0; n = len(w.queue) {
		at := w.queue[n-1]
		w.queue = w.queue[:n-1]
		w.one(at)
	}
}

// visit puts the type at a distance from the first one into the queue, once.
func (w *typeWalk) visit(at uint32) {
	if at%8 != 0 || uint64(at)+typeSize > uint64(len(w.b)) || w.seen[at/8] {
		return
	}
	w.seen[at/8] = true
	if k := w.b[at+typeKind] & 31; k >= 1 && k <= kindLast {
		w.queue = append(w.queue, at)
	}
}

// distance is how far from the first type the word at the start of b points to; an odd number if that is no type.
func (w *typeWalk) distance(b []byte) uint32 {
	if len(b) >= 8 {
		if v := binary.LittleEndian.Uint64(b) - w.f.im.Base - uint64(w.addr); v < uint64(len(w.b)) {
			return uint32(v)
		}
	}
	return nothing
}

// part returns n bytes at a distance, or nothing.
func (w *typeWalk) part(at uint64, n uint64) []byte {
	if at > uint64(len(w.b)) || n > uint64(len(w.b))-at {
		return nil
	}
	return w.b[at : at+n]
}

// offset adds the offset of four bytes at a distance, which counts from base, and returns it; an odd number if there is none.
func (w *typeWalk) offset(at uint32, base Base) uint32 {
	b := w.part(uint64(at), 4)
	if b == nil {
		return nothing
	}
	v := binary.LittleEndian.Uint32(b)
	if v != 0 && v != nothing {
		w.f.offset(w.off+at, v, base)
	}
	return v
}

// list returns where the slice whose header is at a distance begins, and how many elements it has.
func (w *typeWalk) list(at uint32) (start, n uint32) {
	b := w.part(uint64(at), 16)
	start = w.distance(b)
	if start == nothing || binary.LittleEndian.Uint64(b[8:]) > maxFields {
		return 0, 0
	}
	return start, uint32(binary.LittleEndian.Uint64(b[8:]))
}

// pointers visits the types that n words point to, which are so many bytes apart.
func (w *typeWalk) pointers(at uint64, n, apart uint32) {
	for i := range uint64(n) {
		w.visit(w.distance(w.part(at+uint64(apart)*i, 8)))
	}
}

// one reads the descriptor at a distance.
func (w *typeWalk) one(at uint32) {
	w.offset(at+typeName, Types)
	if p := w.offset(at+typePtr, Types); p != 0 {
		w.visit(p)
	}
	named := w.b[at+typeFlag]&1 != 0
	kind := w.b[at+typeKind] & 31
	known, ok := typeLayouts[kind]
	if !ok {
		known.size = typeSize
	}
	for _, o := range known.types {
		w.pointers(uint64(at+o), 1, 0)
	}
	switch kind {
	case kindFunc: // its parameters and results are behind what only a named type has
		if b := w.part(uint64(at)+48, 4); b != nil {
			start := uint64(at) + 56
			if named {
				start += 16
			}
			w.pointers(start, uint32(binary.LittleEndian.Uint16(b))+uint32(binary.LittleEndian.Uint16(b[2:])&0x7FFF), 8)
		}
	case kindInterface:
		start, n := w.list(at + 56)
		for i := range n {
			w.offset(start+8*i, Types)
			w.visit(w.offset(start+8*i+4, Types))
		}
	case kindStruct:
		start, n := w.list(at + 56)
		w.pointers(uint64(start)+8, n, 24)
	}
	if named {
		w.uncommon(at + known.size)
	}
}

// uncommon reads what a named type has behind its descriptor: its package and its methods.
func (w *typeWalk) uncommon(at uint32) {
	b := w.part(uint64(at), 16)
	if b == nil {
		return
	}
	w.offset(at, Types)
	m, n := at+binary.LittleEndian.Uint32(b[8:]), uint32(binary.LittleEndian.Uint16(b[4:]))
	if w.part(uint64(m), 16*uint64(n)) == nil {
		return
	}
	for ; n > 0; m, n = m+16, n-1 {
		w.offset(m, Types)
		w.visit(w.offset(m+4, Types))
		w.offset(m+8, Text)
		w.offset(m+12, Text)
	}
}
