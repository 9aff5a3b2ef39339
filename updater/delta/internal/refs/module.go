package refs

import (
	"bytes"
	"encoding/binary"
	"iter"
	"sort"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
)

// Module is where the parts of a Go program are, as its linker's tables say. Without OK it is no Go program, or one of
// a toolchain whose tables are not known here.
type Module struct {
	OK        bool
	Base      [Bases]uint32 // addresses
	NFunc     uint32
	Functab   []byte // entries, and behind them the records they point to
	PCs       []byte
	CUs       []byte
	TypeLinks image.Span // addresses
	ItabLinks image.Span // addresses; Len counts bytes
}

// Words of runtime.moduledata, Go 1.26. Slices take three.
const (
	wordPCs       = 10
	wordCUs       = 4
	wordPcln      = 13
	wordFunctab   = 16
	wordTypeLinks = 45
	wordItabLinks = 48
	moduleWords   = 51
)

// baseWords are those that hold the bases.
var baseWords = [Bases]int{
	Text: 22, EText: 23, FuncNames: 1, CUs: wordCUs, Files: 7, PCs: wordPCs, Functab: wordFunctab, FindFunc: 19, GoFunc: 40,
	Types: 37, ETypes: 38, Rodata: 39, EPcln: 41,
}

var pclnMagic = []byte{0xF1, 0xFF, 0xFF, 0xFF, 0, 0}

// maxHeads bounds how many candidates for the table's header are tried.
const maxHeads = 64

// FindModule looks for the header of the line table and for the moduledata that points to it.
func FindModule(im *image.Image) Module {
	tries := 0
	for at := range places(im.Data, pclnMagic) {
		if tries++; tries > maxHeads {
			break
		}
		if at+8 > len(im.Data) || im.Data[at+6] != 1 && im.Data[at+6] != 4 || im.Data[at+7] != 8 {
			continue
		}
		if addr, ok := im.Addr(uint32(at)); ok && addr%8 == 0 {
			if m := findData(im, addr); m.OK {
				return m
			}
		}
	}
	return Module{}
}

// places are the places of what in b, which may overlap.
func places(b, what []byte) iter.Seq[int] {
	return func(yield func(int) bool) {
		for at := 0; ; at++ {
			i := bytes.Index(b[at:], what)
			if at += i; i < 0 || !yield(at) {
				return
			}
		}
	}
}

// findData looks for the moduledata of the line table whose header is at an address.
func findData(im *image.Image, header uint32) Module {
	want := binary.LittleEndian.AppendUint64(nil, im.Base+uint64(header))
	for _, s := range im.Segments {
		data := im.Data[s.Off : s.Off+s.Size]
		for at := range places(data, want) {
			if (s.Addr+uint32(at))%8 == 0 && len(data)-at >= 8*moduleWords {
				if m := readModule(im, data[at:at+8*moduleWords]); m.OK {
					return m
				}
			}
		}
	}
	return Module{}
}

// readModule takes the words of a moduledata and checks that they make sense.
func readModule(im *image.Image, b []byte) Module {
	var m Module
	ok := true
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	addr := func(i int) uint32 {
		v := word(i) - im.Base
		ok = ok && v <= uint64(im.End())
		return uint32(v)
	}
	slice := func(i int, size uint64) (s image.Span, data []byte) {
		n := word(i + 1)
		if n > 1<<28 || n != word(i+2) {
			ok = false
			return s, nil
		}
		s = image.Span{Off: addr(i), Len: uint32(n * size)}
		if n > 0 {
			var in bool
			data, in = im.Bytes(s.Off, s.Len)
			ok = ok && in
		}
		return s, data
	}
	for base, i := range baseWords {
		if i > 0 {
			m.Base[base] = addr(i)
		}
	}
	_, m.Functab = slice(wordPcln, 1)
	_, m.PCs = slice(wordPCs, 1)
	_, m.CUs = slice(wordCUs, 4)
	ftab, _ := slice(wordFunctab, 8)
	m.TypeLinks, _ = slice(wordTypeLinks, 4)
	m.ItabLinks, _ = slice(wordItabLinks, 8)
	m.NFunc = ftab.Len/8 - 1
	m.OK = ok && word(wordPcln) == word(wordFunctab) && ftab.Len >= 16 && uint64(m.NFunc)*8+4 <= uint64(len(m.Functab)) && m.Ordered()
	if !m.OK {
		return Module{}
	}
	return m
}

// Ordered checks that text and types are ranges and that functions come in order up to the end of text.
func (m *Module) Ordered() bool {
	if m.Base[EText] < m.Base[Text] || m.Base[ETypes] < m.Base[Types] {
		return false
	}
	last := uint32(0)
	for i := range m.NFunc {
		e := m.Entry(i)
		if e < last || m.FuncOff(i) >= uint32(len(m.Functab)) {
			return false
		}
		last = e
	}
	return m.Entry(m.NFunc) >= last && m.Entry(m.NFunc) <= m.Base[EText]-m.Base[Text]
}

// Entry returns where function i starts, counted from the start of text. Entry(NFunc) is the end of the last one.
func (m *Module) Entry(i uint32) uint32 { return binary.LittleEndian.Uint32(m.Functab[8*i:]) }

// Start returns the address of function i.
func (m *Module) Start(i uint32) uint32 { return m.Base[Text] + m.Entry(i) }

// FuncOff returns where the record of function i is, counted from the start of the function table.
func (m *Module) FuncOff(i uint32) uint32 { return binary.LittleEndian.Uint32(m.Functab[8*i+4:]) }

// Function returns the number of the function that holds an address; false outside of text.
func (m *Module) Function(addr uint32) (uint32, bool) {
	if !m.OK || addr < m.Base[Text] || m.NFunc == 0 {
		return 0, false
	}
	off := addr - m.Base[Text]
	if off < m.Entry(0) || off >= m.Entry(m.NFunc) {
		return 0, false
	}
	return uint32(sort.Search(int(m.NFunc), func(i int) bool { return m.Entry(uint32(i)) > off })) - 1, true
}
