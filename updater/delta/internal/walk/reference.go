package walk

import (
	"bytes"
	"encoding/binary"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

func word(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

// learns says whether what a missed reference of a kind shows is true of its target everywhere.
func learns(k refs.Kind) bool {
	switch k {
	case refs.Call, refs.Jump, refs.Cond, refs.Data, refs.Branch26, refs.Page, refs.Abs, refs.Off:
		return true
	}
	return false
}

func (c *copies) override(target uint32) *override {
	return &c.moved[target*0x9E3779B1>>(32-overrideBits)]
}

func (c *copies) lineShift(name uint32) *lineShift {
	return &c.inlined[name*0x9E3779B1>>(32-lineBits)]
}

func (c *copies) learnLine(name, shift uint32) { *c.lineShift(name) = lineShift{name, shift} }

// target returns where the target of a reference is in the new file, by what was learned or else by the map; the other
// results say which it was.
func (w *walk) target(r *refs.Ref) (t uint32, learned, exact bool) {
	if learns(r.Kind) || r.Kind == refs.Low12 {
		if o := w.cp.override(r.Target); o.old == r.Target && o.new != 0 {
			return o.new, true, true
		}
	}
	t, exact = w.m.At(r.Target)
	return t, false, exact
}

// base returns what an offset counts from in the new file.
func (w *walk) base(b uint32) uint32 {
	if b >= refs.FirstSegment {
		if i := int(b - refs.FirstSegment); i < len(w.Segments) {
			return w.Segments[i].Addr
		}
		return 0
	}
	return w.Bases[b]
}

// field returns what a reference at a place of the new file holds when its target is at t.
func (w *walk) field(r *refs.Ref, pos, t uint32) uint64 {
	switch r.Kind {
	case refs.Rel8, refs.Call, refs.Jump, refs.Cond, refs.Data, refs.Branch26, refs.Branch19, refs.Branch14:
		here, _ := w.new.Addr(pos)
		return uint64(uint32(int32(t-here-uint32(r.Aux)) >> r.Shift()))
	case refs.Page:
		here, _ := w.new.Addr(pos)
		return uint64(t>>12 - here>>12)
	case refs.Low12:
		return uint64(t & 0xFFF >> r.Shift())
	case refs.Abs:
		return uint64(t) + w.Base
	case refs.Off:
		if w.Structure.PCs > 0 && r.Aux == uint16(refs.PCs) {
			return 0 // made later, with the table
		}
		return uint64((t - w.base(uint32(r.Aux&0xFF))) >> r.Shift())
	case refs.FuncRel:
		entry := r.Target
		if i, ok := w.old.Module.Function(r.Target); ok {
			entry = w.old.Module.Base[refs.Text] + w.old.Module.Entry(i)
		}
		e, _ := w.m.At(entry)
		return uint64(t - e)
	case refs.Line:
		return uint64(r.Target + w.cp.line)
	case refs.InlLine:
		shift := uint32(0)
		if r.Pos >= 8 {
			if name := word(w.ob[r.Pos-8:]); w.cp.lineShift(name).name == name {
				shift = w.cp.lineShift(name).shift
			}
		}
		return uint64(r.Target + shift)
	case refs.PageOff:
		return uint64(t & 0xFFF)
	case refs.Uleb:
		return uint64(t - w.base(uint32(r.Aux)))
	}
	return 0
}

// predict writes what a reference becomes by the present knowledge.
func (w *walk) predict(r *refs.Ref, shift uint32) {
	t, _, _ := w.target(r)
	pos := r.Pos + shift
	r.Put(w.nb[pos:pos+uint32(r.Size)], w.field(r, pos, t))
}

// maxCorrection is the largest correction that is coded as a number; what is further off is no reference any more.
const maxCorrection = 1 << 40

// partial says that the bytes may have become something that a correction of the field cannot say.
func partial(k refs.Kind) bool {
	switch k {
	case refs.Branch26, refs.Branch19, refs.Branch14, refs.Page, refs.Low12, refs.PageOff, refs.Uleb, refs.Abs:
		return true
	}
	return false
}

// reference makes the bytes of one reference.
func (w *walk) reference(r *refs.Ref, shift, reg uint32) {
	c, k := &w.cp, uint32(r.Kind)
	pos := r.Pos + shift
	b := w.nb[pos : pos+uint32(r.Size)]
	t, learned, exact := w.target(r)
	pred := w.field(r, pos, t)
	copy(b, w.ob[r.Pos:])
	r.Put(b, pred)
	want := w.wants(pos, pos+uint32(r.Size))
	state := uint32(0)
	if learned {
		state = 1
	}
	if exact {
		state |= 2
	}
	hist := c.kindHist[k]
	dist := min(logOf(c.since), 12)
	w.c.Contexts(hash3(k, hist&0xFF, state), hash2(k, c.hist&0xFF), hash3(k, r.Target, 3), hash3(k, dist, state),
		hash4(k, uint32(r.Aux), reg, state), hash4(k, hist&7, c.hist&7, dist))
	hit := w.bit(bytes.Equal(want, b), 1, siteRef)
	c.kindHist[k] = hist << 1
	c.note(!hit)
	if hit {
		return
	}
	c.kindHist[k]++
	if partial(r.Kind) {
		w.c.Contexts(k, hash2(k, hist&0xFF), hash2(k, c.hist&0xFF))
		if !w.bit(want != nil && sayable(r, b, want, pred), 1, siteRaw) {
			for i := range uint32(r.Size) {
				w.byte(r.Pos+i, shift, reg)
			}
			return
		}
	}
	w.miss(r, pos, want, pred, learned, state)
}

// sayable reports whether a correction of the field makes want of b.
func sayable(r *refs.Ref, b, want []byte, pred uint64) bool {
	var made [8]byte
	copy(made[:], b)
	r.Put(made[:], r.Get(want))
	return bytes.Equal(made[:r.Size], want) && abs(r.Wrap(int64(r.Get(want)-pred))) < maxCorrection
}

// wantOr returns want, or for a decoder some bytes of the same length.
func wantOr(want, b []byte) []byte {
	if want == nil {
		return b
	}
	return want
}

// miss codes what a reference holds that was not as predicted, and learns from it.
func (w *walk) miss(r *refs.Ref, pos uint32, want []byte, pred uint64, learned bool, state uint32) {
	c, k := &w.cp, uint32(r.Kind)
	b := w.nb[pos : pos+uint32(r.Size)]
	got := r.Get(wantOr(want, b))
	if learned {
		t, _ := w.m.At(r.Target)
		plain := w.field(r, pos, t)
		w.c.Contexts(k, hash2(k, c.kindHist[k]&0xFF))
		if w.bit(plain == got, 1, siteAlt) {
			r.Put(b, plain)
			w.learn(r, t)
			return
		}
	}
	d := w.correction(r, r.Wrap(int64(got-pred)), state)
	got = pred + uint64(d)
	r.Put(b, got)
	t, _, _ := w.target(r)
	if learns(r.Kind) {
		w.learn(r, t+uint32(d)<<r.Shift())
	}
	if r.Kind == refs.Line {
		c.line = uint32(got) - r.Target
	}
	if r.Kind == refs.InlLine && r.Pos >= 8 {
		c.learnLine(word(w.ob[r.Pos-8:]), uint32(got)-r.Target)
	}
}

func (w *walk) learn(r *refs.Ref, t uint32) { *w.cp.override(r.Target) = override{r.Target, t} }

// correction codes how far a field is from what was predicted: as one of the last four of its kind, or as a number.
func (w *walk) correction(r *refs.Ref, d int64, state uint32) int64 {
	k := uint32(r.Kind)
	recent := &w.cp.recent[k]
	w.c.Contexts(k, hash2(k, w.cp.kindHist[k]&0xFF), hash3(k, state, uint32(r.Aux)), hash2(k, r.Target))
	i := 0
	for ; i < len(recent); i++ {
		if w.bit(recent[i] == d, 1+uint32(i), siteRecent) {
			break
		}
	}
	if i < len(recent) {
		d = recent[i]
	} else {
		w.c.Contexts(k, hash3(k, state, uint32(r.Aux)), hash2(k, w.cp.kindHist[k]&7))
		d = r.Wrap(w.c.Signed(d, siteField))
	}
	for j := min(i, len(recent)-1); j > 0; j-- {
		recent[j] = recent[j-1]
	}
	recent[0] = d
	return d
}
