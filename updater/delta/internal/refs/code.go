package refs

import (
	"math"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/insn"
)

// chunk is how much code without a function table is decoded at once, in bytes.
const chunk = 4096

// code decodes functions when they are asked for and keeps the last one.
type code struct {
	s        *Source
	from, to uint32 // offsets of all code
	addr     uint32 // its address
	lo, hi   uint32 // offsets of the function at hand
	refs     []Ref
	class    []uint8 // of each byte of it, amd64
	isCode   bool
	limit    uint32    // end of memory
	meter    func(int) // is told how many bytes are decoded
}

// find finds the code: what the function table is about, or else the first segment that has some.
func (c *code) find() {
	im, m := &c.s.Image, &c.s.Module
	c.limit = im.End()
	text, _ := im.Span(m.Base[Text], m.Base[EText]-m.Base[Text])
	c.addr = m.Base[Text]
	for _, g := range im.Segments {
		if m.NFunc == 0 && g.Exec && text.Len == 0 {
			text, c.addr = image.Span{Off: g.Off, Len: g.Size}, g.Addr
		}
	}
	if im.Arch != image.Other {
		c.from, c.to = text.Off, text.Off+text.Len
	}
}

// span returns the limits in the file of the function that holds an offset, or of what lies between functions; code
// says which.
func (c *code) span(off uint32) (lo, hi uint32, isCode bool) {
	m, lo, hi := &c.s.Module, c.from, c.to
	switch {
	case off < lo:
		return 0, lo, false
	case off >= hi:
		return hi, math.MaxUint32, false
	case m.NFunc == 0:
		lo += (off - lo) / chunk * chunk
		return lo, min(lo+chunk, hi), true
	}
	n := m.Before(off - c.from + c.addr)
	if n <= m.NFunc {
		hi = c.from + m.Entry(n)
	}
	return lo + m.Entry(n-1), hi, n <= m.NFunc
}

// load makes the function that holds an offset the one at hand. Without code there, the stretch has no references.
func (c *code) load(off uint32) {
	if off >= c.lo && off < c.hi {
		return
	}
	c.refs, c.class = c.refs[:0], c.class[:0]
	if c.lo, c.hi, c.isCode = c.span(off); !c.isCode {
		return
	}
	addr, b := c.addr+(c.lo-c.from), c.s.Image.Data[c.lo:c.hi]
	c.meter(len(b))
	if c.s.Image.Arch == image.AMD64 {
		c.amd64(b, addr)
	} else {
		c.arm64(b, addr)
	}
}

// Meter has a function told how many bytes of code are decoded from now on, before they are: again and again those that
// are asked for anew.
func (s *Source) Meter(f func(bytes int)) { s.code.meter, s.code.lo, s.code.hi = f, 0, 0 }

// in appends the references in code that begin from lo to hi.
func (c *code) in(lo, hi uint32, buf []Ref) []Ref {
	for at := lo; at < hi; at = c.hi {
		c.load(at)
		buf = between(c.refs, lo, hi, buf)
	}
	return buf
}

// Class says what the byte at an offset is for: below 32 or from 64 on in code, 0 elsewhere.
func (s *Source) Class(off uint32) uint8 {
	c := &s.code
	c.load(off)
	switch {
	case !c.isCode:
		return 0
	case s.Image.Arch == image.ARM64:
		return 64 + uint8(off&3)<<5 + s.Image.Data[min(off|3, c.hi-1)]>>3
	}
	return c.class[off-c.lo]
}

// amd64 takes the instructions of a function apart. A byte that begins none is passed over.
func (c *code) amd64(b []byte, addr uint32) {
	c.class = append(c.class, make([]uint8, len(b))...)
	for at := 0; at < len(b); {
		in := insn.AMD64(b[at:min(at+16, len(b))])
		if in.Len == 0 || int(in.Len) > len(b)-at {
			at++
			continue
		}
		if in.Kind != insn.None {
			c.add(uint32(at)+uint32(in.Rel), in.Kind, addr+uint32(at)+uint32(in.Len), uint16(in.Len-in.Rel))
		}
		for i := range in.Len {
			c.class[at+int(i)] = in.Class(i)
		}
		at += int(in.Len)
	}
}

// add keeps the reference of a field of the function at hand, which holds a distance, if its target is in the program.
func (c *code) add(at uint32, kind Kind, from uint32, aux uint16) {
	r := Ref{Pos: c.lo + at, Kind: kind, Aux: aux}
	r.Target = from + uint32(r.Wrap(int64(r.Get(c.s.Image.Data[r.Pos:])))<<r.Shift())
	if r.Target <= c.limit {
		c.refs = append(c.refs, r)
	}
}

// arm64 takes each word for an instruction. An ADRP and what adds low bits to its register, one of the next two, have the
// same target.
func (c *code) arm64(b []byte, addr uint32) {
	page, reg, until := 0, uint32(0), uint32(0) // the last ADRP
	for at := uint32(0); at+4 <= uint32(len(b)); at += 4 {
		w, n := le.Uint32(b[at:]), len(c.refs)
		switch kind, scale := insn.ARM64(w); kind {
		case insn.None:
		case insn.Page:
			if c.add(at, kind, (addr+at)&^0xFFF, 0); len(c.refs) > n {
				page, reg, until = n, w&31, at+12
			}
		case insn.Low12:
			if at < until && w>>5&31 == reg {
				r := &c.refs[page]
				r.Target += w >> 10 & 0xFFF << scale
				c.refs = append(c.refs, Ref{Pos: c.lo + at, Target: r.Target, Kind: kind, Aux: scale << 8})
				until = 0
			}
		default:
			c.add(at, kind, addr+at, 0)
		}
	}
}
