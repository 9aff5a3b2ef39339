package refs

import "encoding/binary"

// Kinds of types in their descriptors.
const (
	kindArray     = 17
	kindChan      = 18
	kindFunc      = 19
	kindInterface = 20
	kindMap       = 21
	kindPointer   = 22
	kindSlice     = 23
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
	if links, ok := f.im.Bytes(m.TypeLinks.Off, m.TypeLinks.Len); ok {
		for ; len(links) >= 4; links = links[4:] {
			w.visit(binary.LittleEndian.Uint32(links))
		}
	}
	if links, ok := f.im.Bytes(m.ItabLinks.Off, m.ItabLinks.Len); ok {
		for ; len(links) >= 8; links = links[8:] {
			if itab, ok := f.im.Bytes(uint32(binary.LittleEndian.Uint64(links)-f.im.Base), 16); ok {
				w.pointer(itab)
				w.pointer(itab[8:])
			}
		}
	}
	for len(w.queue) > 0 {
		at := w.queue[len(w.queue)-1]
		w.queue = w.queue[:len(w.queue)-1]
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

// pointer visits the type that the word at the start of b points to.
func (w *typeWalk) pointer(b []byte) {
	if v := binary.LittleEndian.Uint64(b) - w.f.im.Base - uint64(w.addr); v < uint64(len(w.b)) {
		w.visit(uint32(v))
	}
}

// part returns n bytes at a distance, or nothing.
func (w *typeWalk) part(at uint64, n uint64) []byte {
	if at > uint64(len(w.b)) || n > uint64(len(w.b))-at {
		return nil
	}
	return w.b[at : at+n]
}

// offset adds the offset of four bytes at a distance; it counts from base.
func (w *typeWalk) offset(at uint32, base Base) {
	b := w.part(uint64(at), 4)
	if b == nil {
		return
	}
	v := binary.LittleEndian.Uint32(b)
	if v != 0 && v != nothing {
		w.f.add(w.off+at, 4, Off, w.f.mod.Base[base]+v, uint16(base))
	}
}

// list returns where the slice whose header is at a distance begins, and how many elements it has.
func (w *typeWalk) list(at uint32) (start, n uint32) {
	b := w.part(uint64(at), 16)
	if b == nil {
		return 0, 0
	}
	v, count := binary.LittleEndian.Uint64(b)-w.f.im.Base-uint64(w.addr), binary.LittleEndian.Uint64(b[8:])
	if v >= uint64(len(w.b)) || count > maxFields {
		return 0, 0
	}
	return uint32(v), uint32(count)
}

// one reads the descriptor at a distance.
func (w *typeWalk) one(at uint32) {
	w.offset(at+typeName, Types)
	w.offset(at+typePtr, Types)
	if p := binary.LittleEndian.Uint32(w.b[at+typePtr:]); p != 0 {
		w.visit(p)
	}
	size := uint32(typeSize)
	elems := func(offsets ...uint32) {
		for _, o := range offsets {
			if b := w.part(uint64(at+o), 8); b != nil {
				w.pointer(b)
			}
		}
	}
	switch w.b[at+typeKind] & 31 {
	case kindArray:
		size = 72
		elems(48, 56)
	case kindChan:
		size = 64
		elems(48)
	case kindFunc:
		size = 56
		w.signature(at)
	case kindInterface:
		size = 80
		start, n := w.list(at + 56)
		for i := range n {
			w.offset(start+8*i, Types)
			w.offset(start+8*i+4, Types)
			if b := w.part(uint64(start+8*i+4), 4); b != nil {
				w.visit(binary.LittleEndian.Uint32(b))
			}
		}
	case kindMap:
		size = 104
		elems(48, 56, 64)
	case kindPointer, kindSlice:
		size = 56
		elems(48)
	case kindStruct:
		size = 80
		start, n := w.list(at + 56)
		for i := range n {
			if b := w.part(uint64(start)+24*uint64(i)+8, 8); b != nil {
				w.pointer(b)
			}
		}
	}
	if w.b[at+typeFlag]&1 != 0 {
		w.uncommon(at + size)
	}
}

// signature visits the parameters and results of a function type.
func (w *typeWalk) signature(at uint32) {
	b := w.part(uint64(at)+48, 4)
	if b == nil {
		return
	}
	n := uint64(binary.LittleEndian.Uint16(b)) + uint64(binary.LittleEndian.Uint16(b[2:])&0x7FFF)
	start := uint64(at) + 56
	if w.b[at+typeFlag]&1 != 0 {
		start += 16
	}
	for i := range n {
		if b := w.part(start+8*i, 8); b != nil {
			w.pointer(b)
		}
	}
}

// uncommon reads what a named type has behind its descriptor: its package and its methods.
func (w *typeWalk) uncommon(at uint32) {
	b := w.part(uint64(at), 16)
	if b == nil {
		return
	}
	w.offset(at, Types)
	methods, n := at+binary.LittleEndian.Uint32(b[8:]), uint32(binary.LittleEndian.Uint16(b[4:]))
	if w.part(uint64(methods), 16*uint64(n)) == nil {
		return
	}
	for m := methods; n > 0; m, n = m+16, n-1 {
		w.offset(m, Types)
		w.offset(m+4, Types)
		w.visit(binary.LittleEndian.Uint32(w.b[m+4:]))
		w.offset(m+8, Text)
		w.offset(m+12, Text)
	}
}
