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
// ok is false for a table that ends early or that AppendTable would write in another way.
func ReadTable(b []byte, quantum uint32, buf []Pair) (pairs []Pair, n int, ok bool) {
	pc := uint64(0)
	pairs = buf[:0]
	for len(pairs) < maxPairs {
		v, size := short(b[n:])
		if n += size; v == 0 && size > 0 && len(pairs) > 0 {
			return pairs, n, true
		}
		d, size2 := short(b[n:])
		n += size2
		if pc += uint64(d) * uint64(quantum); size == 0 || size2 == 0 || pc > 1<<31 {
			break
		}
		pairs = append(pairs, Pair{int32(v>>1) ^ -int32(v&1), uint32(pc)})
	}
	return pairs, n, false
}

// short reads a uvarint of at most 32 bits that is written as short as possible; its size is 0 if there is none.
func short(b []byte) (uint32, int) {
	v, n := binary.Uvarint(b)
	if n <= 0 || v>>32 != 0 || n > 1 && b[n-1] == 0 {
		return 0, 0
	}
	return uint32(v), n
}

// AppendPair writes one entry of a table, whose predecessor ended at pc.
func AppendPair(b []byte, p Pair, pc, quantum uint32) []byte {
	b = binary.AppendUvarint(b, uint64(uint32(p.DV)<<1^uint32(p.DV>>31)))
	return binary.AppendUvarint(b, uint64((p.PC-pc)/quantum))
}

// FieldOrder lists where in a function's record its offsets of tables are, in the order in which the linker lays the
// tables down: stack, file, line, the pcdata without the one of inlined calls, that one. n is the number of pcdata.
func FieldOrder(n uint32, buf []uint32) []uint32 {
	buf = append(buf[:0], recPCs, recPCs+4, recPCs+8)
	for k := range n {
		if k != inlineData {
			buf = append(buf, RecordSize+4*k)
		}
	}
	if n > inlineData {
		buf = append(buf, RecordSize+4*inlineData)
	}
	return buf
}

// Record is a view of a function's record.
type Record []byte

// RecordAt returns the record at an offset of a function table, if it is all there.
func RecordAt(functab []byte, at uint32) (Record, bool) {
	if uint64(at)+RecordSize > uint64(len(functab)) {
		return nil, false
	}
	r := Record(functab[at:])
	if n := r.PCData(); n > maxPCData || uint64(len(r)) < RecordSize+4*uint64(n) {
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
func (r Record) Field(at uint32) uint32 { return binary.LittleEndian.Uint32(r[at:]) }

// SetField changes one of them.
func (r Record) SetField(at, v uint32) { binary.LittleEndian.PutUint32(r[at:], v) }

// AppendFindFunc writes the table that finds functions by pc, as Go's linker does, for a module's functions; false if
// one of its differences does not fit.
func AppendFindFunc(b []byte, m *Module) ([]byte, bool) {
	const sub, subs = 256, 16
	if m.NFunc == 0 {
		return b, false
	}
	first, size := m.Entry(0), m.Entry(m.NFunc)-m.Entry(0)
	n := (uint64(size) + sub - 1) / sub
	fn, base := uint32(0), uint32(0)
	for i := range n {
		for fn+1 < m.NFunc && uint64(m.Entry(fn+1)-first) <= i*sub {
			fn++
		}
		if i%subs == 0 {
			base = fn
			b = binary.LittleEndian.AppendUint32(b, base)
		}
		if fn-base > 255 {
			return b, false
		}
		b = append(b, byte(fn-base))
	}
	return b, true
}
