package refs

import (
	"sort"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
)

// Module is where the parts of a Go program are, as its linker's tables say. Without functions it is no Go program, or one
// of a toolchain whose tables are not known here.
type Module struct {
	Base    [Bases]uint32 // addresses
	NFunc   uint32
	Functab []byte // entries, and behind them the records they point to
	PCs     []byte
	CUs     []byte
	links   uint32 // bytes of the list of types
}

// baseWords are the words of runtime.moduledata, Go 1.26, that hold the bases. With a slice they are followed by its
// length and its capacity.
var baseWords = [Bases]int{
	Text: 22, EText: 23, FuncNames: 1, CUs: 4, Files: 7, PCs: 10, Functab: 13, FindFunc: 19, GoFunc: 40, Types: 37, ETypes: 38,
	Rodata: 39, TypeLinks: 45,
}

const (
	wordEntries = 16 // the slice of the function table's entries
	moduleWords = 51
	pclnMagic   = "\xF1\xFF\xFF\xFF\x00\x00"
	maxTries    = 64 // that look like a moduledata
)

// findModule looks for the moduledata: aligned words of which the first points to the header of the line table.
func findModule(im *image.Image) Module {
	end, tries := uint64(im.End()), 0
	for _, s := range im.Segments {
		for at := -s.Addr & 7; at+8*moduleWords <= s.Size && tries < maxTries; at += 8 {
			b := im.Data[s.Off+at:]
			v := le.Uint64(b) - im.Base
			if v >= end {
				continue
			}
			if header, ok := im.Bytes(uint32(v), 8); ok && string(header[:6]) == pclnMagic {
				tries++
				if m := readModule(im, b); m.Ordered() {
					return m
				}
			}
		}
	}
	return Module{}
}

// readModule takes the words of a moduledata. Without functions they make no sense.
func readModule(im *image.Image, b []byte) (m Module) {
	word := func(i int) uint64 { return le.Uint64(b[8*i:]) }
	slice := func(base Base, size uint64) (data []byte) {
		if n := word(baseWords[base] + 1); n <= 1<<28 {
			data, _ = im.Bytes(m.Base[base], uint32(n*size))
		}
		return data
	}
	for base := Text; base < Bases; base++ {
		v := word(baseWords[base]) - im.Base
		if v > uint64(im.End()) {
			return Module{}
		}
		m.Base[base] = uint32(v)
	}
	m.Functab, m.PCs, m.CUs, m.links = slice(Functab, 1), slice(PCs, 1), slice(CUs, 4), uint32(len(slice(TypeLinks, 4)))
	if n := word(wordEntries + 1); n > 0 && n <= uint64(len(m.Functab))/8 && word(wordEntries) == word(baseWords[Functab]) {
		m.NFunc = uint32(n - 1)
	}
	return m
}

// Ordered checks that there are functions, in order from the start of text up to its end, and that the function table has their records.
func (m *Module) Ordered() bool {
	last := uint32(0)
	for i := range m.NFunc {
		e := m.Entry(i)
		if e < last || m.FuncOff(i) >= uint32(len(m.Functab)) {
			return false
		}
		last = e
	}
	return m.NFunc > 0 && m.Entry(0) == 0 && m.Entry(m.NFunc) >= last && uint64(m.Base[Text])+uint64(m.Entry(m.NFunc)) <= uint64(m.Base[EText])
}

// Entry returns where function i starts, counted from the start of text. Entry(NFunc) is the end of the last one.
func (m *Module) Entry(i uint32) uint32 { return le.Uint32(m.Functab[8*i:]) }

// Start returns the address of function i.
func (m *Module) Start(i uint32) uint32 { return m.Base[Text] + m.Entry(i) }

// FuncOff returns where the record of function i is, counted from the start of the function table.
func (m *Module) FuncOff(i uint32) uint32 { return le.Uint32(m.Functab[8*i+4:]) }

// Before returns how many functions of a program that has some begin at an address or before it; the end of the last one
// counts for one more.
func (m *Module) Before(addr uint32) uint32 {
	return uint32(sort.Search(int(m.NFunc)+1, func(i int) bool { return m.Start(uint32(i)) > addr }))
}
