package match

import (
	"bytes"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/walk"
)

// plainOf returns a new file as the content makes it: the offsets of pc tables are zero if those are made from their
// structure. It also returns that structure and the holes which the content leaves. tables says whether the old file has
// Go's tables too.
func plainOf(new *refs.Source, tables bool) (plain []byte, s walk.Structure, holes []image.Span) {
	plain = new.Image.Data
	if tables {
		if p, t, h, ok := plainTables(new); ok {
			plain, s, holes = p, t, h
		}
	}
	if off, limit, ok := signed(&new.Image, signature(new.Image.Data)); ok && limit > 0 {
		s.Hashes, s.Signed = off, limit
		holes = append(holes, image.Span{Off: off, Len: uint32(image.HashesLen(limit))})
	}
	return plain, s, holes
}

// plainTables does it for Go's tables; ok is false if the linker's rules would not give the same file.
func plainTables(new *refs.Source) (plain []byte, s walk.Structure, holes []image.Span, ok bool) {
	m := &new.Module
	quantum := max(uint32(new.Image.Arch), 1)
	ft, in := new.Image.Offset(m.Base[refs.Functab])
	pcs, in2 := new.Image.Offset(m.Base[refs.PCs])
	if m.NFunc == 0 || !in || !in2 || len(m.PCs) < 2 || m.PCs[0] != 0 || m.Base[refs.FindFunc] < m.Base[refs.PCs] {
		return nil, s, nil, false
	}
	plain = append(plain, new.Image.Data...)
	end := uint32(1)
	var pairs []refs.Pair
	for i := range m.NFunc {
		at := m.FuncOff(i)
		r, ok := refs.RecordAt(plain[ft:ft+uint32(len(m.Functab))], at)
		if !ok {
			return nil, s, nil, false
		}
		for k := range 3 + r.PCData() {
			f := refs.FieldAt(refs.InOrder(k, r.PCData()))
			off := r.Field(f)
			r.SetField(f, 0)
			if off > end {
				return nil, s, nil, false
			}
			if off < end {
				continue
			}
			var n int
			if pairs, n, ok = refs.ReadTable(m.PCs[off:], quantum, pairs); !ok || !bytes.Equal(table(pairs, quantum), m.PCs[off:][:n]) {
				return nil, s, nil, false
			}
			end += uint32(n)
		}
	}
	if end > uint32(len(m.PCs)) || end < 2 {
		return nil, s, nil, false
	}
	s = walk.Structure{NFunc: m.NFunc, Functab: uint32(len(m.Functab)), PCs: end}
	holes = []image.Span{{Off: pcs, Len: end}}
	if off, n, ok := sameFinder(new); ok {
		s.FindFunc = n
		holes = append(holes, image.Span{Off: off, Len: n})
	}
	return plain, s, holes, true
}

// table writes a table as the walk does.
func table(pairs []refs.Pair, quantum uint32) (b []byte) {
	pc := uint32(0)
	for _, p := range pairs {
		b = refs.AppendPair(b, p, pc, quantum)
		pc = p.PC
	}
	return append(b, 0)
}

// sameFinder reports whether the table that finds functions is as the linker writes it.
func sameFinder(new *refs.Source) (off, n uint32, ok bool) {
	b := refs.AppendFindFunc(nil, &new.Module)
	was, ok := new.Image.Bytes(new.Module.Base[refs.FindFunc], uint32(len(b)))
	if !ok || string(was) != string(b) {
		return 0, 0, false
	}
	off, _ = new.Image.Offset(new.Module.Base[refs.FindFunc])
	return off, uint32(len(b)), true
}

// cut takes holes out of copies.
func cut(copies []walk.Copy, holes []image.Span) []walk.Copy {
	for _, h := range holes {
		var out []walk.Copy
		for _, c := range copies {
			if lo := min(c.New+c.Len, h.Off); lo > c.New {
				out = append(out, walk.Copy{New: c.New, Old: c.Old, Len: lo - c.New})
			}
			if lo := max(c.New, h.Off+h.Len); lo < c.New+c.Len {
				out = append(out, walk.Copy{New: lo, Old: c.Old + (lo - c.New), Len: c.New + c.Len - lo})
			}
		}
		copies = out
	}
	return copies
}
