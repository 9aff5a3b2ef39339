// Package addrmap says where an address of the old program lies in the new one. It knows what the copies between the
// two files imply, and what it is told of memory that has no bytes in the file.
package addrmap

import (
	"cmp"
	"math/bits"
	"slices"
)

// Piece is one stretch of addresses that moved as a whole: Old..Old+Len became New..New+Len.
type Piece struct{ Old, New, Len uint32 }

// Map is sorted by old address; its pieces do not overlap.
type Map struct {
	pieces []Piece
	first  []uint32 // by page: how many pieces begin before it
	shift  int      // of addresses to pages
}

// pageBits says how many pages there are at most: few enough to stay near the processor, enough for one or two pieces each.
const pageBits = 14

// New makes a map of pieces in any order. Where two overlap in the old program the longer one keeps the addresses; of
// equal ones the one that comes first in the list.
func New(pieces []Piece) Map {
	sorted := slices.Clone(pieces)
	slices.SortStableFunc(sorted, func(a, b Piece) int { return cmp.Compare(a.Old, b.Old) })
	merged := make([]Piece, 0, len(sorted))
	for _, p := range sorted {
		merged = add(merged, p)
	}
	m := Map{pieces: slices.DeleteFunc(merged, func(p Piece) bool { return p.Len == 0 })}
	m.pages()
	return m
}

// pages counts for each page what begins before it, and for the page behind the last one everything.
func (m *Map) pages() {
	if len(m.pieces) == 0 {
		return
	}
	last := m.pieces[len(m.pieces)-1].Old
	m.shift = max(0, bits.Len32(last)-pageBits)
	m.first = make([]uint32, last>>m.shift+2)
	n := 0
	for page := range m.first {
		for n < len(m.pieces) && m.pieces[n].Old>>m.shift < uint32(page) {
			n++
		}
		m.first[page] = uint32(n)
	}
}

// add puts a piece behind the others, of which none begins later.
func add(m []Piece, p Piece) []Piece {
	if p.Len == 0 {
		return m
	}
	if len(m) == 0 {
		return append(m, p)
	}
	last := &m[len(m)-1]
	end := last.Old + last.Len
	if p.Old < last.Old { // where the last one begins it was cut itself
		if p.Old+p.Len <= last.Old {
			return m
		}
		p = p.from(last.Old)
	}
	switch {
	case p.Old >= end:
		return append(m, p)
	case p.Len <= last.Len: // the last one keeps what both have
		if p.Old+p.Len <= end {
			return m
		}
		return append(m, p.from(end))
	default: // the longer one also ends later
		last.Len = p.Old - last.Old
		return append(m, p)
	}
}

// from returns what is left of p from an old address on.
func (p Piece) from(old uint32) Piece {
	cut := old - p.Old
	return Piece{Old: old, New: p.New + cut, Len: p.Len - cut}
}

// At returns where t is in the new program: by the piece that holds it, or else by the nearer of its neighbours. exact
// says that a piece holds it.
func (m *Map) At(t uint32) (new uint32, exact bool) {
	if len(m.pieces) == 0 {
		return t, false
	}
	n := len(m.pieces) // that begin at t or before
	if page := uint64(t) >> m.shift; page+1 < uint64(len(m.first)) {
		n = int(m.first[page])
		for end := int(m.first[page+1]); n < end; {
			if mid := (n + end) / 2; m.pieces[mid].Old <= t {
				n = mid + 1
			} else {
				end = mid
			}
		}
	}
	if n == 0 {
		return m.pieces[0].New + (t - m.pieces[0].Old), false
	}
	before := &m.pieces[n-1]
	if t-before.Old < before.Len {
		return before.New + (t - before.Old), true
	}
	if n < len(m.pieces) {
		if next := &m.pieces[n]; next.Old-t < t-(before.Old+before.Len)+1 {
			return next.New + (t - next.Old), false
		}
	}
	return before.New + (t - before.Old), false
}
