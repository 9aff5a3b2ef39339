package walk

import (
	"bytes"
	"encoding/binary"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

func word(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

// kinds is a set of kinds of references.
type kinds uint32

func set(list ...refs.Kind) (s kinds) {
	for _, k := range list {
		s |= 1 << k
	}
	return s
}

func (s kinds) has(k refs.Kind) bool { return s>>k&1 != 0 }

var (
	// learns: what a miss shows is true of the target everywhere.
	learns = set(refs.Call, refs.Jump, refs.Cond, refs.Data, refs.Branch26, refs.Page, refs.Abs, refs.Off)
	// taught: what others have learned is true of these.
	taught = learns | set(refs.Low12)
	// partial: the bytes may have become something that a correction of the field cannot say.
	partial = set(refs.Branch26, refs.Branch19, refs.Branch14, refs.Page, refs.Low12, refs.PageOff, refs.Uleb, refs.Abs)
)

func (c *copies) override(target uint32) *[2]uint32 {
	return &c.moved[target*0x9E3779B1>>(32-overrideBits)]
}

func (c *copies) learnLine(name, shift uint32) {
	c.inlined[name*0x9E3779B1>>(32-lineBits)] = [2]uint32{name, shift}
}

// lineShift is how far the lines of the function have moved whose inlined line a reference is.
func (w *walk) lineShift(r *refs.Ref) uint32 {
	if r.Pos < 8 {
		return 0
	}
	name := word(w.ob[r.Pos-8:])
	if known := &w.cp.inlined[name*0x9E3779B1>>(32-lineBits)]; known[0] == name {
		return known[1]
	}
	return 0
}

// target returns where the target of a reference is in the new file, by what was learned or else by the map; state says
// which: 1 learned, 2 learned or in a piece of the map.
func (w *walk) target(r *refs.Ref) (t, state uint32) {
	if taught.has(r.Kind) {
		if o := w.cp.override(r.Target); o[0] == r.Target && o[1] != 0 {
			return o[1], 3
		}
	}
	t, exact := w.m.At(r.Target)
	return t, one(exact) << 1
}

// base returns what an offset counts from in the new file.
func (w *walk) base(b uint16) uint32 {
	if b < uint16(refs.Bases) {
		return w.Bases[b]
	}
	if i := int(b) - refs.FirstSegment; i >= 0 && i < len(w.Segments) {
		return w.Segments[i].Addr
	}
	return 0
}

// field returns what a reference at a place of the new file holds when its target is at t.
func (w *walk) field(r *refs.Ref, pos, t uint32) uint64 {
	switch r.Kind {
	case refs.Page:
		here, _ := w.new.Addr(pos)
		return uint64(t>>12 - here>>12)
	case refs.Low12:
		return uint64(t & 0xFFF >> r.Shift())
	case refs.Abs:
		return uint64(t) + w.Base
	case refs.Off:
		if w.PCs > 0 && r.Aux == uint16(refs.PCs) {
			return 0 // made later, with the table
		}
		return uint64((t - w.base(r.Aux&0xFF)) >> r.Shift())
	case refs.FuncRel:
		entry := r.Target
		if i, ok := w.old.Module.Function(r.Target); ok {
			entry = w.old.Module.Start(i)
		}
		e, _ := w.m.At(entry)
		return uint64(t - e)
	case refs.Line:
		return uint64(r.Target + w.cp.line)
	case refs.InlLine:
		return uint64(r.Target + w.lineShift(r))
	case refs.PageOff:
		return uint64(t & 0xFFF)
	case refs.Uleb:
		return uint64(t - w.base(r.Aux))
	}
	here, _ := w.new.Addr(pos) // relative in all other kinds
	return uint64(uint32(int32(t-here-uint32(r.Aux)) >> r.Shift()))
}

// predict writes what a reference becomes by the present knowledge.
func (w *walk) predict(r *refs.Ref, shift uint32) {
	t, _ := w.target(r)
	pos := r.Pos + shift
	r.Put(w.nb[pos:pos+uint32(r.Size)], w.field(r, pos, t))
}

// maxCorrection is the largest correction that is coded as a number; what is further off is no reference any more.
const maxCorrection = 1 << 40

// reference makes the bytes of one reference.
func (w *walk) reference(r *refs.Ref, shift, reg uint32) {
	c, k := &w.cp, uint32(r.Kind)
	pos := r.Pos + shift
	b, want := w.nb[pos:pos+uint32(r.Size)], w.Content[pos:pos+uint32(r.Size)]
	t, state := w.target(r)
	pred := w.field(r, pos, t)
	copy(b, w.ob[r.Pos:])
	r.Put(b, pred)
	hist, dist := c.kindHist[k], min(logOf(c.since), 12)
	w.c.Contexts(hash3(k, hist&0xFF, state), hash2(k, c.hist&0xFF), hash3(k, r.Target, 3), hash3(k, dist, state),
		hash4(k, uint32(r.Aux), reg, state), hash4(k, hist&7, c.hist&7, dist))
	hit := w.bit(bytes.Equal(want, b), 1, siteRef)
	c.kindHist[k] = hist<<1 | one(!hit)
	c.note(!hit)
	if hit {
		return
	}
	if partial.has(r.Kind) {
		w.c.Contexts(k, hash2(k, hist&0xFF), hash2(k, c.hist&0xFF))
		if !w.bit(sayable(r, b, want, pred), 1, siteRaw) {
			for i := range uint32(r.Size) {
				w.byte(r.Pos+i, shift, reg)
			}
			return
		}
	}
	w.miss(r, pos, want, pred, state)
}

// sayable reports whether a correction of the field makes want of b.
func sayable(r *refs.Ref, b, want []byte, pred uint64) bool {
	made := bytes.Clone(b)
	r.Put(made, r.Get(want))
	return bytes.Equal(made, want) && abs(r.Wrap(int64(r.Get(want)-pred))) < maxCorrection
}

// miss codes what a reference holds that was not as predicted, and learns from it.
func (w *walk) miss(r *refs.Ref, pos uint32, want []byte, pred uint64, state uint32) {
	c, k := &w.cp, uint32(r.Kind)
	b, got := w.nb[pos:pos+uint32(r.Size)], r.Get(want)
	if state&1 != 0 {
		t, _ := w.m.At(r.Target)
		plain := w.field(r, pos, t)
		w.c.Contexts(k, hash2(k, c.kindHist[k]&0xFF))
		if w.bit(plain == got, 1, siteAlt) {
			r.Put(b, plain)
			*c.override(r.Target) = [2]uint32{r.Target, t}
			return
		}
	}
	d := w.correction(r, r.Wrap(int64(got-pred)), state)
	got = pred + uint64(d)
	r.Put(b, got)
	if learns.has(r.Kind) {
		t, _ := w.target(r)
		*c.override(r.Target) = [2]uint32{r.Target, t + uint32(d)<<r.Shift()}
	}
	switch {
	case r.Kind == refs.Line:
		c.line = uint32(got) - r.Target
	case r.Kind == refs.InlLine && r.Pos >= 8:
		c.learnLine(word(w.ob[r.Pos-8:]), uint32(got)-r.Target)
	}
}

// correction codes how far a field is from what was predicted: as one of the last four of its kind, or as a number.
func (w *walk) correction(r *refs.Ref, d int64, state uint32) int64 {
	k, recent := uint32(r.Kind), w.cp.recent[r.Kind][:]
	w.c.Contexts(k, hash2(k, w.cp.kindHist[k]&0xFF), hash3(k, state, uint32(r.Aux)), hash2(k, r.Target))
	i := recall(w, recent, d, 1, siteRecent)
	if i < len(recent) {
		d = recent[i]
	} else {
		w.c.Contexts(k, hash3(k, state, uint32(r.Aux)), hash2(k, w.cp.kindHist[k]&7))
		d = r.Wrap(w.c.Signed(d, siteField))
	}
	toFront(recent, i, d)
	return d
}
