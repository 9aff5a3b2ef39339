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

// Limits of a plan.
const (
	maxExtra  = 4096
	blockSize = 256 // bytes of a copy that share one "as predicted"
	checkMask = 1<<10 - 1
)

// MaxCopies is the most copies that a result of a size may have.
func MaxCopies(size int) int { return size/64 + 1024 }

// Budget is the most decisions that a patch may take, whatever the size of its result: about fifteen seconds.
const Budget = 64 << 20

type walk struct {
	Plan
	ctx   context.Context
	c     *coder.Coder
	old   *refs.Source
	ob    []byte       // the old file
	nb    []byte       // the new one, as far as it is made
	want  []byte       // the new one, when encoding: as the content makes it
	whole []byte       // the new one as it ends, when encoding
	holes []image.Span // what the content leaves out
	new   image.Image
	m     addrmap.Map

	blocks    uint32 // how many there were
	blockHist uint32
	lit       literals
	cp        copies
	refBuf    []refs.Ref
}

// Encode returns the stream that makes whole from old by a plan, and the decisions it takes. Content is whole, or what
// Plain has made of it if the plan has a structure.
func Encode(old *refs.Source, whole, content []byte, plan Plan) (stream []byte, spent uint64, err error) {
	defer coder.Recover(&err)
	w := newWalk(context.Background(), coder.NewEncoder(Budget), old, len(whole))
	w.Plan, w.want, w.whole = plan, content, whole
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
	w.run()
	if err := w.c.Close(); err != nil {
		return nil, err
	}
	return w.nb, nil
}

func newWalk(ctx context.Context, c *coder.Coder, old *refs.Source, size int) *walk {
	return &walk{ctx: ctx, c: c, old: old, ob: old.Image.Data, nb: make([]byte, size)}
}

func (w *walk) run() {
	w.codePlan()
	w.lit.init(w)
	w.cp.init()
	at, from := uint32(0), uint32(0)
	for i := range w.Copies {
		c := w.Copies[i]
		w.gap(at, c.New, from)
		w.copy(c)
		at, from = c.New+c.Len, c.Old+c.Len
	}
	w.gap(at, uint32(len(w.nb)), from)
	w.tables()
	w.hashes()
}

// bit codes a decision; the encoder's is yes.
func (w *walk) bit(yes bool, node, site uint32) bool {
	var b uint32
	if yes {
		b = 1
	}
	return w.c.Bit(b, node, site) != 0
}

// wants returns the bytes that the encoder wants in a stretch, and nothing for a decoder.
func (w *walk) wants(from, to uint32) []byte {
	if w.want == nil {
		return nil
	}
	return w.want[from:to]
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

// Call sites of decisions; each has its own weights.
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
	siteField6
	siteOffset6
	siteAll6
	siteOp6
	siteValue6
	siteChange6
	sitePC6
	siteFar6
	siteStep6
)
