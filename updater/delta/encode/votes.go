package encode

import "encoding/binary"

// votes finds the window of the base that shares most with a piece of the result. It remembers, for a sample of the
// base chosen by content, in which stretch of the base it lies.
type votes struct {
	size  int // of the base
	table []uint16
}

const (
	voteStretch = 128 << 10 // a window begins at a multiple of it
	voteBits    = 20
)

func newVotes(old []byte) votes {
	v := votes{size: len(old), table: make([]uint16, 1<<voteBits)}
	sample(old, func(at int, slot uint32) { v.table[slot] = uint16(at/voteStretch) + 1 })
	return v
}

// window returns the limits of the best window for chunk; its length is at most zstdMakeWindow.
func (v votes) window(chunk []byte) (from, to int) {
	count := make([]int, v.size/voteStretch+1)
	sample(chunk, func(_ int, slot uint32) {
		if s := v.table[slot]; s > 0 {
			count[s-1]++
		}
	})
	const span = zstdMakeWindow / voteStretch
	best, bestSum, sum := 0, 0, 0
	for i, c := range count {
		sum += c
		if i >= span {
			sum -= count[i-span]
		}
		if sum > bestSum {
			best, bestSum = max(0, i-span+1), sum
		}
	}
	from = best * voteStretch
	return from, min(from+zstdMakeWindow, v.size)
}

// sample calls f for about every 64th place of b, chosen by the bytes that stand there.
func sample(b []byte, f func(at int, slot uint32)) {
	for i := 0; i+16 <= len(b); i++ {
		h := binary.LittleEndian.Uint64(b[i:]) * 0x9E3779B97F4A7C15
		if h>>58 != 0 {
			continue
		}
		h = (h ^ binary.LittleEndian.Uint64(b[i+8:])) * 0xD6E8FEB86659FD93
		f(i, uint32(h>>(64-voteBits)))
	}
}
