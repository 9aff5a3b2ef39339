// Package match finds what two files have in common and makes the plan of a go1 patch of it. Only the publisher's tool
// runs it; nothing of it is part of the format.
package match

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/addrmap"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/insn"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/walk"
)

// Find returns a plan to make new from old, and what else the walk is to know.
func Find(old, new *refs.Source) (walk.Plan, walk.Wish, error) {
	if len(new.Image.Segments) == 0 {
		old = refs.Bare(old.Image.Data)
	}
	plan := walk.Plan{Base: new.Image.Base, Segments: new.Image.Segments, Bases: new.Module.Base}
	a, b := normal(old, firstLabel(old)), normal(new, firstLabel(new))
	for pass := range passes {
		order, err := suffixes(a)
		if err != nil {
			return plan, walk.Wish{}, fmt.Errorf("match files: %w", err)
		}
		plan.Copies = prune(scan(order, a, b), a, b)
		if pass == passes-1 {
			break
		}
		plan.Extra = votes(old, new, plan.Copies)
		m := addrmap.New(append(walk.Clip(&old.Image, &new.Image, plan.Copies), plan.Extra...))
		a = normal(old, func(r *refs.Ref) uint32 {
			if t, exact := m.At(r.Target); exact {
				return label(r, t)
			}
			return uint32(r.Kind) * 0x9E3779B1
		})
		b = normal(new, func(r *refs.Ref) uint32 { return label(r, r.Target) })
	}
	plan.Extra = votes(old, new, plan.Copies)
	content, structure, holes := plainOf(new, old.Module.NFunc > 0 && old.Image.Arch == new.Image.Arch)
	plan.Structure, plan.Copies = structure, cut(plan.Copies, holes)
	if most := walk.MaxCopies(len(b)); len(plan.Copies) > most {
		plan.Copies = shorten(plan.Copies, most)
	}
	return plan, walk.Wish{Whole: new.Image.Data, Content: content, Align: align}, nil
}

// passes over the files: each but the first knows from the one before where addresses went.
const passes = 3

// label names a target by its place in the new file.
func label(r *refs.Ref, t uint32) uint32 { return (t ^ uint32(r.Kind)<<27) * 0x9E3779B1 }

// normal returns a file whose references are replaced by labels of their targets.
func normal(s *refs.Source, label func(*refs.Ref) uint32) []byte {
	b := bytes.Clone(s.Image.Data)
	var buf []refs.Ref
	const step = 1 << 16
	for at := 0; at < len(b); at += step {
		buf = s.In(uint32(at), uint32(min(at+step, len(b))), buf[:0])
		for i := range buf {
			r := &buf[i]
			switch r.Kind {
			case refs.FuncRel, refs.Line, refs.InlLine, insn.Rel8:
			default:
				r.Put(b[r.Pos:r.Pos+r.Size()], uint64(label(r)))
			}
		}
	}
	return b
}

// contents is how many bytes of a target name it before the map is known.
const contents = 20

// firstLabel names targets without knowing the other file: functions by their name, data by what stands there.
func firstLabel(s *refs.Source) func(*refs.Ref) uint32 {
	names := functionNames(s)
	m := &s.Module
	return func(r *refs.Ref) uint32 {
		kind := uint32(r.Kind)*0x9E3779B1 + 1
		if h, ok := names[r.Target]; ok {
			return h
		}
		if m.NFunc > 0 && r.Target >= m.Base[refs.Text] && r.Target < m.Base[refs.EText] || r.Kind == refs.Off && r.Aux == uint16(refs.Functab) {
			return kind
		}
		b, ok := s.Image.Bytes(r.Target, contents)
		if !ok {
			return kind
		}
		return sum(b)
	}
}

func sum(b []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return h * 0x9E3779B1
}

// functionNames returns the hashes of the names of all functions, by their addresses.
func functionNames(s *refs.Source) map[uint32]uint32 {
	m := &s.Module
	names := map[uint32]uint32{}
	if m.NFunc == 0 {
		return names
	}
	for i := range m.NFunc {
		at := m.FuncOff(i)
		if uint64(at)+8 > uint64(len(m.Functab)) {
			continue
		}
		off, ok := s.Image.Offset(m.Base[refs.FuncNames] + binary.LittleEndian.Uint32(m.Functab[at+4:]))
		if !ok {
			continue
		}
		name := s.Image.Data[off:min(int(off)+4096, len(s.Image.Data))]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			names[m.Base[refs.Text]+m.Entry(i)] = sum(name[:end])
		}
	}
	return names
}

