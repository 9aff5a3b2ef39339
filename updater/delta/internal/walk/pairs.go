package walk

import (
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// Entry is one of the partner's table, with what is known of it.
type Entry struct {
	Old    refs.Pair
	Mapped uint32 // where its pc should be
	line   int32  // in a table of lines: the line, and its file or 0
	file   uint32
}

// progress is how far the table at hand is.
type progress struct {
	value    int32
	pc       uint32
	n        int // entries made
	lastDiff int32
	hist     uint32
}

// What happens next in a table: an entry beside the next old one, an old one has none, an entry without an old one.
const (
	Match = iota
	Delete
	Insert
	End
)

// Kinds of tables that are treated in a way of their own, and limits.
const (
	kindFile, kindLine = 1, 2

	lineCharge = 4    // what looking for a line may cost, in decisions
	maxReach   = 8192 // bytes of code in which an instruction is offered for a pc
	maxMoved   = 4096 // pcs of a function that are not where they were mapped are remembered
)

// table makes a new table, which follows the others. Its partner is the old table at oldOff, if that is not 0.
func (t *tables) table(oldOff uint32) {
	t.readOld(oldOff)
	t.want, _, _ = refs.ReadTable(t.Whole[int(t.hole.Off)+len(t.out):t.hole.Off+t.hole.Len], t.quantum, t.want)
	t.want, t.progress = append(t.want, refs.Pair{}), progress{value: -1}
	all, k := t.predictAll(), t.kind
	t.c.Contexts(k, hash2(k, t.ring&15), hash2(k, logOf(uint32(len(all)))), hash2(k, uint32(len(t.pcs)&3)))
	if len(all) > 0 && t.bit(slices.Equal(all, t.want[:len(t.want)-1]), 1, siteAll) {
		for i, e := range all {
			t.put(e)
			t.take(&t.was[i])
		}
	} else {
		t.steps()
	}
	coder.Check(t.n > 0, "make pc table: it is empty")
	t.out = append(t.out, 0)
}

// put adds an entry to the new table.
func (t *tables) put(e refs.Pair) {
	if e.PC < t.pc || t.n > 0 && e.DV == 0 || len(t.out) >= int(t.hole.Len) {
		coder.Fail("make pc table: an entry at %d follows one at %d, in %d of %d bytes", e.PC, t.pc, len(t.out), t.hole.Len)
	}
	t.out = refs.AppendPair(t.out, e, t.pc, t.quantum)
	t.passed(e)
	if e.PC < uint32(len(t.marks)) && t.marks[e.PC]&ends == 0 {
		t.marks[e.PC] |= ends
		t.ends++
	}
}

func (p *progress) passed(e refs.Pair) {
	p.value, p.pc, p.n = p.value+e.DV, e.PC, p.n+1
}

// take learns from an entry that was made beside one of the old table.
func (t *tables) take(e *Entry) {
	t.learnLine(e.file, e.line, t.value-e.line)
	if e.Mapped != t.pc && len(t.pcs) < maxMoved {
		t.pcs[e.Old.PC] = t.pc
	}
}

// predict says what the new table has in place of an old entry.
func (t *tables) predict(e *Entry) refs.Pair {
	p := refs.Pair{DV: e.Old.DV, PC: e.Mapped}
	if shift, ok := t.lineMoved(e.file, e.line); ok {
		p.DV = e.line + shift - t.value
	}
	if p.PC < t.pc || p.PC > t.size {
		p.PC = t.pc
	}
	p.PC -= (p.PC - t.pc) % t.quantum
	return p
}

// predictAll predicts the whole table.
func (t *tables) predictAll() []refs.Pair {
	start := t.progress
	t.predicted = t.predicted[:0]
	for i := range t.was {
		t.predicted = append(t.predicted, t.predict(&t.was[i]))
		t.passed(t.predicted[i])
	}
	t.progress = start
	return t.predicted
}

// steps makes the table entry by entry. The encoder has found the steps to the one that it wants; a decoder has none.
func (t *tables) steps() {
	ops := []byte{End}
	if t.Align != nil {
		ops = append(t.Align(t.was, t.want[:len(t.want)-1]), End)
	}
	was, k := t.was, t.kind
	for i, last := 0, uint32(Match); last != End; i++ {
		left, full, op := uint32(min(len(was), 3)), coder.One(t.pc == t.size), uint32(Match)
		t.c.Contexts(hash4(k, left, last, full), hash3(k, t.hist&0xFF, left), hash4(left, last, full, t.hist&3), hash3(k, uint32(min(t.n, 20)), full))
		if left == 0 {
			op = Insert
		}
		for op < End && !t.bit(uint32(ops[min(i, len(ops)-1)]) == op, 1+op, siteOp) {
			op++
		}
		switch op {
		case Match:
			t.codeEntry(t.predict(&was[0]), was[0].Old.DV, true)
			t.take(&was[0])
			was = was[1:]
		case Delete:
			was = was[1:]
		case Insert:
			t.codeEntry(refs.Pair{PC: t.size}, 0, false)
		}
		last = op
	}
}

// codeEntry codes one entry and puts it: beside a prediction, or without one.
func (t *tables) codeEntry(pred refs.Pair, oldDV int32, matched bool) {
	want := t.want[min(t.n, len(t.want)-1)]
	want.DV = t.codeValue(want.DV, pred.DV, oldDV, matched)
	want.PC = t.codePC(want.PC, pred.PC, matched)
	t.put(want)
}

// codeValue codes by how much the value changes.
func (t *tables) codeValue(dv, pred, old int32, matched bool) int32 {
	k := t.kind
	if matched {
		t.c.Contexts(hash2(k, t.hist&0xFF), hash3(k, uint32(old), 1), hash3(k, uint32(pred-old), t.hist&3), hash3(k, uint32(t.lastDiff), 3))
		hit := t.bit(dv == pred, 1, siteValue)
		t.hist = t.hist<<1 | coder.One(!hit)
		if hit {
			return pred
		}
	}
	t.c.Contexts(k, hash2(k, uint32(min(t.n, 3))), hash3(k, uint32(t.value), 2), hash3(k, uint32(old), 3))
	t.lastDiff = int32(t.c.Signed(int64(dv-old), siteChange))
	return old + t.lastDiff
}

// codePC codes where an entry ends: as predicted, at the end of the function, or at one of the next instructions.
func (t *tables) codePC(pc, pred uint32, matched bool) uint32 {
	k := t.kind<<1 | coder.One(matched)
	t.c.Contexts(hash2(k, t.hist&0xF), hash2(k, uint32(min(t.ends, 8))), hash2(k, uint32(min(t.n, 8))), hash2(k&1, logOf(pred-t.pc)))
	switch {
	case t.bit(pc == pred, 1, sitePC):
		return pred
	case pred != t.size && t.bit(pc == t.size, 2, sitePC):
		return t.size
	}
	t.boundaries()
	reach := min(t.pc+maxReach, uint32(len(t.marks)))
	if t.bit(pc > t.pc && pc < reach && t.marks[pc]&begins != 0, 3, sitePC) {
		for s, before := t.pc+1, t.pc; s < reach; s++ {
			if t.marks[s]&begins != 0 {
				if s != pred && t.boundary(s, before, s == pc, pred) {
					return s
				}
				before = s
			}
		}
		coder.Fail("read pc table: no instruction was taken")
	}
	t.c.Contexts(k)
	return t.pc + t.quantum*uint32(t.c.Number(uint64((pc-t.pc)/t.quantum), siteFar))
}

// boundary codes whether the entry ends where the instruction at a pc begins, which follows one before.
func (t *tables) boundary(s, last uint32, yes bool, pred uint32) bool {
	before, after := uint32(t.code[last+t.quantum-1]), uint32(t.code[s+t.quantum-1])
	k, seen, dist := t.kind, uint32(t.marks[s])/ends, min(logOf(pred-s), 7)
	if s > pred {
		dist = 8 + min(logOf(s-pred), 7)
	}
	t.c.Contexts(hash3(k, seen, dist), hash4(k, before, seen, 1), hash4(k, after, seen, 2), hash4(k, before, after, seen), hash4(k, dist, before, 3),
		hash4(k, seen, logOf(s-t.pc), uint32(min(t.n, 3))))
	return t.bit(yes, 1, siteStep)
}
