package coder

import "math/bits"

// The logistic function and its inverse in integers. Stretch is in 1/256: 2047 stands for about 8, p = 0.99966.
const (
	squashLimit  = 3071 // 12 in 1/256
	stretchLimit = 2047
)

var (
	squashTable  [2*squashLimit + 1]uint16
	stretchTable [4096]int16
	rate         [countLimit + 1]uint32 // 65536 / (count + 1.4)
)

// init computes squash as 65536/(1+e^-x) with e^(i/256) as a running product in 32.32 fixed point. Stretch is its inverse:
// entry i is the first value whose squash is at least the middle of the i-th of 4096 steps.
func init() {
	const step = 4311777323 // e^(1/256) * 2^32, rounded
	e := uint64(1) << 32
	for i := 0; i <= squashLimit; i++ {
		hi, lo := bits.Mul64(e, 65536)
		q, _ := bits.Div64(hi, lo, e+1<<32)
		v := min(q, 65535)
		squashTable[squashLimit+i] = uint16(v)
		squashTable[squashLimit-i] = uint16(65536 - max(v, 1))
		hi, lo = bits.Mul64(e, step)
		e = hi<<32 | lo>>32
	}
	x := -squashLimit
	for i := range stretchTable {
		for x < squashLimit && int(squashTable[squashLimit+x]) < i*16+8 {
			x++
		}
		stretchTable[i] = int16(min(max(x, -stretchLimit), stretchLimit))
	}
	for i := range rate {
		rate[i] = uint32(655360 / (10*i + 14))
	}
}

// squash returns the probability in 1/65536 for x in 1/256.
func squash(x int32) int32 {
	return int32(squashTable[min(max(x, -squashLimit), squashLimit)+squashLimit])
}
