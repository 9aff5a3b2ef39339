package walk

import (
	"encoding/binary"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// lineMap remembers how far the lines of each source file have moved.
type lineMap struct {
	slots   *[1 << lineSlotBits]lineSlot
	logging bool
	log     []logged
}

type lineSlot struct {
	file  uint32 // 1 + place of the file's name, or 0
	line  int32
	shift int32
}

// logged is a slot as it was before it was changed.
type logged struct {
	slot uint32
	was  lineSlot
}

const (
	lineSlotBits = 17
	lineReach    = 128 // lines above that are looked at
)

func (l *lineMap) init() { l.slots = new([1 << lineSlotBits]lineSlot) }

func lineHash(file uint32, line int32) uint32 {
	return hash2(file, uint32(line)) * 0x85EBCA6B >> (32 - lineSlotBits)
}

// learn remembers that a line of a file has moved by shift.
func (l *lineMap) learn(file uint32, line, shift int32) {
	if file == 0 {
		return
	}
	h := lineHash(file, line)
	if l.logging {
		l.log = append(l.log, logged{h, l.slots[h]})
	}
	l.slots[h] = lineSlot{file, line, shift}
}

// rollback undoes what was learned since the log had n entries, and ends the logging.
func (l *lineMap) rollback(n int) {
	for i := len(l.log) - 1; i >= n; i-- {
		l.slots[l.log[i].slot] = l.log[i].was
	}
	l.log, l.logging = l.log[:n], false
}

// find returns how far a line has moved, by the nearest line above of which that is known.
func (l *lineMap) find(file uint32, line int32) (shift int32, ok bool) {
	if file == 0 {
		return 0, false
	}
	for i := line; i > line-lineReach && i > 0; i-- {
		if s := &l.slots[lineHash(file, i)]; s.file == file && s.line == i {
			return s.shift, true
		}
	}
	return 0, false
}

// seed learns where the function at hand starts.
func (l *lineMap) seed(t *tables) {
	if t.old == nil {
		return
	}
	off := t.old.Field(refs.FileTable)
	om := &t.walk.old.Module
	if off == 0 || off >= uint32(len(om.PCs)) {
		return
	}
	t.filePairs, _, _ = refs.ReadTable(om.PCs[off:], t.quantum, t.filePairs)
	t.c.Charge(1 + len(t.filePairs)/8)
	if len(t.filePairs) > 0 {
		start := int32(t.old.Start())
		l.learn(t.fileID(t.filePairs[0].DV-1), start, int32(t.rec.Start())-start)
	}
}

// fileID returns 1 + the place of a file's name, or 0 for one that the old program does not name.
func (t *tables) fileID(index int32) uint32 {
	cus := t.walk.old.Module.CUs
	i := (uint64(t.old.CU()) + uint64(uint32(index))) * 4
	if index < 0 || i+4 > uint64(len(cus)) {
		return 0
	}
	return binary.LittleEndian.Uint32(cus[i:]) + 1
}

// files loads the partner's table of files, which goes with its table of lines.
func (p *tablePass) files() {
	p.filePairs = p.filePairs[:0]
	if p.tables.old == nil {
		return
	}
	if off, pcs := p.tables.old.Field(refs.FileTable), p.walk.old.Module.PCs; off != 0 && off < uint32(len(pcs)) {
		p.filePairs, _, _ = refs.ReadTable(pcs[off:], p.quantum, p.filePairs)
	}
	// Values are summed up here, so that an entry says its file.
	v := int32(-1)
	for i := range p.filePairs {
		v += p.filePairs[i].DV
		p.filePairs[i].DV = v
	}
}

// fileAt returns the file of the code that ends at a pc of the partner.
func (p *tablePass) fileAt(pc uint32) uint32 {
	if p.tables.old == nil || len(p.filePairs) == 0 {
		return 0
	}
	if p.file > 0 && p.filePairs[p.file-1].PC >= pc {
		p.file = 0
	}
	for p.file < len(p.filePairs)-1 && p.filePairs[p.file].PC < pc {
		p.file++
	}
	return p.fileID(p.filePairs[p.file].DV)
}
