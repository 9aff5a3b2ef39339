package walk

import (
	"bytes"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// copies is what the walk remembers from one copied block to the next.
type copies struct {
	hist     uint32 // last units: 1 for a miss
	since    uint32 // units since the last miss
	lastPred byte   // of the last missed byte
	lastWas  byte
	outcome  *[classes * 256]uint16 // by class and byte: 0 nothing yet, 1 hit, 2 + the byte that came instead

	kindHist [refs.Kinds]uint32
	recent   [refs.Kinds][4]int64 // corrections
	moved    *[1 << overrideBits]override
	line     uint32 // how far lines have moved
	inlined  *[1 << lineBits]lineShift
}

// override says where an address went that the map got wrong.
type override struct{ old, new uint32 }

// lineShift says how far the lines of a function have moved.
type lineShift struct{ name, shift uint32 }

const (
	overrideBits = 16
	lineBits     = 15
	classes      = 256
)

func (c *copies) init() {
	c.outcome = new([classes * 256]uint16)
	c.moved = new([1 << overrideBits]override)
	c.inlined = new([1 << lineBits]lineShift)
}

// copy makes the bytes of one copy, block by block of the old file.
func (w *walk) copy(c Copy) {
	shift, end := c.New-c.Old, c.Old+c.Len
	for at := c.Old; at < end; {
		to := min(end, at&^(blockSize-1)+blockSize)
		w.refBuf = w.old.In(at, to, w.refBuf[:0])
		if n := len(w.refBuf); n > 0 {
			last := w.refBuf[n-1]
			if e := last.Pos + uint32(last.Size); e > end {
				w.refBuf = w.refBuf[:n-1]
			} else if e > to {
				to = e
			}
		}
		if w.blocks++; w.blocks&checkMask == 0 && w.ctx.Err() != nil {
			panic(coder.Failure{Err: w.ctx.Err()})
		}
		w.block(at, to, shift, at == c.Old || to == end)
		at = to
	}
}

// block makes the bytes of the old file from at to to, which move by shift.
func (w *walk) block(at, to, shift uint32, edge bool) {
	copy(w.nb[at+shift:to+shift], w.ob[at:to])
	for i := range w.refBuf {
		w.predict(&w.refBuf[i], shift)
	}
	addr, known := w.old.Image.Addr(at)
	reg := region(addr, known, &w.old.Base)
	e := uint32(0)
	if edge {
		e = 1
	}
	n := min(uint32(len(w.refBuf)), 40)
	w.c.Contexts(hash2(w.blockHist&0xFF, reg), hash2(w.blockHist&0xFFFF, 1), hash2(reg, n), hash3(e, w.blockHist&7, logOf(to-at)), hash2(reg, e))
	clean := w.bit(w.want != nil && bytes.Equal(w.nb[at+shift:to+shift], w.wants(at+shift, to+shift)), 1, siteBlock)
	w.blockHist = w.blockHist<<1 | 1
	if clean {
		w.blockHist--
	} else {
		w.units(at, to, shift, reg)
	}
	for i := range w.refBuf {
		if r := &w.refBuf[i]; r.Kind == refs.Line && r.Pos >= 32 {
			w.cp.learnLine(word(w.ob[r.Pos-32:]), word(w.nb[r.Pos+shift:])-r.Target)
		}
	}
}

// units makes a block that is not as predicted: reference by reference, byte by byte.
func (w *walk) units(at, to, shift, reg uint32) {
	next := 0
	for at < to {
		if next < len(w.refBuf) && w.refBuf[next].Pos == at {
			r := &w.refBuf[next]
			next++
			w.reference(r, shift, reg)
			at += uint32(r.Size)
			continue
		}
		w.byte(at, shift, reg)
		at++
	}
}

func (c *copies) note(miss bool) {
	c.hist <<= 1
	c.since++
	if miss {
		c.hist |= 1
		c.since = 0
	}
}

// byte makes one byte that is not part of a reference.
func (w *walk) byte(at, shift, reg uint32) {
	c, n := &w.cp, at+shift
	old := uint32(w.ob[at])
	class := uint32(w.old.Class(at))
	if class == 0 {
		class = 32 + at&7
	}
	var prev, prev2, next uint32
	if n > 0 {
		prev = uint32(w.nb[n-1])
	}
	if n > 1 {
		prev2 = uint32(w.nb[n-2])
	}
	if at+1 < uint32(len(w.ob)) {
		next = uint32(w.ob[at+1])
	}
	pair := uint32(c.lastPred)<<8 | uint32(c.lastWas)
	out := &c.outcome[class<<8|old]
	dist := min(logOf(c.since), 12)
	h := c.hist
	w.c.Contexts(hash3(h&0xFF, reg, class), hash3(old, reg, class), hash2(dist, h&0xFFF), hash3(old, prev, prev2),
		hash3(old, next, 5), hash3(pair, old, dist), hash3(old, uint32(*out), class), hash3(class, dist, h&15))
	var want byte
	if w.want != nil {
		want = w.want[n]
	}
	if w.bit(want == byte(old), 1, siteByte) {
		w.nb[n] = byte(old)
		*out = 1
		c.note(false)
		return
	}
	diff := uint32(c.lastWas - c.lastPred)
	w.c.Contexts(hash2(old, reg), hash2(old, prev), hash3(prev, prev2, 2), hash3(old, diff, 3), hash3(old, next, 4),
		hash2(pair, old), hash3(uint32(*out), class, old), hash4(class, diff, old, 7))
	got := w.c.Byte(want, siteMissed)
	w.nb[n] = got
	*out = 2 + uint16(got)
	c.lastPred, c.lastWas = byte(old), got
	c.note(true)
}