// votes asks all references that copies align where memory without bytes in the file went.
func votes(old, new *refs.Source, copies []walk.Copy) []addrmap.Piece {
	count := map[[2]uint32]int{}
	var a, b []refs.Ref
	for _, c := range copies {
		a = old.In(c.Old, c.Old+c.Len, a[:0])
		b = new.In(c.New, c.New+c.Len, b[:0])
		for i, j := 0, 0; i < len(a) && j < len(b); {
			switch pa, pb := a[i].Pos-c.Old, b[j].Pos-c.New; {
			case pa < pb:
				i++
			case pa > pb:
				j++
			default:
				if a[i].Kind == b[j].Kind && bare(old, &a[i]) && bare(new, &b[j]) {
					count[[2]uint32{a[i].Target, b[j].Target}]++
				}
				i++
				j++
			}
		}
	}
	return runs(count)
}

// bare reports whether a reference points to memory that has no bytes in the file.
func bare(s *refs.Source, r *refs.Ref) bool {
	if r.Kind == refs.Line || r.Kind == refs.InlLine {
		return false
	}
	_, ok := s.Image.Offset(r.Target)
	return !ok
}

// runs takes the majority for each old address and joins neighbours that went the same way.
func runs(count map[[2]uint32]int) []addrmap.Piece {
	type vote struct {
		old, new uint32
		n        int
	}
	all := make([]vote, 0, len(count))
	for k, n := range count {
		all = append(all, vote{k[0], k[1], n})
	}
	slices.SortFunc(all, func(a, b vote) int {
		return cmp.Or(cmp.Compare(a.old, b.old), cmp.Compare(b.n, a.n), cmp.Compare(a.new, b.new))
	})
	all = slices.CompactFunc(all, func(a, b vote) bool { return a.old == b.old })
	var pieces []addrmap.Piece
	for i := 0; i < len(all); {
		j, n := i, 0
		for j < len(all) && all[j].new-all[j].old == all[i].new-all[i].old {
			n += all[j].n
			j++
		}
		if n > 2 && len(pieces) < 4096 {
			pieces = append(pieces, addrmap.Piece{Old: all[i].old, New: all[i].new, Len: all[j-1].old - all[i].old + 8})
		}
		i = j
	}
	for i := 1; i < len(pieces); i++ {
		pieces[i-1].Len = min(pieces[i-1].Len, pieces[i].Old-pieces[i-1].Old)
	}
	return pieces
}

// What a copy must have to be worth its place in the stream.
const (
	shortest    = 8
	shortestFar = 32
	far         = 4 << 10
	joinable    = 64 // bytes between two copies of one diagonal that are kept as one, if some of them agree
)

// prune drops copies that cost more than the bytes they make, and joins those that are one.
func prune(copies []walk.Copy, a, b []byte) []walk.Copy {
	var kept []walk.Copy
	for i, c := range copies {
		d := int64(c.Old) - int64(c.New)
		near := false
		if len(kept) > 0 {
			l := kept[len(kept)-1]
			near = abs(int64(l.Old)-int64(l.New)-d) <= far
		}
		if i+1 < len(copies) {
			l := copies[i+1]
			near = near || l.Len >= shortestFar && abs(int64(l.Old)-int64(l.New)-d) <= far
		}
		if c.Len < shortest || c.Len < shortestFar && !near {
			continue
		}
		kept = append(kept, c)
	}
	return join(kept, a, b)
}

func join(copies []walk.Copy, a, b []byte) []walk.Copy {
	var out []walk.Copy
	for _, c := range copies {
		if len(out) > 0 {
			l := &out[len(out)-1]
			if gap := c.New - l.New - l.Len; c.Old-c.New == l.Old-l.New && c.Old > l.Old && worth(a[l.Old+l.Len:c.Old], b[l.New+l.Len:c.New]) {
				l.Len += gap + c.Len
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

// worth reports whether the bytes between two copies are better copied than written anew.
func worth(a, b []byte) bool {
	same := 0
	for i := range a {
		if a[i] == b[i] {
			same++
		}
	}
	return len(a) <= 8 || len(a) <= joinable && 4*same >= len(a) || 2*same >= len(a)
}

func abs(v int64) int64 { return max(v, -v) }

// shorten drops the shortest copies until at most n are left.
func shorten(copies []walk.Copy, n int) []walk.Copy {
	byLen := slices.Clone(copies)
	slices.SortFunc(byLen, func(a, b walk.Copy) int { return cmp.Or(cmp.Compare(b.Len, a.Len), cmp.Compare(a.New, b.New)) })
	byLen = byLen[:n]
	slices.SortFunc(byLen, func(a, b walk.Copy) int { return cmp.Compare(a.New, b.New) })
	return byLen
}
