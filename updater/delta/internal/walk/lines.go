package walk

import (
	"slices"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// lineMap remembers how far the lines of each source file have moved.
type lineMap struct {
	slots *[1 << lineSlotBits]lineSlot
	trial bool     // an encoder tries something out
	log   []logged // what that has overwritten
}

// logged is a slot as it was.
type logged struct {
	at  *lineSlot
	was lineSlot
}

type lineSlot struct {
	file  uint32 // 1 + place of the file's name, or 0
	line  int32
	shift int32
}

const (
	lineSlotBits = 17
	lineReach    = 128 // lines above that are looked at
)

func (l *lineMap) slot(file uint32, line int32) *lineSlot {
	return &l.slots[hash2(file, uint32(line))*0x85EBCA6B>>(32-lineSlotBits)]
}

// learn remembers that a line of a file has moved by shift.
func (l *lineMap) learn(file uint32, line, shift int32) {
	if file == 0 {
		return
	}
	s := l.slot(file, line)
	if l.trial {
		l.log = append(l.log, logged{s, *s})
	}
	*s = lineSlot{file, line, shift}
}

// find returns how far a line has moved, by the nearest line above of which that is known.
func (l *lineMap) find(file uint32, line int32) (shift int32, ok bool) {
	if file == 0 {
		return 0, false
	}
	for i := line; i > line-lineReach && i > 0; i-- {
		if s := l.slot(file, i); s.file == file && s.line == i {
			return s.shift, true
		}
	}
	return 0, false
}

// rollback ends a trial and undoes what it has learned.
func (l *lineMap) rollback() {
	for _, e := range slices.Backward(l.log) {
		*e.at = e.was
	}
	l.log, l.trial = l.log[:0], false
}

// seed learns where the function at hand starts.
func (t *tables) seed() {
	if t.files() {
		t.c.Charge(1 + len(t.filePairs)/8)
	}
	if len(t.filePairs) > 0 {
		start := int32(t.old.Start())
		t.lines.learn(t.fileID(t.filePairs[0].DV), start, int32(t.rec.Start())-start)
	}
}

// fileID returns 1 + the place of a file's name, or 0 for one that the old program does not name.
func (t *tables) fileID(index int32) uint32 {
	cus := t.om.CUs
	i := (uint64(t.old.CU()) + uint64(uint32(index))) * 4
	if index < 0 || i+4 > uint64(len(cus)) {
		return 0
	}
	return word(cus[i:]) + 1
}

// files loads the partner's table of files. Values are summed up, so that an entry says its file.
func (t *tables) files() (read bool) {
	t.filePairs = t.filePairs[:0]
	if t.old == nil {
		return false
	}
	t.filePairs, read = t.oldTable(t.old.Field(refs.FileTable), t.filePairs)
	v := int32(-1)
	for i := range t.filePairs {
		v += t.filePairs[i].DV
		t.filePairs[i].DV = v
	}
	return read
}

// fileAt returns the file of the code that ends at a pc of the partner.
func (p *tablePass) fileAt(pc uint32) uint32 {
	if p.old == nil || len(p.filePairs) == 0 {
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
