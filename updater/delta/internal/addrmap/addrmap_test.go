package addrmap

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAt(t *testing.T) {
	m := New([]Piece{{Old: 300, New: 1300, Len: 50}, {Old: 100, New: 50, Len: 100}})
	for _, c := range []struct {
		t, want uint32
		exact   bool
	}{
		{100, 50, true}, {199, 149, true}, {300, 1300, true}, {349, 1349, true},
		{99, 49, false},    // before the first piece, as it went
		{200, 150, false},  // behind one, nearer to it than to the next
		{299, 1299, false}, // nearer to the next
		{350, 1350, false}, // behind the last
		{5000, 6000, false},
	} {
		if got, exact := m.At(c.t); got != c.want || exact != c.exact {
			t.Errorf("At(%d) = %d, %v, want %d, %v", c.t, got, exact, c.want, c.exact)
		}
	}
	if got, exact := New(nil).At(7); got != 7 || exact {
		t.Errorf("an empty map moves 7 to %d", got)
	}
}

func TestLongerPieceKeepsTheBytes(t *testing.T) {
	for name, c := range map[string]struct{ in, want []Piece }{
		"longer first":   {[]Piece{{0, 100, 50}, {40, 500, 20}}, []Piece{{0, 100, 50}, {50, 510, 10}}},
		"longer second":  {[]Piece{{0, 100, 50}, {40, 500, 60}}, []Piece{{0, 100, 40}, {40, 500, 60}}},
		"inside":         {[]Piece{{0, 100, 50}, {10, 500, 20}}, []Piece{{0, 100, 50}}},
		"same place":     {[]Piece{{0, 100, 50}, {0, 500, 60}}, []Piece{{0, 500, 60}}},
		"empty":          {[]Piece{{0, 100, 0}, {5, 6, 1}}, []Piece{{5, 6, 1}}},
		"first of equal": {[]Piece{{0, 100, 50}, {0, 500, 50}}, []Piece{{0, 100, 50}}},
	} {
		if got := apart(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestPiecesNeverOverlap makes maps of random pieces: they stay in order, apart, and each says what some piece said.
func TestPiecesNeverOverlap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var in []Piece
		for range r.IntN(12) {
			in = append(in, Piece{Old: r.Uint32N(200), New: r.Uint32N(10000), Len: r.Uint32N(60)})
		}
		end := uint32(0)
		for _, p := range apart(slices.Clone(in)) {
			if p.Old < end || p.Len == 0 || p.Len > 60 {
				t.Fatalf("%v from %v", p, in)
			}
			end = p.Old + p.Len
			if !slices.ContainsFunc(in, func(q Piece) bool {
				return p.New-p.Old == q.New-q.Old && p.Old >= q.Old && p.Old+p.Len <= q.Old+q.Len
			}) {
				t.Fatalf("%v is none of %v", p, in)
			}
		}
	}
}

// TestAtAgrees compares lookups with a walk over all pieces, near their ends and far from them.
func TestAtAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var in []Piece
		for range r.IntN(40) {
			in = append(in, Piece{Old: r.Uint32() >> (1 + r.UintN(23)), New: r.Uint32(), Len: r.Uint32N(60_000)})
		}
		m, kept := New(slices.Clone(in)), apart(in)
		places := []uint32{0, 1<<32 - 1}
		for _, p := range kept {
			places = append(places, p.Old-1, p.Old, p.Old+p.Len-1, p.Old+p.Len, p.Old+r.Uint32N(1<<20))
		}
		for _, at := range places {
			got, exact := m.At(at)
			if want, in := plainAt(kept, at); got != want || exact != in {
				t.Fatalf("At(%d) = %d, %v, want %d, %v in %v", at, got, exact, want, in, kept)
			}
		}
	}
}

// plainAt is At as docs/delta-format.md says it.
func plainAt(pieces []Piece, t uint32) (uint32, bool) {
	best, distance := -1, uint32(0)
	for i, p := range pieces {
		d := t - (p.Old + p.Len) + 1 // behind p
		switch {
		case t >= p.Old && t-p.Old < p.Len:
			return p.New + (t - p.Old), true
		case t < p.Old:
			d = p.Old - t
		}
		if best < 0 || d < distance {
			best, distance = i, d
		}
	}
	if best < 0 {
		return t, false
	}
	return pieces[best].New + (t - pieces[best].Old), false
}
