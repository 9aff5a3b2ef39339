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

// What happens next in a table.
const (
	opMatch = iota
	opDelete
	opInsert
	opEnd
)

// finish ends the table.
func (p *tablePass) finish() {
	if p.n == 0 {
		coder.Fail("make pc table: it is empty")
	}
	p.room1(1)
	p.out = append(p.out, 0)
}

func (p *tablePass) room1(n int) {
	if len(p.out)+n > p.room {
		coder.Fail("make pc tables: they do not fit into %d bytes", p.room)
	}
}

// lineCharge is what looking for a line may cost, in decisions.
const lineCharge = 4

// put adds an entry to the new table.
func (p *tablePass) put(e refs.Pair) {
	var buf [10]byte
	b := refs.AppendPair(buf[:0], e, p.pc, p.quantum)
	p.room1(len(b))
	if p.line {
		p.c.Charge(lineCharge)
	}
	if e.PC < p.pc || p.n > 0 && e.DV == 0 {
		coder.Fail("make pc table: an entry at %d follows one at %d", e.PC, p.pc)
	}
	p.out = append(p.out, b...)
	p.pc = e.PC
	p.newLine += e.DV
	p.n++
	p.addEnd(e.PC)
}

// addEnd keeps the list of ends in order.
func (p *tablePass) addEnd(pc uint32) {
	n := len(p.ends)
	if n >= 1<<16 {
		return
	}
	if n == 0 || p.ends[n-1] < pc {
		p.ends = append(p.ends, pc)
	} else if k, found := slices.BinarySearch(p.ends, pc); !found {
		p.ends = slices.Insert(p.ends, k, pc)
	}
}

// take moves on in the old table after entry j was predicted and used, and learns from the new one.
func (p *tablePass) take(j int) {
	o := p.oldPairs[j]
	p.prevLine += o.DV
	if p.line {
		p.lines.learn(p.fileAt(o.PC), p.prevLine, p.newLine-p.prevLine)
	}
	p.learnPC(o.PC, p.pc)
}

// drop moves on in the old table past entry j, which the new one does not have.
func (p *tablePass) drop(j int) { p.prevLine += p.oldPairs[j].DV }

// learnPC notes where a pc of the partner turned out to be, if that was not predicted.
func (p *tablePass) learnPC(old, new uint32) {
	if p.mapped == new {
		return
	}
	k, found := slices.BinarySearchFunc(p.pcs, old, func(a pcPair, b uint32) int { return cmp.Compare(a.old, b) })
	if found {
		p.pcs[k].new = new
	} else if len(p.pcs) < 4096 {
		p.pcs = slices.Insert(p.pcs, k, pcPair{old, new})
	}
}

