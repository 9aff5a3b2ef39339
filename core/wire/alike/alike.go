// Package alike tells one record as the difference to another, its base: docs/alike-format.md. The agent's buffer and the session share it.
//
// It knows nothing of records but that their bytes look alike, keeps nothing between calls, and takes no memory but what it appends to. Which record is the base, that
// both sides have the same one, and that the result is what was meant (a checksum), are its users' business.
package alike

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrDifference is the cause when bytes are no difference to the base they came with.
var ErrDifference = errors.New("not a difference to this base")

// The kinds of a step: what comes behind the bytes that it copies.
const (
	kindOne    = 0 // instead of one byte of the base; 1 and 2: instead of two and three
	kindSome   = 3 // instead of any number
	kindMove   = 4 // bytes, and the base's place moves
	kindAdd    = 5 // a varint that grew
	kindStep   = 6 // a varint that grew as another one did, nearly
	kindScaled = 7 // a number in decimal: of double precision, or a varint that grew by a multiple of a power of ten

	kindBits  = 3
	maxCopy   = 1<<(8-kindBits) - 1 // of the first byte; more follows
	maxPower  = 15                  // of ten
	scaledAdd = 128                 // with a power from 1 on: a varint
)

// most is what integers of double precision stay below.
const most = 1 << 53

var powers = [maxPower + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

var wholePowers = [maxPower + 1]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// Decode appends to dst the record that diff makes of base, at most max bytes. On an error, whose cause is ErrDifference, dst is given back as it was. dst must not lie in base or diff.
func Decode(dst, base, diff []byte, max int) ([]byte, error) {
	d := decoder{out: dst, base: base, diff: diff, room: max}
	for len(d.diff) > 0 && !d.bad {
		d.one()
	}
	d.copy(uint64(len(base) - d.at))
	if d.bad {
		return dst, ErrDifference
	}
	return d.out, nil
}

// decoder is one record being made. Once bad, it makes nothing more.
type decoder struct {
	out, base, diff []byte
	at              int // in base
	room            int // for what is still made
	step            int64
	bad             bool
}

// one takes one step.
func (d *decoder) one() {
	first := d.diff[0]
	d.diff = d.diff[1:]
	length := uint64(first >> kindBits)
	if length == maxCopy {
		length += d.number() // a sum that wraps is a length like any other
	}
	d.copy(length)
	switch kind := first & (1<<kindBits - 1); kind {
	case kindSome:
		n := d.number()
		d.literal(n)
		d.move(n)
	case kindMove:
		n, by := d.number(), d.signed()
		d.literal(n)
		d.moveBy(by)
	case kindAdd:
		d.add(d.signed(), false)
	case kindStep:
		d.add(d.step+d.signed(), true)
	case kindScaled:
		d.scaled()
	default:
		d.literal(uint64(kind) + 1)
		d.move(uint64(kind) + 1)
	}
}

// copy takes bytes from the base.
func (d *decoder) copy(n uint64) {
	if d.bad || n > uint64(len(d.base)-d.at) || n > uint64(max(d.room, 0)) {
		d.bad = true
		return
	}
	d.out = append(d.out, d.base[d.at:d.at+int(n)]...)
	d.at += int(n)
	d.room -= int(n)
}

// literal takes bytes from the difference.
func (d *decoder) literal(n uint64) {
	if d.bad || n > uint64(len(d.diff)) || n > uint64(max(d.room, 0)) {
		d.bad = true
		return
	}
	d.out = append(d.out, d.diff[:n]...)
	d.diff = d.diff[n:]
	d.room -= int(n)
}

func (d *decoder) move(n uint64) {
	if n > uint64(len(d.base)-d.at) {
		d.bad = true
		return
	}
	d.at += int(n)
}

func (d *decoder) moveBy(by int64) {
	if by < -int64(d.at) || by > int64(len(d.base)-d.at) {
		d.bad = true
		return
	}
	d.at += int(by)
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.diff)
	if n <= 0 {
		d.bad, d.diff = true, nil
		return 0
	}
	d.diff = d.diff[n:]
	return v
}

func (d *decoder) signed() int64 { return unfold(d.number()) }

// add makes a varint of the one in the base.
func (d *decoder) add(by int64, always bool) {
	v, n := binary.Uvarint(d.base[d.at:])
	if d.bad || n <= 0 || d.room < binary.MaxVarintLen64 && size(v+uint64(by)) > d.room {
		d.bad = true
		return
	}
	before := len(d.out)
	d.out = binary.AppendUvarint(d.out, v+uint64(by))
	d.at += n
	d.room -= len(d.out) - before
	d.step = next(d.step, by, always)
}

func (d *decoder) scaled() {
	if len(d.diff) == 0 {
		d.bad = true
		return
	}
	e := d.diff[0]
	d.diff = d.diff[1:]
	by := d.signed()
	switch {
	case e > scaledAdd && e <= scaledAdd+maxPower:
		d.add(by*wholePowers[e-scaledAdd], false)
	case e <= maxPower && !d.bad && d.room >= 8 && len(d.base)-d.at >= 8:
		m, ok := mantissa(double(d.base[d.at:]), e)
		if m += by; !ok || m <= -most || m >= most { // by may be anything: what wraps is far from here, or a number like another
			d.bad = true
			return
		}
		d.out = binary.LittleEndian.AppendUint64(d.out, math.Float64bits(float64(m)/powers[e]))
		d.at += 8
		d.room -= 8
	default:
		d.bad = true
	}
}

// next is the step after a number grew.
func next(step, by int64, always bool) int64 {
	if always || amount(by) > amount(step) {
		return by
	}
	return step
}

func amount(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// mantissa is v in units of 10^-e, rounded; ok is false where that is no integer of double precision.
func mantissa(v float64, e byte) (m int64, ok bool) {
	f := math.Round(v * powers[e])
	if !(f > -most && f < most) { // NaN too
		return 0, false
	}
	return int64(f), true
}

func double(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }

func fold(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

func unfold(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
