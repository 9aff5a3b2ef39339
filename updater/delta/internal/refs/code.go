package refs

import (
	"encoding/binary"
	"iter"
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/insn"
)

// chunk is how much code without a function table is decoded at once, in bytes.
const chunk = 4096

// code decodes functions when they are asked for and keeps the last one.
type code struct {
	s      *Source
	lo, hi uint32 // offsets of the function at hand
	refs   []Ref
	class  []uint8 // of each byte of it, once they were asked for
	isCode bool
	limit  uint32 // end of memory
	read   uint64 // bytes of all functions that were decoded
}

// span returns the limits in the file of the function that holds an offset, or of what lies between functions; code
// says which.
func (c *code) span(off uint32) (lo, hi uint32, isCode bool) {
	im, m := &c.s.Image, &c.s.Module
	g := im.Segment(off)
	if g == nil || im.Arch == image.Other || !m.OK && !g.Exec {
		hi = nothing
		for _, g := range im.Segments {
			if g.Off > off {
				hi = min(hi, g.Off)
			}
		}
		return off, hi, false
	}
	if !m.OK {
		lo = g.Off + (off-g.Off)/chunk*chunk
		return lo, min(lo+chunk, g.Off+g.Size), true
	}
	addr, text, end := g.Addr+(off-g.Off), m.Base[Text], g.Addr+g.Size
	if i, ok := m.Function(addr); ok && m.Start(i) >= g.Addr && m.Start(i+1) <= end {
		return m.Start(i) - g.Addr + g.Off, m.Start(i+1) - g.Addr + g.Off, true
	} else if !ok && text > addr && text < end {
		end = text
	}
	return off, end - g.Addr + g.Off, false
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
	addr, _ := c.s.Image.Addr(c.lo)
	b := c.s.Image.Data[c.lo:c.hi]
	c.read += uint64(len(b))
	if c.s.Image.Arch == image.AMD64 {
		c.amd64(b, addr)
	} else {
		c.arm64(b, addr)
	}
}

// Decoded returns how many bytes of code were decoded so far, again and again those that were asked for anew.
func (s *Source) Decoded() uint64 { return s.code.read }

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
	if !c.isCode {
		return 0
	}
	if len(c.class) == 0 {
		c.classes(s.Image.Data[c.lo:c.hi])
	}
	return c.class[off-c.lo]
}

// classes says of each byte of the function at hand what it is for.
func (c *code) classes(b []byte) {
	c.class = append(c.class, make([]uint8, len(b))...)
	if c.s.Image.Arch == image.ARM64 {
		for at := range b {
			c.class[at] = 64 + uint8(at&3)<<5
			if at+4 <= len(b) {
				c.class[at] |= b[at+3] >> 3
			}
		}
		return
	}
	for at, in := range instructions(b) {
		for i := range in.Len {
			c.class[at+int(i)] = in.Class(i)
		}
	}
}

// instructions are those of a function; a byte that begins none is passed over.
func instructions(b []byte) iter.Seq2[int, insn.Inst] {
	return func(yield func(int, insn.Inst) bool) {
		for at := 0; at < len(b); {
			in := insn.AMD64(b[at:min(at+16, len(b))])
			if in.Len == 0 || int(in.Len) > len(b)-at {
				at++
				continue
			}
			if !yield(at, in) {
				return
			}
			at += int(in.Len)
		}
	}
}

// add keeps a reference whose target is in the program.
func (c *code) add(pos uint32, size uint8, kind Kind, target uint32, aux uint16) {
	if target <= c.limit {
		c.refs = append(c.refs, Ref{Pos: pos, Target: target, Kind: kind, Size: size, Aux: aux})
	}
}

// amd64 adds the relative fields of the instructions of a function.
func (c *code) amd64(b []byte, addr uint32) {
	for at, in := range instructions(b) {
		if in.Kind != insn.None {
			rel := at + int(in.Rel)
			field, size := b[rel:], uint8(1)
			distance := uint32(int8(field[0]))
			if in.Kind != insn.Rel8 {
				distance, size = binary.LittleEndian.Uint32(field), 4
			}
			c.add(c.lo+uint32(rel), size, Kind(in.Kind), addr+uint32(at)+uint32(in.Len)+distance, uint16(in.Len-in.Rel))
		}
	}
}

// arm64 takes each word for an instruction.
func (c *code) arm64(b []byte, addr uint32) {
	for at := 0; at+4 <= len(b); at += 4 {
		w := binary.LittleEndian.Uint32(b[at:])
		form, distance := insn.ARM64(w)
		pos, here := c.lo+uint32(at), addr+uint32(at)
		switch form {
		case insn.Plain:
		case insn.Page:
			c.page(b, at, pos, here, w, distance)
		default:
			c.add(pos, 4, Branch26+Kind(form-insn.B26), here+distance, 0)
		}
	}
	inOrder(c.refs)
	c.refs = slices.CompactFunc(c.refs, func(a, b Ref) bool { return a.Pos == b.Pos })
}

// page adds an ADRP together with the instruction that adds the low bits to the same register, one of the next two.
func (c *code) page(b []byte, at int, pos, here, w, distance uint32) {
	target := here&^0xFFF + distance
	for i := at + 4; i <= at+8 && i+4 <= len(b); i += 4 {
		low, scale, ok := insn.Low12(binary.LittleEndian.Uint32(b[i:]), w&31)
		if !ok {
			continue
		}
		c.add(pos, 4, Page, target+low, 0)
		if target+low <= c.limit {
			c.add(pos+uint32(i-at), 4, Low12, target+low, scale)
		}
		return
	}
	c.add(pos, 4, Page, target, 0)
}
