package walk

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/insn"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// literals is what the walk remembers from one literal byte to the next.
type literals struct {
	table [1 << tableBits]uint32 // place behind five bytes with a hash, new ones behind the old file; or 0
	match uint32                 // place that the match model points to, if len is not 0
	len   uint32                 // how long it has been right
	ptr   uint32                 // running place in the old file
	miss  uint32                 // last bytes: 1 where the byte at ptr was wrong

	code  bool      // whether amd64 instructions are followed
	start uint32    // of the instruction at hand
	inst  insn.Inst // what is known of it

	near     []refs.Ref         // references around ptr
	nearAt   uint32             // 1 + where they were collected
	lastUsed [refs.Kinds]uint32 // place behind the reference of the kind whose target was taken last
	lastTo   [refs.Kinds]uint32 // the last target of the kind
}

const (
	tableBits = 19
	matchMin  = 5  // bytes that are hashed
	aim       = 12 // a match this long moves the running place
	warmUp    = 48 // bytes before a literal that are decoded to find where instructions begin
	longest   = 16 // bytes in which an instruction ends
)

func hash5(b []byte) uint32 {
	v := uint64(word(b)) | uint64(b[4])<<32
	return uint32(v * 0x9E3779B97F4A7C15 >> (64 - tableBits))
}

// literal makes the new bytes from at to to, which no copy makes. from is where the copy before them ended in the old
// file.
func (w *walk) literal(at, to, from uint32) {
	l := &w.lit
	l.ptr, l.len, l.miss = from, 0, 0
	for k := range l.lastUsed {
		l.lastUsed[k] = from
	}
	reg := region(&w.new, at, &w.Bases)
	if l.code = w.old.Image.Arch == image.AMD64 && reg == uint32(refs.Text); l.code {
		l.start = at - min(at, warmUp)
		for n := uint32(0); l.start+n <= at; n = max(uint32(insn.AMD64(w.nb[l.start:min(l.start+longest, at)]).Len), 1) {
			l.start += n
		}
		l.inst = insn.AMD64(w.nb[l.start:at])
	}
	for at < to {
		if n := w.literalRef(at, to); n > 0 {
			at += n
		} else {
			w.literalByte(at, reg)
			at++
		}
		if l.code {
			l.inst = insn.AMD64(w.nb[l.start:at])
			if n := at - l.start; l.inst.Len > 0 && uint32(l.inst.Len) <= n || n >= longest {
				l.start, l.inst = at, insn.AMD64(nil)
			}
		}
	}
}

// seek looks for an earlier place that continues like the new file at at.
func (w *walk) seek(at uint32) {
	l := &w.lit
	if at < matchMin {
		return
	}
	slot := &l.table[hash5(w.nb[at-matchMin:])]
	if *slot > 0 && l.len == 0 {
		l.match = *slot
		for now := w.all[:len(w.ob)+int(at)]; l.len < 32 && l.len < l.match && now[l.match-1-l.len] == now[uint32(len(now))-1-l.len]; {
			l.len++
		}
		if l.len < matchMin-1 {
			l.len = 0
		}
	}
	*slot = uint32(len(w.ob)) + at
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
	guess, level, here := uint32(0), l.len, uint32(0) // bytes plus 1
	if l.len > 0 {
		guess = uint32(w.all[l.match]) + 1
	}
	if level > 15 {
		level = 15 + min(logOf(level>>4), 8)
	}
	if l.ptr < uint32(len(w.ob)) {
		here = uint32(w.ob[l.ptr]) + 1
	}
	p1, p2, p3, p4 := w.before(at, 1), w.before(at, 2), w.before(at, 3), w.before(at, 4)
	w.c.Contexts(hash3(reg, class, opcode), hash2(p1, class), hash3(p1, p2, 2), hash4(p1, p2, p3, 3), hash4(p1, p2, p3, p4),
		hash2(guess, level), hash3(guess, p1, min(level, 1)), hash3(here, l.miss&7, p1))
	w.nb[at] = w.c.Byte(w.Content[at], siteLiteral)
	got := uint32(w.nb[at]) + 1
	l.match++
	if l.len++; l.len == 1 || guess != got {
		l.len = 0
	}
	l.miss = l.miss<<1 | coder.One(here != got)
	l.ptr++
	if l.len >= aim && l.match < uint32(len(w.ob)) {
		l.ptr = l.match
	}
}

// literalRef makes the four bytes of a relative field, if one begins at at, and returns how many bytes it made.
func (w *walk) literalRef(at, to uint32) uint32 {
	l, in := &w.lit, &w.lit.inst
	n := uint8(at - l.start)
	next, ok := w.new.Addr(at)
	if !l.code || !ok || n == 0 || to-at < 4 || in.Len == 0 || in.Kind < insn.Call || in.Rel != n || in.Disp > n {
		return 0
	}
	next += uint32(in.Len - in.Rel)
	t := w.codeTarget(in.Kind, next+word(w.Content[at:]))
	binary.LittleEndian.PutUint32(w.nb[at:], t-next)
	l.lastTo[in.Kind] = t
	l.match += 4 // an address differs where it moved; what follows it is still the same
	l.ptr += 4
	return 4
}

// candidates is how many of the old file's targets are tried for a new reference: those in code this far around the running
// place.
const (
	candidates = 20
	nearBack   = 512
	nearAhead  = 1536
)

// codeTarget codes the target of a relative field: as that of one of the references around the running place, from the one
// behind the last that was taken on, or byte by byte.
func (w *walk) codeTarget(k refs.Kind, want uint32) uint32 {
	l, kind := &w.lit, uint32(k)
	if at := min(l.ptr, uint32(len(w.ob))) &^ 255; l.nearAt != at+1 {
		l.near = w.old.In(at-min(at, nearBack), min(at+nearAhead, uint32(len(w.ob))), l.near[:0])
		l.near = slices.DeleteFunc(l.near, func(r refs.Ref) bool { return r.Kind < insn.Call || r.Kind > insn.Data }) // never asked for
		l.nearAt = at + 1
	}
	first, _ := slices.BinarySearchFunc(l.near, l.lastUsed[k], func(r refs.Ref, p uint32) int { return cmp.Compare(r.Pos, p) })
	tried := make([]uint32, 0, candidates)
	for i := range l.near {
		r := &l.near[(first+i)%len(l.near)]
		t, _ := w.target(r)
		if r.Kind != k || slices.Contains(tried, t) {
			continue
		}
		n := uint32(len(tried))
		if tried = append(tried, t); n == candidates {
			break
		}
		w.c.Contexts(hash2(kind, n), hash3(kind, min(n, 1), l.miss&15), hash2(r.Target, 1), hash2(n, l.miss&255))
		if w.bit(t == want, n+1, siteCandidate) {
			l.lastUsed[k] = r.Pos + 1
			return t
		}
	}
	t := uint32(0)
	for i := range uint32(4) {
		w.c.Contexts(hash3(kind, i, t), hash3(i, t, 1), hash4(kind, i, t, l.lastTo[k]>>(24-8*i)), hash2(kind, i))
		t = t<<8 | uint32(w.c.Byte(byte(want>>(24-8*i)), siteAddress))
	}
	return t
}
