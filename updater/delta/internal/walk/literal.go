package walk

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/insn"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// literals is what the walk remembers from one literal byte to the next.
type literals struct {
	table *[1 << tableBits]uint32 // where five bytes with a hash were seen last: 1 + place, new places behind the old file
	match uint32                  // place that the match model points to, or 0
	len   uint32                  // how long it has been right
	ptr   uint32                  // running place in the old file
	miss  uint32                  // last bytes: 1 where the byte at ptr was wrong

	code  bool      // whether amd64 instructions are followed
	start uint32    // of the instruction at hand
	inst  insn.Inst // what is known of it

	near     []refs.Ref // references around nearAt, in code
	nearAt   uint32
	nearSet  bool
	lastUsed [refs.Kinds]uint32 // place behind the reference of the kind whose target was taken last
	lastTo   [refs.Kinds]uint32 // the last target of the kind
}

const (
	tableBits = 19
	matchMin  = 5  // bytes that are hashed
	aim       = 12 // a match this long moves the running place
	warmUp    = 48 // bytes before a literal that are decoded to find where instructions begin
	nearBack  = 512
	nearAhead = 1536
)

func (l *literals) init(w *walk) {
	l.table = new([1 << tableBits]uint32)
	for i := range max(len(w.ob)-matchMin+1, 0) {
		l.table[hash5(w.ob[i:])] = uint32(i+matchMin) + 1
	}
}

func hash5(b []byte) uint32 {
	v := uint64(word(b)) | uint64(b[4])<<32
	return uint32(v * 0x9E3779B97F4A7C15 >> (64 - tableBits))
}

// literal makes the new bytes from at to to, which no copy makes. from is where the copy before them ended in the old
// file.
func (w *walk) literal(at, to, from uint32) {
	if at == to {
		return
	}
	l := &w.lit
	l.ptr, l.len, l.match, l.miss = from, 0, 0, 0
	for k := range l.lastUsed {
		l.lastUsed[k] = from
	}
	reg := region(&w.new, at, &w.Bases)
	if l.code = w.old.Image.Arch == image.AMD64 && reg == 2; l.code {
		w.findStart(at)
	}
	for at < to {
		if n := w.literalRef(at, to); n > 0 {
			at += n
			continue
		}
		w.literalByte(at, reg)
		at++
	}
}

// findStart decodes what comes before a place to know where its instruction begins.
func (w *walk) findStart(at uint32) {
	s := at - min(at, warmUp)
	for s < at {
		n := max(uint32(insn.AMD64(w.nb[s:min(s+16, at)]).Len), 1)
		if s+n > at {
			break
		}
		s += n
	}
	w.begin(s, at)
}

// begin says where the instruction at hand begins; its bytes up to a place are known.
func (w *walk) begin(start, at uint32) {
	w.lit.start, w.lit.inst = start, insn.AMD64(w.nb[start:at])
}

// historic returns the byte at a place of the old file or, behind it, of the new one before at.
func (w *walk) historic(place, at uint32) (byte, bool) {
	if place < uint32(len(w.ob)) {
		return w.ob[place], true
	}
	if place -= uint32(len(w.ob)); place < at {
		return w.nb[place], true
	}
	return 0, false
}

// seek looks for an earlier place that continues like the new file at at.
func (w *walk) seek(at uint32) {
	l, oldSize := &w.lit, uint32(len(w.ob))
	if at < matchMin {
		return
	}
	slot := &l.table[hash5(w.nb[at-matchMin:])]
	if *slot > 0 && l.len == 0 {
		place := *slot - 1
		seen := w.ob[:min(place, oldSize)]
		if place > oldSize {
			seen = w.nb[:place-oldSize]
		}
		n := 0
		for n < 32 && n < len(seen) && n < int(at) && seen[len(seen)-1-n] == w.nb[int(at)-1-n] {
			n++
		}
		if n >= 4 {
			l.match, l.len = place, uint32(n)
		}
	}
	*slot = oldSize + at + 1
}

// literalByte makes one byte.
func (w *walk) literalByte(at, reg uint32) {
	l := &w.lit
	w.seek(at)
	class, opcode := at&7, uint32(0)
	if l.code {
		n := uint8(at - l.start)
		class = 32 + uint32(l.inst.Class(n))
		if l.inst.Opcode < n {
			opcode = 1 + uint32(w.nb[l.start+uint32(l.inst.Opcode)])
		}
	}
	guess, level, here := uint32(0), uint32(0), uint32(0)
	if l.len > 0 {
		if b, ok := w.historic(l.match, at); !ok {
			l.len = 0
		} else if guess, level = uint32(b)+1, l.len; level > 15 {
			level = 15 + min(logOf(l.len>>4), 8)
		}
	}
	if l.ptr < uint32(len(w.ob)) {
		here = uint32(w.ob[l.ptr]) + 1
	}
	p1, p2, p3, p4 := w.before(at, 1), w.before(at, 2), w.before(at, 3), w.before(at, 4)
	w.c.Contexts(hash3(reg, class, opcode), hash2(p1, class), hash3(p1, p2, 2), hash4(p1, p2, p3, 3), hash4(p1, p2, p3, p4),
		hash2(guess, level), hash3(guess, p1, min(level, 1)), hash3(here, l.miss&7, p1))
	w.nb[at] = w.c.Byte(w.Content[at], siteLiteral)
	w.advance(at, uint32(w.nb[at])+1, guess, here)
}