// mapPC predicts where a pc of the partner is.
func (p *tablePass) mapPC(old uint32) uint32 {
	if len(p.pcs) > 0 {
		if k, found := slices.BinarySearchFunc(p.pcs, old, func(a pcPair, b uint32) int { return cmp.Compare(a.old, b) }); found {
			return p.pcs[k].new
		}
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
func (p *tablePass) asPredicted(want []refs.Pair) bool {
	if len(want) != len(p.oldPairs) {
		return false
	}
	q := *p
	learned := slices.Clone(p.pcs)
	undo := len(p.lines.log)
	p.lines.logging = true
	ok := true
	for j := range want {
		if q.predict(j) != want[j] || j > 0 && want[j].DV == 0 {
			ok = false
			break
		}
		q.pc = want[j].PC
		q.newLine += want[j].DV
		q.n++
		q.take(j)
	}
	p.pcs = learned
	p.lines.rollback(undo)
	return ok
}

// code makes the table entry by entry; ops says what the encoder does.
func (p *tablePass) code(ops []byte) {
	j, step, last := 0, 0, uint32(opMatch)
	for {
		op := uint32(opEnd)
		if p.walk.want != nil && step < len(ops) {
			op = uint32(ops[step])
		}
		step++
		op = p.codeOp(op, j, last)
		switch op {
		case opMatch:
			e := p.predict(j)
			p.entry1(e, p.oldPairs[j].DV, true)
			p.take(j)
			j++
		case opDelete:
			p.drop(j)
			j++
		case opInsert:
			p.entry1(refs.Pair{DV: 0, PC: p.size}, 0, false)
		case opEnd:
			return
		}
		last = op
	}
}

// codeOp codes what happens next.
func (p *tablePass) codeOp(op uint32, j int, last uint32) uint32 {
	left := uint32(min(len(p.oldPairs)-j, 3))
	atEnd := uint32(0)
	if p.pc == p.size {
		atEnd = 1
	}
	k := p.kind
	p.c.Contexts(hash4(k, left, last, atEnd), hash3(k, p.hist&0xFF, left), hash4(left, last, atEnd, p.hist&3), hash3(k, uint32(min(p.n, 20)), atEnd))
	if left > 0 {
		if p.bit(op == opMatch, 1, siteOp6) {
			return opMatch
		}
		if p.bit(op == opDelete, 2, siteOp6) {
			return opDelete
		}
	}
	if p.bit(op == opInsert, 3, siteOp6) {
		return opInsert
	}
	return opEnd
}

// entry1 codes one entry and puts it: beside a prediction, or without one.
func (p *tablePass) entry1(pred refs.Pair, oldDV int32, matched bool) {
	var want refs.Pair
	if p.walk.want != nil {
		want = p.wantPairs[p.n]
	}
	want.DV = p.value(want.DV, pred.DV, oldDV, matched)
	want.PC = p.codePC(want.PC, pred.PC, matched)
	p.put(want)
}

// value codes by how much the value changes.
func (p *tablePass) value(dv, pred, old int32, matched bool) int32 {
	k := p.kind
	changes := &p.changes[k]
	if matched {
		p.c.Contexts(hash2(k, p.hist&0xFF), hash3(k, uint32(old), 1), hash3(k, uint32(pred-old), p.hist&3), hash3(k, uint32(p.lastDiff), 3))
		hit := p.bit(dv == pred, 1, siteValue6)
		p.hist <<= 1
		if hit {
			return pred
		}
		p.hist |= 1
		candidates := [5]int32{old, old - p.lastDiff, old + changes[0], old + changes[1], old + changes[2]}
		for i, c := range candidates {
			if c == pred || slices.Contains(candidates[:i], c) {
				continue
			}
			if p.bit(dv == c, 2+uint32(i), siteValue6) {
				p.lastDiff = c - old
				return c
			}
		}
	}
	p.c.Contexts(k, hash2(k, uint32(min(p.n, 3))), hash3(k, uint32(p.newLine), 2), hash3(k, uint32(old), 3))
	dv = old + int32(p.c.Signed(int64(dv-old), siteChange6))
	p.lastDiff = dv - old
	if matched {
		changes[2], changes[1] = changes[1], changes[0]
		changes[0] = p.lastDiff
	}
	return dv
}

// maxSteps bounds how many instructions are offered for one pc.
const maxSteps = 2000

// codePC codes where an entry ends: as predicted, at the end of the function, or at one of the next instructions.
func (p *tablePass) codePC(pc, pred uint32, matched bool) uint32 {
	k := p.kind
	m := uint32(0)
	if matched {
		m = 1
	}
	p.c.Contexts(hash3(k, m, p.hist&0xF), hash3(k, m, uint32(min(len(p.ends), 8))), hash3(k, m, uint32(min(p.n, 8))), hash2(m, logOf(pred-p.pc)))
	if matched {
		if p.bit(pc == pred, 1, sitePC6) {
			return pred
		}
	}
	if pred != p.size || !matched {
		if p.bit(pc == p.size, 2, sitePC6) {
			return p.size
		}
	}
	first, found := slices.BinarySearch(p.starts, p.pc)
	if found {
		first++
	}
	steps := min(len(p.starts)-first, maxSteps)
	at := -1
	if p.walk.want != nil {
		if i, ok := slices.BinarySearch(p.starts, pc); ok && i >= first && i < first+steps {
			at = i
		}
	}
	if steps > 0 && p.bit(at >= 0, 3, sitePC6) {
		for i := first; i < first+steps; i++ {
			if p.boundary(i, i == at, pred, matched) {
				return p.starts[i]
			}
		}
		coder.Fail("read pc table: no instruction was taken")
	}
	p.c.Contexts(k, hash2(k, 1))
	return p.pc + p.quantum*uint32(p.c.Number(uint64((pc-p.pc)/p.quantum), siteFar6))
}

// boundary codes whether the entry ends where instruction i begins.
func (p *tablePass) boundary(i int, yes bool, pred uint32, matched bool) bool {
	s := p.starts[i]
	if matched && s == pred {
		return false
	}
	off, _ := p.new.Offset(p.entry + s)
	before := uint32(p.nb[off-min(off, s-p.starts[max(i-1, 0)])])
	after := uint32(p.nb[off])
	if p.quantum == 4 {
		before, after = uint32(p.nb[off-1]), uint32(p.nb[off+3])
	}
	_, seen := slices.BinarySearch(p.ends, s)
	e := uint32(0)
	if seen {
		e = 1
	}
	dist := uint32(16)
	if matched {
		if s < pred {
			dist = min(logOf(pred-s), 7)
		} else {
			dist = 8 + min(logOf(s-pred), 7)
		}
	}
	k := p.kind
	p.c.Contexts(hash3(k, e, dist), hash4(k, before, e, 1), hash4(k, after, e, 2), hash4(k, before, after, e), hash4(k, dist, before, 3),
		hash4(k, e, logOf(s-p.pc), uint32(min(p.n, 3))))
	return p.bit(yes, 1, siteStep6)
}
