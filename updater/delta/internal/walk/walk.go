// Package walk is the go1 codec's content: one walk over the new file that writes it from the old one and from a
// stream of decisions. Encoder and decoder are the same walk. The encoder also knows the file that it wants, and looks
// at it only where a decision is taken, so both always know the same.
//
// It does not search for what the files have in common (package match does) and knows neither hashes nor headers.
package walk

import (
	"context"
	"io"
	"math/bits"
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/addrmap"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// Copy says that Len bytes of the new file at New are made from those of the old one at Old. Between copies there are
// literal bytes.
type Copy struct{ New, Old, Len uint32 }

// Plan is what the encoder decides about the new file before the walk, and the decoder learns from the stream.
type Plan struct {
	Base     uint64
	Segments []image.Segment
	Bases    [refs.Bases]uint32
	Copies   []Copy          // in order of the new file, without overlap there
	Extra    []addrmap.Piece // memory that has no bytes in the file
	Structure
}

// Wish is what the encoder knows besides its plan.
type Wish struct {
	Whole   []byte // the new file
	Content []byte // the same as the content makes it: with zeros for the offsets of tables that are made later
	// Align returns steps (Match..) from an old table to the one wanted.
	Align func(old []Entry, want []refs.Pair) []byte
}

const (
	blockSize  = 256 // bytes of a copy that share one "as predicted"
	codeCharge = 64  // bytes of code that are decoded for what a decision costs
)

// Budget is the most decisions that a patch may take, whatever the size of its result: about fifteen seconds.
const Budget = 64 << 20

type walk struct {
	Plan
	Wish   // of a decoder: the new file as far as it is made. Its coder does not look at what is wanted
	c      *coder.Coder
	old    *refs.Source
	all    []byte // the old file and, behind it, the new one as far as it is made
	ob, nb []byte
	new    image.Image
	m      addrmap.Map

	holes  [3]image.Span // what the content leaves out: tables of pcs, what finds functions, hashes
	lit    literals
	cp     copies
	refBuf []refs.Ref
}

// Decode returns the file of a size that a stream makes from old, behind whose bytes it is written if there is room. The
// stream takes exactly spent decisions.
func Decode(ctx context.Context, old *refs.Source, size int, in io.ByteReader, spent uint64) (result []byte, err error) {
	defer coder.Recover(&err)
	coder.Check(spent <= Budget, "read stream: %d decisions are over the limit of %d", spent, uint64(Budget))
	c := coder.NewDecoder(ctx, in, spent)
	result = Code(c, old, size, Plan{}, Wish{})
	return result, c.Close()
}

// Code is the walk. It returns the new file, of which a decoder knows the size alone, and panics as package coder does.
func Code(c *coder.Coder, old *refs.Source, size int, plan Plan, wish Wish) []byte {
	old.Meter(func(n int) { c.Charge(1 + n/codeCharge) })
	n := len(old.Image.Data)
	all := slices.Grow(old.Image.Data, size)[:n+size]
	w := &walk{Plan: plan, Wish: wish, c: c, old: old, all: all, ob: all[:n:n], nb: all[n:]}
	if w.Whole == nil {
		w.Wish = Wish{Whole: w.nb, Content: w.nb}
	}
	w.codePlan()
	for i := range max(n-matchMin+1, 0) {
		w.lit.table[hash5(w.ob[i:])] = uint32(i + matchMin)
	}
	at, from := uint32(0), uint32(0)
	for _, c := range w.Copies {
		w.gap(at, c.New, from)
		w.copy(c)
		at, from = c.New+c.Len, c.Old+c.Len
	}
	w.gap(at, uint32(size), from)
	w.tables()
	return w.nb
}

// gap makes the bytes from at to to that no copy makes, but for the holes.
func (w *walk) gap(at, to, from uint32) {
	for _, h := range w.holes {
		if h.Off >= at && h.Off+h.Len <= to {
			w.literal(at, h.Off, from)
			at = h.Off + h.Len
		}
	}
	w.literal(at, to, from)
}

// bit codes a decision; the encoder's is yes.
func (w *walk) bit(yes bool, node, site uint32) bool { return w.c.Bit(coder.One(yes), node, site) != 0 }

// recall codes v as the i-th last of a list by flags, the newest first; i is the length of the list if it is none of them.
func recall[T comparable](w *walk, list []T, v T, node, site uint32) (i int) {
	for i < len(list) && !w.bit(list[i] == v, node+uint32(i), site) {
		i++
	}
	return i
}

// toFront puts v before the others in place of the i-th, or of the last one.
func toFront[T any](list []T, i int, v T) {
	copy(list[1:min(i+1, len(list))], list)
	list[0] = v
}

// hash2, hash3 and hash4 mix values into one context.
func hash2(a, b uint32) uint32       { return mix(mix(0, a), b) }
func hash3(a, b, c uint32) uint32    { return mix(mix(mix(0, a), b), c) }
func hash4(a, b, c, d uint32) uint32 { return mix(mix(mix(mix(0, a), b), c), d) }

func mix(h, v uint32) uint32 {
	h = (h ^ v) * 0x9E3779B1
	return h ^ h>>15
}

// logOf is the number of bits of v: a coarse measure of sizes and distances.
func logOf(v uint32) uint32 { return uint32(bits.Len32(v)) }

// Sites of decisions: each has weights of its own.
const (
	sitePlan = iota
	siteGap
	siteWay
	sitePlace
	siteLength
	siteExtra
	siteBase
	siteBlock
	siteByte
	siteMissed
	siteRef
	siteAlt
	siteRecent
	siteField
	siteRaw
	siteLiteral
	siteCandidate
	siteAddress
	siteTableField
	siteTableOffset
	siteAll
	siteOp
	siteValue
	siteChange
	sitePC
	siteFar
	siteStep
)
