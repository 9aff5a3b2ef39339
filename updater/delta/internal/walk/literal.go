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
	start uint32                  // of the instruction at hand
	code  bool                    // whether amd64 instructions are followed

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
	addr, known := w.new.Addr(at)
	reg := region(addr, known, &w.Bases)
	l.code = w.old.Image.Arch == image.AMD64 && reg == 2
	if l.code {
		w.findStart(at)
	}
	for at < to {
		if l.code {
			if n := w.literalRef(at, to); n > 0 {
				at += n
				continue
			}
		}
		w.literalByte(at, reg)
		at++
	}
}

// findStart decodes what comes before a place to know where its instruction begins.
func (w *walk) findStart(at uint32) {
	s := at - min(at, warmUp)
	for s < at {
		n := uint32(insn.AMD64(w.nb[s:min(s+16, at)]).Len)
		if n == 0 {
			n = 1
		}
		if s+n > at {
			break
		}
		s += n
	}
	w.lit.start = s
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
	l := &w.lit
	if at < matchMin {
		return
	}
	slot := &l.table[hash5(w.nb[at-matchMin:])]
	if *slot > 0 && l.len == 0 {
		place := *slot - 1
		n := uint32(0)
		for n < 32 && n < at && n < place {
			b, ok := w.historic(place-1-n, at)
			if !ok || b != w.nb[at-1-n] || place > uint32(len(w.ob)) && place-1-n < uint32(len(w.ob)) {
				break
			}
			n++
		}
		if n >= 4 {
			l.match, l.len = place, n
		}
	}
	*slot = uint32(len(w.ob)) + at + 1
}

// literalByte makes one byte.
func (w *walk) literalByte(at, reg uint32) {
	l := &w.lit
	w.seek(at)
	var prev [4]uint32
	for i := range uint32(4) {
		if at > i {
			prev[i] = uint32(w.nb[at-1-i])
		}
	}
	class, opcode := at&7, uint32(0)
	if l.code {
		in := insn.AMD64(w.nb[l.start:at])
		class = 32 + uint32(in.Class(w.nb[l.start:], int(at-l.start)))
		if in.Opcode < int(at-l.start) {
			opcode = 1 + uint32(w.nb[l.start+uint32(in.Opcode)])
		}
	}
	guess, level := uint32(0), uint32(0)
	if l.len > 0 {
		if b, ok := w.historic(l.match, at); ok {
			guess, level = uint32(b)+1, min(l.len, 15)
			if l.len > 15 {
				level = 15 + min(logOf(l.len>>4), 8)
			}
		} else {
			l.len = 0
		}
	}
	here := uint32(0)
	if l.ptr < uint32(len(w.ob)) {
		here = uint32(w.ob[l.ptr]) + 1
	}
	w.c.Contexts(hash3(reg, class, opcode), hash2(prev[0], class), hash3(prev[0], prev[1], 2), hash4(prev[0], prev[1], prev[2], 3),
		hash4(prev[0], prev[1], prev[2], prev[3]), hash2(guess, level), hash3(guess, prev[0], min(level, 1)), hash3(here, l.miss&7, prev[0]))
	var want byte
	if w.want != nil {
		want = w.want[at]
	}
	got := w.c.Byte(want, siteLiteral)
	w.nb[at] = got
	w.advance(at, got, guess, here)
}

// advance moves what follows the new file on by one byte.
func (w *walk) advance(at uint32, got byte, guess, here uint32) {
	l := &w.lit
	if l.len > 0 {
		if guess == uint32(got)+1 {
			l.len++
			l.match++
		} else {
			l.len = 0
		}
	}
	l.miss <<= 1
	if here != uint32(got)+1 {
		l.miss |= 1
	}
	l.ptr++
	if l.len >= aim && l.match < uint32(len(w.ob)) {
		l.ptr = l.match
	}
	if l.code {
		if n := insn.AMD64(w.nb[l.start : at+1]).Len; n > 0 && uint32(n) <= at+1-l.start || at+1-l.start >= 16 {
			l.start = at + 1
		}
	}
}

// literalRef makes the four bytes of a relative field, if one begins at at, and returns how many bytes it made.
func (w *walk) literalRef(at, to uint32) uint32 {
	l := &w.lit
	n := int(at - l.start)
	if n == 0 || to-at < 4 {
		return 0
	}
	in := insn.AMD64(w.nb[l.start:at])
	if in.Len == 0 || in.Kind == insn.None || in.Kind == insn.Rel8 || in.Rel != n || in.Head > n {
		return 0
	}
	here, ok := w.new.Addr(at)
	if !ok {
		return 0
	}
	here += uint32(in.Len - in.Rel)
	var want uint32
	if w.want != nil {
		want = here + word(w.want[at:])
	}
	t := w.codeTarget(refs.Kind(in.Kind), want)
	binary.LittleEndian.PutUint32(w.nb[at:], t-here)
	l.lastTo[in.Kind] = t
	for i := range uint32(4) {
		guess, _ := w.historic(l.match, at)
		l.ptr++
		if l.len > 0 && guess == w.nb[at+i] {
			l.len++
			l.match++
		} else if l.len > 0 {
			// An address differs where it moved; what follows it is still the same.
			l.match++
		}
	}
	if in.Rel+4 == in.Len {
		l.start = at + 4
	}
	return 4
}

// candidates are how many of the old file's targets are tried for a new reference.
const (
	ahead = 28
	back  = 12
)

// codeTarget codes the target of a relative field: as that of one of the references around the running place, or byte
// by byte.
func (w *walk) codeTarget(k refs.Kind, want uint32) uint32 {
	l := &w.lit
	w.gather()
	i, _ := slices.BinarySearchFunc(l.near, l.lastUsed[k], func(r refs.Ref, p uint32) int { return cmp.Compare(r.Pos, p) })
	tried, n := [20]uint32{}, uint32(0)
	try := func(r *refs.Ref) bool {
		t, _, _ := w.target(r)
		if slices.Contains(tried[:n], t) {
			return false
		}
		tried[n] = t
		w.c.Contexts(hash2(uint32(k), n), hash3(uint32(k), min(n, 1), l.miss&15), hash2(r.Target, 1), hash2(n, l.miss&255))
		n++
		if !w.bit(t == want, n, siteCandidate) {
			return false
		}
		l.lastUsed[k] = r.Pos + 1
		want = t
		return true
	}
	seen := 0
	for j := i; j < len(l.near) && seen < ahead && n < 20; j++ {
		if r := &l.near[j]; r.Kind == k {
			seen++
			if try(r) {
				return want
			}
		}
	}
	seen = 0
	for j := i - 1; j >= 0 && seen < back && n < 20; j-- {
		if r := &l.near[j]; r.Kind == k {
			seen++
			if try(r) {
				return want
			}
		}
	}
	t := uint32(0)
	for i := range uint32(4) {
		w.c.Contexts(hash3(uint32(k), i, t), hash3(i, t, 1), hash4(uint32(k), i, t, l.lastTo[k]>>(24-8*i)), hash2(uint32(k), i))
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
	l.nearSet, l.nearAt = true, at
	l.near = w.old.In(at-min(at, nearBack), min(at+nearAhead, uint32(len(w.ob))), l.near[:0])
}
