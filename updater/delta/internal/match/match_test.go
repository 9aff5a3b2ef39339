package match

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/walk"
)

func noise(seed uint64, n int, letters uint32) []byte {
	r := rand.New(rand.NewPCG(seed, 9))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32N(letters))
	}
	return b
}

func TestSuffixes(t *testing.T) {
	for _, data := range [][]byte{nil, {7}, []byte("banana"), noise(1, 5000, 3), make([]byte, 5000)} {
		order, err := suffixes(data)
		if err != nil {
			t.Fatal(err)
		}
		if len(order) != len(data) {
			t.Fatalf("%d suffixes of %d bytes", len(order), len(data))
		}
		for i := 1; i < len(order); i++ {
			if bytes.Compare(data[order[i-1]:], data[order[i]:]) >= 0 {
				t.Fatalf("suffix %d is not before the next one", i-1)
			}
		}
	}
}

// TestLongest compares with a search of every place.
func TestLongest(t *testing.T) {
	old := noise(2, 600, 3)
	order, err := suffixes(old)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(60) {
		b := noise(100+seed, 30, 3)
		best := 0
		for i := range old {
			best = max(best, common(old[i:], b))
		}
		place, n := longest(order, old, b)
		if n != best || !bytes.Equal(old[place:place+n], b[:n]) {
			t.Errorf("a match of %d bytes at %d, the longest has %d", n, place, best)
		}
	}
}

func TestCopiesAreInOrder(t *testing.T) {
	old := noise(3, 50_000, 256)
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 4))
		var new []byte
		for len(new) < 40_000 {
			at := r.IntN(len(old) - 1000)
			new = append(new, old[at:at+20+r.IntN(900)]...)
			new = append(new, noise(r.Uint64(), r.IntN(60), 256)...)
			if n := len(new); n > 100 {
				new[n-50] ^= 1
			}
		}
		plan, _, err := Find(refs.Analyse(old), refs.Analyse(new))
		if err != nil {
			t.Fatal(err)
		}
		end, covered := uint32(0), 0
		for _, c := range plan.Copies {
			if c.New < end || c.Len == 0 || int(c.New+c.Len) > len(new) || int(c.Old+c.Len) > len(old) {
				t.Fatalf("copy %v after %d", c, end)
			}
			end = c.New + c.Len
			for i := range c.Len {
				if old[c.Old+i] == new[c.New+i] {
					covered++
				}
			}
		}
		if covered < len(new)*85/100 {
			t.Errorf("copies make %d of %d bytes", covered, len(new))
		}
	}
}

func TestPrune(t *testing.T) {
	a := make([]byte, 100_000)
	got := prune([]walk.Copy{{New: 0, Old: 0, Len: 1000}, {New: 1000, Old: 50_000, Len: 31}, {New: 1031, Old: 1031, Len: 7}, {New: 1050, Old: 1050, Len: 900},
		{New: 2000, Old: 2010, Len: 9}}, a, a)
	want := []walk.Copy{{New: 0, Old: 0, Len: 1950}, {New: 2000, Old: 2010, Len: 9}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestShorten(t *testing.T) {
	got := shorten([]walk.Copy{{New: 0, Len: 5}, {New: 10, Len: 50}, {New: 100, Len: 2}, {New: 200, Len: 9}}, 2)
	if want := []walk.Copy{{New: 10, Len: 50}, {New: 200, Len: 9}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestCut(t *testing.T) {
	got := cut([]walk.Copy{{New: 0, Old: 50, Len: 10}, {New: 20, Old: 90, Len: 30}, {New: 60, Old: 10, Len: 5}}, []image.Span{{Off: 8, Len: 4}, {Off: 25, Len: 10}, {Off: 60, Len: 5}})
	want := []walk.Copy{{New: 0, Old: 50, Len: 8}, {New: 20, Old: 90, Len: 5}, {New: 35, Old: 105, Len: 15}}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// FuzzSigned checks that a list of hashes which is found lies in the file.
func FuzzSigned(f *testing.F) {
	page := noise(8, 5000, 256)
	list := image.AppendHashes(nil, page)
	b := slices.Clone(page)
	for _, v := range []uint32{0xFADE0CC0, 0, 1, 0, 20, 0xFADE0C02, 0, 0, 0, 44, 0, 0, 2, 5000, 32 << 24, 0} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	f.Add(append(b, list...))
	f.Fuzz(func(t *testing.T, b []byte) {
		im := image.Image{Data: b}
		sign := image.Span{Off: uint32(min(len(b), len(page))), Len: uint32(len(b) - min(len(b), len(page)))}
		if off, limit, ok := signed(&im, sign); ok {
			_ = b[off : uint64(off)+image.HashesLen(limit)]
		}
	})
}
