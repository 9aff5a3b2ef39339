package alike

import (
	"encoding/binary"
	"math/bits"
)

// What an encoder looks at. More finds little more in results.
const (
	reach  = 16 // bytes that may be new before both go on alike
	drift  = 8  // by which they may then stand further on or back
	enough = 32 // bytes alike, behind which nothing better is looked for
	plenty = 8  // bytes saved where both go on as they stood: what moved a little is not looked for

	tableBits = 9
	indexed   = 1<<16 - 1 // bytes of the base that the table covers
	worth     = 8         // bytes alike that make a move from far away worth its step: what an entry stands for
)

// Encode appends to dst what Decode makes record of, given the same base. It always can; what it makes may be longer than the record where they have little in common.
func Encode(dst, base, record []byte) []byte {
	e := encoder{out: dst, base: base, record: record}
	for {
		n := alike(record[e.i:], base[e.j:])
		e.i, e.j = e.i+n, e.j+n
		if e.i == len(record) {
			break
		}
		if !e.decimal() && !e.varint() {
			e.text()
		}
	}
	if e.j < len(base) {
		e.move(0, len(base)-e.j)
	}
	return e.out
}

// encoder is one difference being made. record[from:i] is base up to j: it will be copied by the next step.
type encoder struct {
	out, base, record []byte
	from, i, j        int
	step              int64
	table             [1 << tableBits]uint16 // places in base, +1, by the hash of what stands there
	filled            bool
}

// begin writes a step's first byte: all up to i is copied.
func (e *encoder) begin(kind byte) {
	n := e.i - e.from
	e.out = append(e.out, byte(min(n, maxCopy))<<kindBits|kind)
	if n >= maxCopy {
		e.out = binary.AppendUvarint(e.out, uint64(n-maxCopy))
	}
}

// past goes on behind what a step has made.
func (e *encoder) past(made, taken int) {
	e.i, e.j = e.i+made, e.j+taken
	e.from = e.i
}

func (e *encoder) signed(v int64) { e.out = binary.AppendUvarint(e.out, fold(v)) }

// decimal tells a number of double precision by its decimals, where the byte that differs lies in one, told by the tag that protobuf writes before it.
func (e *encoder) decimal() bool {
	for back := range min(8, e.i-e.from) {
		i, j := e.i-back, e.j-back
		if tag := e.record[i-1]; tag&7 != 1 || tag >= 0x80 || len(e.record)-i < 8 || len(e.base)-j < 8 {
			continue
		}
		power, by, ok := decimals(double(e.base[j:]), double(e.record[i:]))
		if !ok || 1+size(fold(by)) > differing(e.record[i:i+8], e.base[j:j+8]) {
			continue
		}
		e.i, e.j = i, j
		e.begin(kindScaled)
		e.out = append(e.out, power)
		e.signed(by)
		e.past(8, 8)
		return true
	}
	return false
}

// decimals finds the fewest decimals that tell v, and by how much of the last one it differs from base.
func decimals(base, v float64) (power byte, by int64, ok bool) {
	for power = range byte(maxPower + 1) {
		m, fits := mantissa(v, power)
		if !fits {
			return 0, 0, false
		}
		if made := float64(m) / powers[power]; made != v || m == 0 && v == 0 && 1/v < 0 { // −0 has no decimals
			continue
		}
		from, fits := mantissa(base, power)
		return power, m - from, fits
	}
	return 0, 0, false
}

// differing is how many bytes lie from the first to the last that differ.
func differing(a, b []byte) int {
	x := binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b)
	if x == 0 {
		return 0
	}
	return 8 - bits.TrailingZeros64(x)/8 - bits.LeadingZeros64(x)/8
}

// varint tells a number of several bytes by what it grew by.
func (e *encoder) varint() bool {
	i, j := e.i, e.j
	for i > e.from && e.record[i-1] >= 0x80 && e.i-i < binary.MaxVarintLen64 {
		i, j = i-1, j-1
	}
	was, taken := binary.Uvarint(e.base[j:])
	is, made := binary.Uvarint(e.record[i:])
	if taken <= 0 || made <= 0 || made != size(is) || taken < 2 && made < 2 {
		return false
	}
	by := int64(is - was)
	kind, power, d := e.cheapest(by)
	cost := size(fold(d))
	if power > 0 {
		cost++
	}
	if cost > made-(e.i-i) {
		return false
	}
	e.i, e.j = i, j
	e.begin(kind)
	if power > 0 {
		e.out = append(e.out, scaledAdd+power)
	}
	e.signed(d)
	e.past(made, taken)
	e.step = next(e.step, by, kind == kindStep)
	return true
}

