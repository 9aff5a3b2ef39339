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
	// Align returns steps (Match..) from an old table to the one wanted; pcs is where the old entries are expected to end.
	Align func(old, want []refs.Pair, pcs []uint32) []byte
}

const (
	blockSize = 256 // bytes of a copy that share one "as predicted"
	checkMask = 1<<8 - 1
	// Bytes of code that may be decoded: so often all of both files, so much for each decision, and so much beside.
	decodeAll, decodeEach, decodeToo = 8, 32, 64 << 20
)

// Budget is the most decisions that a patch may take, whatever the size of its result: about fifteen seconds.
const Budget = 64 << 20

type walk struct {
	Plan
	Wish // of a decoder: the new file as far as it is made. Its coder does not look at what is wanted
	ctx  context.Context
	c    *coder.Coder
	old  *refs.Source
	ob   []byte // the old file
	nb   []byte // the new one, as far as it is made
	new  image.Image
	m    addrmap.Map

	holes     []image.Span // what the content leaves out
	steps     uint32       // how many there were
	blockHist uint32
	lit       literals
	cp        copies
	refBuf    []refs.Ref
}

// Encode returns the stream that makes the file wanted from old by a plan, and the decisions it takes.
func Encode(old *refs.Source, wish Wish, plan Plan) (stream []byte, spent uint64, err error) {
	defer coder.Recover(&err)
	w := newWalk(context.Background(), coder.NewEncoder(Budget), old, len(wish.Whole))
	w.Plan, w.Wish = plan, wish
	w.run()
	return w.c.Bytes(), w.c.Spent(), nil
}

// Decode returns the file of a size that a stream makes from old. The stream takes exactly spent decisions.
func Decode(ctx context.Context, old *refs.Source, size int, in io.ByteReader, spent uint64) (result []byte, err error) {
	defer coder.Recover(&err)
	if spent > Budget {
		coder.Fail("read stream: %d decisions are over the limit of %d", spent, uint64(Budget))
	}
	w := newWalk(ctx, coder.NewDecoder(in, spent), old, size)
	w.Wish = Wish{Whole: w.nb, Content: w.nb}
	w.run()
	return w.nb, w.c.Close()
}

func newWalk(ctx context.Context, c *coder.Coder, old *refs.Source, size int) *walk {
	return &walk{ctx: ctx, c: c, old: old, ob: old.Image.Data, nb: make([]byte, size)}
}

func (w *walk) run() {
	w.codePlan()
	w.lit.init(w)
	w.cp.init()
	at, from := uint32(0), uint32(0)
	for _, c := range w.Copies {
		w.gap(at, c.New, from)
		w.copy(c)
		at, from = c.New+c.Len, c.Old+c.Len
	}
	w.gap(at, uint32(len(w.nb)), from)
	w.tables()
	w.hashes()
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
func (w *walk) bit(yes bool, node, site uint32) bool { return w.c.Bit(one(yes), node, site) != 0 }

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

// stop ends the walk when its context has ended, or when copies have jumped from function to function all the time, each
// of which was decoded for them. It looks now and then.
func (w *walk) stop() {
	if w.steps++; w.steps&checkMask != 0 {
		return
	}
	if err := w.ctx.Err(); err != nil {
		panic(coder.Failure{Err: err})
	}
	most := decodeAll*uint64(len(w.ob)+len(w.nb)) + decodeEach*w.c.Spent() + decodeToo
	coder.Check(w.old.Decoded() <= most, "work: more than %d bytes of code were decoded", most)
}

func one(b bool) uint32 {
	if b {
		return 1
	}
	return 0
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
