package walk

import (
	"bytes"
	"encoding/binary"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/insn"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

func word(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

// known is a slot that remembers the last value of one of many keys.
type known struct{ key, value uint32 }

// slotOf returns the slot of a key.
func slotOf(list *[1 << 16]known, key uint32) *known { return &list[key*0x9E3779B1>>16] }

// lineShift returns how far the lines of the function have moved whose line a reference is, by what its name is.
func (w *walk) lineShift(r *refs.Ref) *uint32 {
	back := uint32(8)
	if r.Kind == refs.Line {
		back = 32
	}
	name := word(w.ob[r.Pos-min(r.Pos, back):])
	s := slotOf(&w.cp.lines, name)
	if s.key != name {
		*s = known{key: name}
	}
	return &s.value
}

// target returns where the target of a reference is in the new file, by what was learned or else by the map; state says
// which: 1 learned, 2 learned or in a piece of the map.
func (w *walk) target(r *refs.Ref) (t, state uint32) {
	if o := slotOf(&w.cp.moved, r.Target); r.Kind >= insn.Call && r.Kind <= refs.Off && o.key == r.Target && o.value != 0 {
		return o.value, 3
	}
	t, exact := w.m.At(r.Target)
	return t, coder.One(exact) << 1
}

// field returns what a reference at a place of the new file holds when its target is at t.
func (w *walk) field(r *refs.Ref, pos, t uint32) uint64 {
	switch r.Kind {
	case insn.Low12, refs.PageOff:
		return uint64(t & 0xFFF >> r.Shift())
	case refs.Abs:
		return uint64(t) + w.Base
	case refs.Uleb:
		start, _ := w.m.At(w.old.Image.Segments[r.Aux].Addr)
		return uint64(t - start)
	case refs.Off:
		if w.PCs > 0 && r.Aux == uint16(refs.PCs) {
			return 0 // made later, with the table
		}
		return uint64((t - w.Bases[r.Aux&0xFF]) >> r.Shift())
	case refs.FuncRel:
		entry, _ := w.m.At(w.old.Module.Start(w.old.Module.Before(r.Target) - 1))
		return uint64(t - entry)
	case refs.Line:
		return uint64(r.Target + w.cp.line)
	case refs.InlLine:
		return uint64(r.Target + *w.lineShift(r))
	}
	here, _ := w.new.Addr(pos) // relative in all other kinds
	if r.Kind == insn.Page {
		return uint64(t>>12 - here>>12)
	}
	return uint64(uint32(int32(t-here-uint32(r.Aux)) >> r.Shift()))
}

// predict writes what a reference becomes by the present knowledge.
func (w *walk) predict(r *refs.Ref, shift uint32) {
	t, _ := w.target(r)
	r.Put(w.nb[r.Pos+shift:], w.field(r, r.Pos+shift, t))
}

// maxCorrection is the largest correction that is coded as a number; what is further off is no reference any more.
const maxCorrection = 1 << 40

// reference makes the bytes of one reference.
func (w *walk) reference(r *refs.Ref, shift, reg uint32) {
	c, k := &w.cp, uint32(r.Kind)
	pos := r.Pos + shift
	b, want := w.nb[pos:pos+r.Size()], w.Content[pos:pos+r.Size()]
	t, state := w.target(r)
	pred := w.field(r, pos, t)
	copy(b, w.ob[r.Pos:])
	r.Put(b, pred)
	hist, dist := c.kindHist[k], min(logOf(c.since), 12)
	w.c.Contexts(hash3(k, hist&0xFF, state), hash2(k, c.hist&0xFF), hash3(k, r.Target, 3), hash3(k, dist, state),
		hash4(k, uint32(r.Aux), reg, state), hash4(k, hist&7, c.hist&7, dist))
	hit := w.bit(bytes.Equal(want, b), 1, siteRef)
	c.kindHist[k] = hist<<1 | coder.One(!hit)
	c.note(!hit)
	if hit {
		return
	}
	w.c.Contexts(k, hash2(k, hist&0xFF), hash2(k, c.hist&0xFF))
	if !w.bit(sayable(r, b, want, pred), 1, siteRaw) {
		for i := range r.Size() {
			w.byte(r.Pos+i, shift, reg)
		}
		return
	}
	w.miss(r, pos, want, pred, state)
}

// sayable reports whether a correction of the field makes want of b.
func sayable(r *refs.Ref, b, want []byte, pred uint64) bool {
	made, d := bytes.Clone(b), r.Wrap(int64(r.Get(want)-pred))
	r.Put(made, r.Get(want))
	return bytes.Equal(made, want) && max(d, -d) < maxCorrection
}

// miss codes what a reference holds that was not as predicted, and learns from it.
func (w *walk) miss(r *refs.Ref, pos uint32, want []byte, pred uint64, state uint32) {
	c, k := &w.cp, uint32(r.Kind)
	got, taught := r.Get(want), slotOf(&c.moved, r.Target)
	if state&1 != 0 {
		t, _ := w.m.At(r.Target)
		plain := w.field(r, pos, t)
		w.c.Contexts(k, hash2(k, c.kindHist[k]&0xFF))
		if w.bit(plain == got, 1, siteAlt) {
			r.Put(w.nb[pos:], plain)
			taught.value = t
			return
		}
	}
	// As one of the last four corrections of its kind, or as a number.
	d, recent := r.Wrap(int64(got-pred)), c.recent[k][:]
	w.c.Contexts(k, hash2(k, c.kindHist[k]&0xFF), hash3(k, state, uint32(r.Aux)), hash2(k, r.Target))
	i := recall(w, recent, d, 1, siteRecent)
	if i < len(recent) {
		d = recent[i]
	} else {
		w.c.Contexts(k, hash3(k, state, uint32(r.Aux)), hash2(k, c.kindHist[k]&7))
		d = r.Wrap(w.c.Signed(d, siteField))
	}
	toFront(recent, i, d)
	r.Put(w.nb[pos:], pred+uint64(d))
	switch line := uint32(pred) + uint32(d) - r.Target; r.Kind {
	case refs.Line:
		c.line = line
	case refs.InlLine:
		*w.lineShift(r) = line
	default:
		t, _ := w.target(r)
		*taught = known{r.Target, t + uint32(d)<<r.Shift()}
	}
}
