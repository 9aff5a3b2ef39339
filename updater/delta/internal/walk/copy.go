package walk

import (
	"bytes"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// copies is what the walk remembers from one copied block to the next.
type copies struct {
	blockHist uint32           // last blocks: 1 for one that was not as predicted
	hist      uint32           // last units: 1 for a miss
	since     uint32           // units since the last miss
	lastPred  byte             // of the last missed byte, what was predicted
	lastWas   byte             // and what came
	outcome   [256 << 8]uint16 // by class and byte: 0 nothing yet, 1 hit, 2 + the byte that came instead

	kindHist [refs.Kinds]uint32
	recent   [refs.Kinds][4]int64 // corrections
	moved    [1 << 16]known       // where an address went that the map got wrong
	line     uint32               // how far lines have moved
	lines    [1 << 16]known       // by name of a function, how far its lines have moved
}

// copy makes the bytes of one copy, block by block of the old file.
func (w *walk) copy(c Copy) {
	shift, end := c.New-c.Old, c.Old+c.Len
	for at := c.Old; at < end; {
		to := min(end, at&^(blockSize-1)+blockSize)
		w.refBuf = w.old.In(at, to, w.refBuf[:0])
		if n := len(w.refBuf); n > 0 {
			if e := w.refBuf[n-1].End(); e > end {
				w.refBuf = w.refBuf[:n-1]
			} else {
				to = max(to, e)
			}
		}
		w.block(at, to, shift, coder.One(at == c.Old || to == end))
		at = to
	}
}

// block makes the bytes of the old file from at to to, which move by shift.
func (w *walk) block(at, to, shift, edge uint32) {
	made := w.nb[at+shift : to+shift]
	copy(made, w.ob[at:to])
	for i := range w.refBuf {
		w.predict(&w.refBuf[i], shift)
	}
	reg, hist := region(&w.old.Image, at, &w.old.Module.Base), w.cp.blockHist
	w.c.Contexts(hash2(hist&0xFF, reg), hash2(hist&0xFFFF, 1), hash2(reg, min(uint32(len(w.refBuf)), 40)),
		hash3(edge, hist&7, logOf(to-at)), hash2(reg, edge))
	right := w.bit(bytes.Equal(made, w.Content[at+shift:to+shift]), 1, siteBlock)
	w.cp.blockHist = hist<<1 | coder.One(!right)
	next := w.refBuf
	for !right && at < to { // reference by reference, byte by byte
		if len(next) > 0 && next[0].Pos == at {
			w.reference(&next[0], shift, reg)
			at, next = next[0].End(), next[1:]
		} else {
			w.byte(at, shift, reg)
			at++
		}
	}
	for i := range w.refBuf {
		if r := &w.refBuf[i]; r.Kind == refs.Line {
			*w.lineShift(r) = word(w.nb[r.Pos+shift:]) - r.Target
		}
	}
}

func (c *copies) note(miss bool) {
	c.hist = c.hist<<1 | coder.One(miss)
	if c.since++; miss {
		c.since = 0
	}
}

// byte makes one byte that is not part of a reference.
func (w *walk) byte(at, shift, reg uint32) {
	c, n := &w.cp, at+shift
	old, next := uint32(w.all[at]), uint32(w.all[at+1])
	class := uint32(w.old.Class(at))
	if class == 0 {
		class = 32 + at&7
	}
	prev, prev2 := w.before(n, 1), w.before(n, 2)
	pair, out := uint32(c.lastPred)<<8|uint32(c.lastWas), &c.outcome[class<<8|old]
	dist, h := min(logOf(c.since), 12), c.hist
	w.c.Contexts(hash3(h&0xFF, reg, class), hash3(old, reg, class), hash2(dist, h&0xFFF), hash3(old, prev, prev2),
		hash3(old, next, 5), hash3(pair, old, dist), hash3(old, uint32(*out), class), hash3(class, dist, h&15))
	want := w.Content[n]
	hit := w.bit(want == byte(old), 1, siteByte)
	c.note(!hit)
	if hit {
		w.nb[n], *out = byte(old), 1
		return
	}
	diff := uint32(c.lastWas - c.lastPred)
	w.c.Contexts(hash2(old, reg), hash2(old, prev), hash3(prev, prev2, 2), hash3(old, diff, 3), hash3(old, next, 4),
		hash2(pair, old), hash3(uint32(*out), class, old), hash4(class, diff, old, 7))
	got := w.c.Byte(want, siteMissed)
	w.nb[n], *out = got, 2+uint16(got)
	c.lastPred, c.lastWas = byte(old), got
}

// before returns the new byte i places before another; before the file come the last ones of the old one.
func (w *walk) before(at, i uint32) uint32 { return uint32(w.all[max(len(w.ob)+int(at)-int(i), 0)]) }
