package coder

import "math/bits"

// Nodes of a number's decisions: its length is unary from node 1, its bits follow.
const (
	mantissaNode = 1 << 16
	adaptiveBits = 12 // of the mantissa; what is below is as good as random
)

// Number codes v, less than 2^63-1, under the contexts that are set.
func (c *Coder) Number(v uint64, site uint32) uint64 {
	v++
	n := uint32(bits.Len64(v))
	length := uint32(1)
	for length < 63 && c.Bit(One(n > length), 1+length, site) != 0 {
		length++
	}
	got := uint64(1)
	for i := int(length) - 2; i >= 0; i-- {
		bit := uint32(v >> i & 1)
		if int(length)-2-i < adaptiveBits {
			bit = c.Bit(bit, mantissaNode+length<<18+uint32(got), site)
		} else {
			bit = c.code1(bit, 32768)
		}
		got = got<<1 | uint64(bit)
	}
	return got - 1
}

// Signed codes v, whose size is less than 2^61.
func (c *Coder) Signed(v int64, site uint32) int64 {
	u := c.Number(uint64(v<<1^v>>63), site)
	return int64(u>>1) ^ -int64(u&1)
}

// Byte codes b, the highest bit first, under the contexts that are set.
func (c *Coder) Byte(b byte, site uint32) byte {
	group, v := uint32(0), uint32(b)
	for range 2 {
		node := uint32(1)
		for node < 16 {
			node = node<<1 | c.Bit(v>>7&1, group|node, site)
			v <<= 1
		}
		group = group<<4 + node<<4
	}
	return byte(group>>4 - 16)
}

// One is 1 for true.
func One(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}
