// Package addrmap says where an address of the old program lies in the new one. It knows what the copies between the
// two files imply, and what it is told of memory that has no bytes in the file.
package addrmap

import (
	"cmp"
	"slices"
	"sort"
)

// Piece is one stretch of addresses that moved as a whole: Old..Old+Len became New..New+Len.
type Piece struct{ Old, New, Len uint32 }

// Map says of all addresses how far they move.
type Map []step

// step says it from one old address on, up to the next step.
type step struct {
	from, shift uint32
	exact       bool // by a piece, not by a neighbour
}

// New makes a map of pieces in any order, and keeps their list. Where two overlap in the old program the longer one keeps the addresses; of
// equal ones the one that comes first in the list. Between pieces addresses move with the nearer one.
func New(pieces []Piece) Map {
	m, end := append(make(Map, 0, 3*len(pieces)+1), step{}), uint32(0)
	for i, p := range apart(pieces) {
		shift, from := p.New-p.Old, uint32(0)
		if i > 0 {
			from = p.Old - (p.Old-end)/2
		}
		end = p.Old + p.Len
		m = append(m, step{from: from, shift: shift}, step{p.Old, shift, true}, step{from: end, shift: shift})
	}
	return m
}

// apart returns pieces in order, without those parts that another one keeps.
func apart(pieces []Piece) []Piece {
	kept := pieces[:0]
	slices.SortStableFunc(pieces, func(a, b Piece) int { return cmp.Compare(a.Old, b.Old) })
	for _, p := range pieces {
		if n := len(kept); n > 0 {
			last := &kept[n-1]
			p = p.from(last.Old) // where the last one begins it may have been cut itself
			if last.Len < p.Len {
				last.Len = min(last.Len, p.Old-last.Old)
			} else {
				p = p.from(last.Old + last.Len)
			}
			if last.Len == 0 {
				kept = kept[:n-1]
			}
		}
		if p.Len > 0 {
			kept = append(kept, p)
		}
	}
	return kept
}

// from returns what is left of p from an old address on.
func (p Piece) from(old uint32) Piece {
	cut := min(max(old, p.Old)-p.Old, p.Len)
	return Piece{p.Old + cut, p.New + cut, p.Len - cut}
}

// At returns where t is in the new program. exact says that a piece holds it.
func (m Map) At(t uint32) (new uint32, exact bool) {
	s := m[sort.Search(len(m), func(i int) bool { return m[i].from > t })-1]
	return t + s.shift, s.exact
}
