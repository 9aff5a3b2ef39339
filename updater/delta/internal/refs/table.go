package refs

import "encoding/binary"

// Pair is one entry of a table of pcs: the value changed by DV, and the new value held up to PC, in bytes from the
// start of the function.
type Pair struct {
	DV int32
	PC uint32
}

// maxPairs bounds one table; the largest of a core has some ten thousand.
const maxPairs = 1 << 18

// ReadTable reads the table at the start of b and how many bytes it takes; quantum is the smallest distance of two pcs.
// ok is false for a table that ends early.
func ReadTable(b []byte, quantum uint32, buf []Pair) (pairs []Pair, n int, ok bool) {
	pc := uint64(0)
	pairs = buf[:0]
	for len(pairs) < maxPairs {
		v, size := binary.Uvarint(b[n:])
		if n += size; v == 0 && size > 0 && len(pairs) > 0 {
			return pairs, n, true
		}
		d, size2 := binary.Uvarint(b[max(n, 0):])
		if n += size2; size <= 0 || size2 <= 0 || (v|d)>>32 != 0 || pc>>31 != 0 {
			break
		}
		pc += d * uint64(quantum)
		pairs = append(pairs, Pair{int32(v>>1) ^ -int32(v&1), uint32(pc)})
	}
	return pairs, n, false
}

// AppendPair writes one entry of a table, whose predecessor ended at pc.
func AppendPair(b []byte, p Pair, pc, quantum uint32) []byte {
	b = binary.AppendUvarint(b, uint64(uint32(p.DV)<<1^uint32(p.DV>>31)))
	return binary.AppendUvarint(b, uint64((p.PC-pc)/quantum))
}

// FieldAt returns where in a function's record the offset of table k is: those of stack, file and line, which have a place
// of their own, and behind the record those of pcdata.
func FieldAt(k uint32) uint32 {
	if k < 3 {
		return recPCs + 4*k
	}
	return RecordSize + 4*(k-3)
}

// InOrder returns which table of a function with n pcdata the linker lays down as its k-th: the one of inlined calls last.
func InOrder(k, n uint32) uint32 {
	switch {
	case n <= inlineData || k < 3+inlineData:
		return k
	case k == 2+n:
		return 3 + inlineData
	}
	return k + 1
}

// Record is a view of a function's record.
type Record []byte

// RecordAt returns the record at an offset of a function table, if it is all there.
func RecordAt(functab []byte, at uint32) (Record, bool) {
	r := Record(functab[min(uint64(at), uint64(len(functab))):])
	if len(r) < RecordSize || r.PCData() > maxPCData || len(r) < RecordSize+4*int(r.PCData()) {
		return nil, false
	}
	return r, true
}

// PCData returns how many tables of pcdata the record lists.
func (r Record) PCData() uint32 { return r.Field(recNPCData) }

// Start returns the line where the function starts.
func (r Record) Start() uint32 { return r.Field(recStart) }

// CU returns the index of its compilation unit's first file.
func (r Record) CU() uint32 { return r.Field(recCU) }

// Field returns one of its fields of four bytes.
func (r Record) Field(at uint32) uint32 { return le.Uint32(r[at:]) }

// SetField changes one of them.
func (r Record) SetField(at, v uint32) { le.PutUint32(r[at:], v) }

// AppendFindFunc writes the table that finds functions by pc, as Go's linker does, for a module's functions: for every
// 4096 bytes of code the number of the first one, for every 256 bytes how many come before the one there.
func AppendFindFunc(b []byte, m *Module) []byte {
	fn, first := uint32(0), uint32(0)
	for at := uint64(0); at < uint64(m.Entry(m.NFunc)); at += 256 {
		for fn+1 < m.NFunc && uint64(m.Entry(fn+1)) <= at {
			fn++
		}
		if at%4096 == 0 {
			first = fn
			b = le.AppendUint32(b, first)
		}
		b = append(b, byte(fn-first))
	}
	return b
}