// cheapest is the shortest way to tell that a varint grew by that.
func (e *encoder) cheapest(by int64) (kind, power byte, d int64) {
	kind, d = kindAdd, by
	if near := by - e.step; size(fold(near)) < size(fold(d)) {
		kind, d = kindStep, near
	}
	whole, p := by, byte(0)
	for by != 0 && p < maxPower && whole%10 == 0 {
		whole, p = whole/10, p+1
	}
	if p > 0 && 1+size(fold(whole)) < size(fold(d)) {
		return kindScaled, p, whole
	}
	return kind, 0, d
}

// text tells bytes that are new, up to where both go on alike.
func (e *encoder) text() {
	made, taken, ok := e.near()
	if !ok {
		made, taken = e.far()
	}
	e.instead(made, taken)
}

func (e *encoder) instead(made, taken int) {
	if made != taken {
		e.move(made, taken)
		return
	}
	if made <= kindSome {
		e.begin(byte(made - 1))
	} else {
		e.begin(kindSome)
		e.out = binary.AppendUvarint(e.out, uint64(made))
	}
	e.out = append(e.out, e.record[e.i:e.i+made]...)
	e.past(made, taken)
}

func (e *encoder) move(made, taken int) {
	e.begin(kindMove)
	e.out = binary.AppendUvarint(e.out, uint64(made))
	e.signed(int64(taken))
	e.out = append(e.out, e.record[e.i:e.i+made]...)
	e.past(made, taken)
}

// near finds where both go on alike not far from here: where they stood, or a little off.
func (e *encoder) near() (made, taken int, ok bool) {
	made, best := e.beside()
	taken = made
	if best >= plenty {
		return made, taken, true
	}
	record, base := e.record[e.i:], e.base[e.j:]
	for a := range min(reach+1, len(record)-3) {
		next := binary.LittleEndian.Uint32(record[a:])
		for b := max(0, a-drift); b <= min(a+drift, len(base)-4); b++ {
			if binary.LittleEndian.Uint32(base[b:]) != next {
				continue
			}
			if gain := alikeHere(record[a:], base[b:]) - a - 3; gain > best && a != b {
				best, made, taken = gain, a, b
			}
		}
	}
	return made, taken, best > 0
}

// beside is how many bytes are new if both go on alike where they stood, and what that saves in what is looked at.
func (e *encoder) beside() (made, gain int) {
	a, b := e.record[e.i:], e.base[e.j:]
	most := min(len(a), len(b), enough)
	for at := 0; at < most; {
		n := alike(a[at:most], b[at:most])
		if n >= 2 {
			gain += n - 1
			if made == 0 {
				made = at
			}
		}
		at += n + 1
	}
	if made == 0 && len(a) == len(b) && most < enough {
		return most, 1 // all that is left is new
	}
	return made, gain
}

// far finds the next bytes of the record that stand where they did, or anywhere in the base; where none do, the rest is new.
func (e *encoder) far() (made, taken int) {
	e.fill()
	for i := e.i; i+worth <= len(e.record); i++ {
		beside, j := e.j+i-e.i, int(e.table[hash(e.record[i:])])-1
		if beside <= len(e.base) && alike(e.record[i:], e.base[beside:]) >= worth {
			j = beside
		} else if j < 0 || alike(e.record[i:], e.base[j:]) < worth {
			continue
		}
		for i > e.i && j > 0 && e.record[i-1] == e.base[j-1] {
			i, j = i-1, j-1
		}
		return i - e.i, j - e.j
	}
	return len(e.record) - e.i, len(e.base) - e.j
}

// fill makes the table, once; of equal places the first counts.
func (e *encoder) fill() {
	if e.filled {
		return
	}
	e.filled = true
	for j := min(len(e.base), indexed) - worth; j >= 0; j-- {
		e.table[hash(e.base[j:])] = uint16(j + 1)
	}
}

func hash(b []byte) uint64 {
	return binary.LittleEndian.Uint64(b) * 0x9E3779B97F4A7C15 >> (64 - tableBits)
}

// alike is how many bytes two texts begin with alike.
func alike(a, b []byte) int {
	n, most := 0, min(len(a), len(b))
	for n+8 <= most {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < most && a[n] == b[n] {
		n++
	}
	return n
}

// alikeHere is alike up to what is enough, which two texts that end alike have in any case.
func alikeHere(a, b []byte) int {
	n := alike(a[:min(len(a), enough)], b[:min(len(b), enough)])
	if n == len(a) && n == len(b) {
		return enough
	}
	return n
}

// size is how many bytes a varint has.
func size(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }
