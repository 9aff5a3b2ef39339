// Package addrmap says where an address of the old program lies in the new one. It knows what the copies between the
// two files imply, and what it is told of memory that has no bytes in the file.
package addrmap

import (
	"cmp"
	"slices"
)

// Piece is one stretch of addresses that moved as a whole: Old..Old+Len became New..New+Len.
type Piece struct{ Old, New, Len uint32 }

// Map is sorted by old address; its pieces do not overlap.
type Map []Piece

// New makes a map of pieces in any order. Where two overlap in the old program the longer one keeps the addresses; of
// equal ones the one that comes first in the list.
func New(pieces []Piece) Map {
	sorted := slices.Clone(pieces)
	slices.SortStableFunc(sorted, func(a, b Piece) int { return cmp.Compare(a.Old, b.Old) })
	m := make(Map, 0, len(sorted))
	for _, p := range sorted {
		m = add(m, p)
	}
	return slices.DeleteFunc(m, func(p Piece) bool { return p.Len == 0 })
}

// add puts a piece behind the others, of which none begins later.
func add(m Map, p Piece) Map {
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
func (m Map) At(t uint32) (new uint32, exact bool) {
	lo, hi := 0, len(m)
	for lo < hi {
		if mid := (lo + hi) / 2; m[mid].Old <= t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		if len(m) == 0 {
			return t, false
		}
		return m[0].New + (t - m[0].Old), false
	}
	before := m[lo-1]
	if t-before.Old < before.Len {
		return before.New + (t - before.Old), true
	}
	if lo < len(m) && m[lo].Old-t < t-(before.Old+before.Len)+1 {
		return m[lo].New + (t - m[lo].Old), false
	}
	return before.New + (t - before.Old), false
}