// advance moves what follows the new file on by one byte; values are 1 + a byte.
func (w *walk) advance(at, got, guess, here uint32) {
	l := &w.lit
	if l.len > 0 && guess == got {
		l.len++
		l.match++
	} else {
		l.len = 0
	}
	l.miss = l.miss<<1 | one(here != got)
	l.ptr++
	if l.len >= aim && l.match < uint32(len(w.ob)) {
		l.ptr = l.match
	}
	if l.code {
		w.begin(l.start, at+1)
		if n := at + 1 - l.start; l.inst.Len > 0 && uint32(l.inst.Len) <= n || n >= 16 {
			w.begin(at+1, at+1)
		}
	}
}

// literalRef makes the four bytes of a relative field, if one begins at at, and returns how many bytes it made.
func (w *walk) literalRef(at, to uint32) uint32 {
	l, in := &w.lit, &w.lit.inst
	n := uint8(at - l.start)
	if !l.code || n == 0 || to-at < 4 || in.Len == 0 || in.Kind <= insn.Rel8 || in.Rel != n || in.Head > n {
		return 0
	}
	next, ok := w.new.Addr(at)
	if !ok {
		return 0
	}
	k, tail := refs.Kind(in.Kind), uint32(in.Len-in.Rel)
	next += tail
	t := w.codeTarget(k, next+word(w.Content[at:]))
	binary.LittleEndian.PutUint32(w.nb[at:], t-next)
	l.lastTo[k] = t
	for i := range uint32(4) {
		if guess, _ := w.historic(l.match, at); l.len > 0 {
			// An address differs where it moved; what follows it is still the same.
			l.len += one(guess == w.nb[at+i])
			l.match++
		}
	}
	l.ptr += 4
	if w.begin(l.start, at+4); tail == 4 {
		w.begin(at+4, at+4)
	}
	return 4
}

// How many of the old file's targets are tried for a new reference.
const (
	ahead      = 28
	back       = 12
	candidates = 20
)

// codeTarget codes the target of a relative field: as that of one of the references around the running place, or byte
// by byte.
func (w *walk) codeTarget(k refs.Kind, want uint32) uint32 {
	l, kind := &w.lit, uint32(k)
	w.gather()
	i, _ := slices.BinarySearchFunc(l.near, l.lastUsed[k], func(r refs.Ref, p uint32) int { return cmp.Compare(r.Pos, p) })
	tried := make([]uint32, 0, candidates)
	for _, way := range [2]struct{ from, step, most int }{{i, 1, ahead}, {i - 1, -1, back}} {
		for j, seen := way.from, 0; j >= 0 && j < len(l.near) && seen < way.most && len(tried) < candidates; j += way.step {
			r := &l.near[j]
			if r.Kind != k {
				continue
			}
			seen++
			t, _ := w.target(r)
			if slices.Contains(tried, t) {
				continue
			}
			n := uint32(len(tried))
			tried = append(tried, t)
			w.c.Contexts(hash2(kind, n), hash3(kind, min(n, 1), l.miss&15), hash2(r.Target, 1), hash2(n, l.miss&255))
			if w.bit(t == want, n+1, siteCandidate) {
				l.lastUsed[k] = r.Pos + 1
				return t
			}
		}
	}
	t := uint32(0)
	for i := range uint32(4) {
		w.c.Contexts(hash3(kind, i, t), hash3(i, t, 1), hash4(kind, i, t, l.lastTo[k]>>(24-8*i)), hash2(kind, i))
		t = t<<8 | uint32(w.c.Byte(byte(want>>(24-8*i)), siteAddress))
	}
	return t
}

// gather collects the references in code around the running place.
func (w *walk) gather() {
	l := &w.lit
	at := min(l.ptr, uint32(len(w.ob))) &^ 255
	if l.nearSet && l.nearAt == at {
		return
	}
	w.stop()
	l.nearSet, l.nearAt = true, at
	l.near = w.old.In(at-min(at, nearBack), min(at+nearAhead, uint32(len(w.ob))), l.near[:0])
}
