package walk

import (
	"cmp"
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// tablePass makes one table beside its partner.
type tablePass struct {
	*tables
	line     bool  // values are line numbers
	prevLine int32 // value of the old table so far
	newLine  int32 // of the new one
	pc       uint32
	n        int // entries made
	file     int // entry of the partner's file table at hand
	lastDiff int32
	hist     uint32
	mapped   uint32 // where the pc of the entry that was predicted last should be
}

// What happens next in a table: an entry beside the next old one, an old one has none, an entry without an old one.
const (
	Match = iota
	Delete
	Insert
	End
)

const (
	lineCharge = 4       // what looking for a line may cost, in decisions
	maxEnds    = 1 << 16 // of a function's entries are remembered
	maxMoved   = 4096    // pcs of a function that are not where they were predicted are remembered
	maxSteps   = 2000    // instructions are offered for one pc
)

// finish ends the table.
func (p *tablePass) finish() {
	coder.Check(p.n > 0, "make pc table: it is empty")
	p.append(0)
}

// append writes bytes of the table.
func (p *tablePass) append(b ...byte) {
	if len(p.out)+len(b) > p.room {
		coder.Fail("make pc tables: they do not fit into %d bytes", p.room)
	}
	p.out = append(p.out, b...)
}

// put adds an entry to the new table.
func (p *tablePass) put(e refs.Pair) {
	var buf [10]byte
	p.append(refs.AppendPair(buf[:0], e, p.pc, p.quantum)...)
	if p.line {
		p.c.Charge(lineCharge)
	}
	if e.PC < p.pc || p.n > 0 && e.DV == 0 {
		coder.Fail("make pc table: an entry at %d follows one at %d", e.PC, p.pc)
	}
	p.pc = e.PC
	p.newLine += e.DV
	p.n++
	if k, found := search(p.ends, e.PC); !found && len(p.ends) < maxEnds {
		p.ends = slices.Insert(p.ends, k, e.PC)
	}
}

// search finds v in a list in order, most often behind its end.
func search(list []uint32, v uint32) (int, bool) {
	if n := len(list); n == 0 || list[n-1] < v {
		return n, false
	}
	return slices.BinarySearch(list, v)
}

// take moves on in the old table after entry j was predicted and used, and learns from the new one.
func (p *tablePass) take(j int) {
	o := p.oldPairs[j]
	p.prevLine += o.DV
	if p.line {
		p.lines.learn(p.fileAt(o.PC), p.prevLine, p.newLine-p.prevLine)
	}
	if p.mapped == p.pc {
		return
	}
	if k, found := p.findPC(o.PC); found {
		p.pcs[k][1] = p.pc
	} else if len(p.pcs) < maxMoved {
		p.pcs = slices.Insert(p.pcs, k, [2]uint32{o.PC, p.pc})
	}
}

func (p *tablePass) findPC(old uint32) (int, bool) {
	return slices.BinarySearchFunc(p.pcs, old, func(a [2]uint32, b uint32) int { return cmp.Compare(a[0], b) })
}

// mapPC predicts where a pc of the partner is.
func (p *tablePass) mapPC(old uint32) uint32 {
	if k, found := p.findPC(old); found {
		return p.pcs[k][1]
	}
	a, _ := p.walk.m.At(p.oldEntry + old)
	return a - p.entry
}

// predict says what the new table has in place of entry j of the old one.
func (p *tablePass) predict(j int) refs.Pair {
	o := p.oldPairs[j]
	p.mapped = p.mapPC(o.PC)
	e := refs.Pair{DV: o.DV, PC: p.mapped}
	if p.line {
		was := p.prevLine + o.DV
		if shift, ok := p.lines.find(p.fileAt(o.PC), was); ok {
			e.DV = was + shift - p.newLine
		}
	}
	if e.PC < p.pc || e.PC > p.size {
		e.PC = p.pc
	}
	e.PC -= (e.PC - p.pc) % p.quantum
	return e
}

// asPredicted reports whether a table is all as predicted. It leaves nothing behind.
func (p *tablePass) asPredicted() bool {
	if len(p.wantPairs) != len(p.oldPairs) {
		return false
	}
	q, learned, j := *p, slices.Clone(p.pcs), 0
	p.lines.trial = true
	for ; j < len(p.wantPairs); j++ {
		want := p.wantPairs[j]
		if q.predict(j) != want || j > 0 && want.DV == 0 {
			break
		}
		q.pc = want.PC
		q.newLine += want.DV
		q.n++
		q.take(j)
	}
	p.pcs = learned
	p.lines.rollback()
	return j == len(p.wantPairs)
}

// align has the encoder find the steps to the table that it wants; a decoder has none.
func (p *tablePass) align() []byte {
	if p.Align == nil {
		return nil
	}
	pcs := make([]uint32, len(p.oldPairs))
	for i, o := range p.oldPairs {
		pcs[i] = p.mapPC(o.PC)
	}
	return p.Align(p.oldPairs, p.wantPairs, pcs)
}

// steps makes the table entry by entry.
func (p *tablePass) steps() {
	ops := append(p.align(), End)
	for j, step, last := 0, 0, uint32(Match); ; step++ {
		op := p.step(uint32(ops[min(step, len(ops)-1)]), len(p.oldPairs)-j, last)
		switch op {
		case Match:
			p.entry1(p.predict(j), p.oldPairs[j].DV, true)
			p.take(j)
			j++
		case Delete:
			p.prevLine += p.oldPairs[j].DV
			j++
		case Insert:
			p.entry1(refs.Pair{PC: p.size}, 0, false)
		case End:
			return
		}
		last = op
	}
}

// step codes what happens next; left is how many old entries there still are.
func (p *tablePass) step(op uint32, left int, last uint32) uint32 {
	k, l, full := p.kind, uint32(min(left, 3)), one(p.pc == p.size)
	p.c.Contexts(hash4(k, l, last, full), hash3(k, p.hist&0xFF, l), hash4(l, last, full, p.hist&3), hash3(k, uint32(min(p.n, 20)), full))
	switch {
	case left > 0 && p.bit(op == Match, 1, siteOp):
		return Match
	case left > 0 && p.bit(op == Delete, 2, siteOp):
		return Delete
	case p.bit(op == Insert, 3, siteOp):
		return Insert
	}
	return End
}

// entry1 codes one entry and puts it: beside a prediction, or without one.
func (p *tablePass) entry1(pred refs.Pair, oldDV int32, matched bool) {
	var want refs.Pair
	if p.n < len(p.wantPairs) {
		want = p.wantPairs[p.n]
	}
	want.DV = p.value(want.DV, pred.DV, oldDV, matched)
	want.PC = p.codePC(want.PC, pred.PC, matched)
	p.put(want)
}

// value codes by how much the value changes.
func (p *tablePass) value(dv, pred, old int32, matched bool) int32 {
	k, changes := p.kind, p.changes[p.kind][:]
	if matched {
		p.c.Contexts(hash2(k, p.hist&0xFF), hash3(k, uint32(old), 1), hash3(k, uint32(pred-old), p.hist&3), hash3(k, uint32(p.lastDiff), 3))
		hit := p.bit(dv == pred, 1, siteValue)
		p.hist = p.hist<<1 | one(!hit)
		if hit {
			return pred
		}
		candidates := [...]int32{old, old - p.lastDiff, old + changes[0], old + changes[1], old + changes[2]}
		for i, c := range candidates {
			if c != pred && !slices.Contains(candidates[:i], c) && p.bit(dv == c, 2+uint32(i), siteValue) {
				p.lastDiff = c - old
				return c
			}
		}
	}
	p.c.Contexts(k, hash2(k, uint32(min(p.n, 3))), hash3(k, uint32(p.newLine), 2), hash3(k, uint32(old), 3))
	p.lastDiff = int32(p.c.Signed(int64(dv-old), siteChange))
	if matched {
		toFront(changes, len(changes), p.lastDiff)
	}
	return old + p.lastDiff
}

// codePC codes where an entry ends: as predicted, at the end of the function, or at one of the next instructions.
func (p *tablePass) codePC(pc, pred uint32, matched bool) uint32 {
	k, m := p.kind, one(matched)
	p.c.Contexts(hash3(k, m, p.hist&0xF), hash3(k, m, uint32(min(len(p.ends), 8))), hash3(k, m, uint32(min(p.n, 8))), hash2(m, logOf(pred-p.pc)))
	if matched && p.bit(pc == pred, 1, sitePC) {
		return pred
	}
	if (pred != p.size || !matched) && p.bit(pc == p.size, 2, sitePC) {
		return p.size
	}
	first, found := slices.BinarySearch(p.starts, p.pc)
	first += int(one(found))
	next := p.starts[first:min(first+maxSteps, len(p.starts))]
	at, meant := slices.BinarySearch(next, pc)
	if len(next) > 0 && p.bit(meant, 3, sitePC) {
		for i, s := range next {
			if (!matched || s != pred) && p.boundary(first+i, meant && i == at, pred, matched) {
				return s
			}
		}
		coder.Fail("read pc table: no instruction was taken")
	}
	p.c.Contexts(k, hash2(k, 1))
	return p.pc + p.quantum*uint32(p.c.Number(uint64((pc-p.pc)/p.quantum), siteFar))
}

// boundary codes whether the entry ends where instruction i begins.
func (p *tablePass) boundary(i int, yes bool, pred uint32, matched bool) bool {
	s := p.starts[i]
	off := p.code + s
	before, after := uint32(p.nb[p.code+p.starts[max(i-1, 0)]]), uint32(p.nb[off])
	if p.quantum == 4 {
		before, after = uint32(p.nb[off-1]), uint32(p.nb[off+3])
	}
	_, found := slices.BinarySearch(p.ends, s)
	seen, dist := one(found), uint32(16)
	if matched && s < pred {
		dist = min(logOf(pred-s), 7)
	} else if matched {
		dist = 8 + min(logOf(s-pred), 7)
	}
	k := p.kind
	p.c.Contexts(hash3(k, seen, dist), hash4(k, before, seen, 1), hash4(k, after, seen, 2), hash4(k, before, after, seen), hash4(k, dist, before, 3),
		hash4(k, seen, logOf(s-p.pc), uint32(min(p.n, 3))))
	return p.bit(yes, 1, siteStep)
}
