// Package coder turns decisions into bytes and back: a binary range coder whose probabilities are mixed from up to
// eight contexts by two sets of learned weights.
//
// Encoder and decoder run the same code: Bit either writes the bit that it is given or ignores it and returns the one
// that was written. Everything is fixed-width integer arithmetic, so every platform makes the same bytes.
//
// A decoder that meets input it cannot have been given panics with a Failure; Recover turns it into an error.
package coder

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	maxContexts = 8
	slotBits    = 20 // 4 MiB of slots: larger ones gained nothing once slots were checked
	countLimit  = 127
	nodeSets    = 256
	half        = 0x8000 << 16 // the probability of 1/2, stored as 0
)

// MaxSites is the number of call sites that have weights of their own.
const MaxSites = 32

// Failure is what a decoder panics with when its input is at fault.
type Failure struct{ Err error }

// Fail stops a decoder: its input is at fault.
func Fail(format string, args ...any) { panic(Failure{fmt.Errorf(format, args...)}) }

// Check stops a decoder unless what it was told is ok.
func Check(ok bool, format string, args ...any) {
	if !ok {
		Fail(format, args...)
	}
}

// weights are 16.16 fixed point: two for each context; behind the first ones of all contexts that of an input which is
// always the same.
type weights struct {
	x [maxContexts + 1]int32
	y [maxContexts]int32
}

// slotTable is looked up by the top bits of a hash, so that no index needs a check.
type slotTable [1 << slotBits]uint32

// Coder codes one stream. It is for one goroutine.
type Coder struct {
	out []byte        // encoding
	in  io.ByteReader // decoding

	low, high, code uint32

	slots *slotTable              // probability 16 bits, check 9, count 7
	sets  [][nodeSets + 1]weights // by site and node; the last one of a site is for all nodes

	context []uint32 // what the next decisions depend on
	room    [maxContexts]uint32

	// Of the decision at hand, by context.
	hash [maxContexts]uint32
	x, y [maxContexts]int32
	seen uint32 // see find

	ctx                 context.Context
	spent, budget, look uint64 // look is when there is something to look at, see Charge
}

// NewEncoder returns a coder that writes, and takes at most budget decisions.
func NewEncoder(budget uint64) *Coder {
	c := &Coder{high: 0xFFFFFFFF, slots: new(slotTable), sets: make([][nodeSets + 1]weights, MaxSites), ctx: context.Background(), budget: budget}
	for site := range c.sets {
		for node := range c.sets[site] {
			for i := range maxContexts {
				c.sets[site][node].x[i] = 65536 * 3 / 10
			}
		}
	}
	return c
}

// NewDecoder returns a coder that reads what an encoder has written to in. It takes exactly budget decisions before
// Close is called, and ends soon after ctx has.
func NewDecoder(ctx context.Context, in io.ByteReader, budget uint64) *Coder {
	c := NewEncoder(budget)
	c.ctx, c.in = ctx, in
	for range 4 {
		c.code = c.code<<8 | c.next()
	}
	return c
}

// Spent returns how many decisions were taken, and what was charged beside them.
func (c *Coder) Spent() uint64 { return c.spent }

// Charge counts n units of work, each worth a decision, that the caller is about to do without taking any.
func (c *Coder) Charge(n int) {
	if c.spent += uint64(n); c.spent >= c.look {
		Check(c.spent <= c.budget, "work: the budget of %d is exhausted", c.budget)
		Check(c.ctx.Err() == nil, "work: %w", c.ctx.Err())
		c.look = min(c.spent+1<<14, c.budget+1)
	}
}

// Contexts sets what the next decisions depend on; at most eight.
func (c *Coder) Contexts(values ...uint32) {
	c.context = c.room[:len(values)]
	for i, v := range values {
		c.context[i] = (v + uint32(i+1)*0x9E3779B1) * 0x85EBCA6B
	}
}

// Bit codes one decision at a site. Node tells apart the decisions that share the contexts.
//
// Nearly all the time of a decoder is spent here and in the three functions that it calls in turn, for seven million
// decisions in the patch of a minor release.
func (c *Coder) Bit(bit, node, site uint32) uint32 {
	c.Charge(1)
	a, b := &c.sets[site][nodeSets], &c.sets[site][node%nodeSets]
	c.find(node)
	dotA, dotB := c.mix(a, b)
	p := squash(int32((dotA + dotB) >> 17))
	bit = c.code1(bit, uint32(min(max(p, 4), 65532)))
	one := int32(bit) << 16
	c.learn(a, b, (one-squash(int32(dotA>>16)))*6, (one-squash(int32(dotB>>16)))*6, bit)
	return bit
}

// find hashes the contexts. The slots of sixteen nodes lie side by side, in one line of the processor's cache. It looks at
// all slots, which wait for memory together then, instead of one after the other where they are used.
func (c *Coder) find(node uint32) {
	group, beside, seen := node>>4*0x9E3779B1, node&15<<(32-slotBits), uint32(0)
	for i, v := range c.context {
		h := (v ^ group) * 0xC2B2AE35
		h ^= h >> 15
		h = h*0x2C1B3C6D ^ beside
		c.hash[i&(maxContexts-1)] = h
		seen |= c.slots[h>>(32-slotBits)]
	}
	c.seen = seen
}

// mix takes the inputs from the slots and returns what both weight sets make of them, in 1/256 << 16. A slot that belongs
// to other contexts begins anew.
func (c *Coder) mix(a, b *weights) (dotA, dotB int64) {
	slots, n := c.slots, len(c.context)
	dotA, dotB = 256*int64(a.x[n]), 256*int64(b.x[n])
	for i := range n {
		i &= maxContexts - 1
		h := c.hash[i]
		slot := &slots[h>>(32-slotBits)]
		s := *slot ^ half
		if (s>>7^h)&511 != 0 {
			s = half | h&511<<7
		}
		*slot = s ^ half
		x := int32(stretchTable[s>>20])
		if s&127 == 0 {
			x = 0
		}
		y := (int32(s>>16) - 32768) >> 4 * (min(int32(s&127), 30) + 2) >> 5
		c.x[i], c.y[i] = x, y
		dotA += int64(x)*int64(a.x[i]) + int64(y)*int64(a.y[i])
		dotB += int64(x)*int64(b.x[i]) + int64(y)*int64(b.y[i])
	}
	return dotA, dotB
}

// learn moves the weights against their errors and the probabilities of the slots towards the bit. The products fit:
// inputs are less than 2^11, errors at most 6 * 2^16.
func (c *Coder) learn(a, b *weights, errA, errB int32, bit uint32) {
	slots, n := c.slots, len(c.context)
	flip := -bit & 0xFFFF // p falls after a 0 as 65535-p does after a 1
	for i := range n {
		i &= maxContexts - 1
		x, y := c.x[i], c.y[i]
		a.x[i] += (x*errA + 1<<17) >> 18
		a.y[i] += (y*errA + 1<<17) >> 18
		b.x[i] += (x*errB + 1<<17) >> 18
		b.y[i] += (y*errB + 1<<17) >> 18
		slot := &slots[c.hash[i]>>(32-slotBits)]
		s := *slot ^ half
		p := s>>16 ^ flip
		p -= p * rate[s&127] >> 16
		rest := s & 0xFFFF
		if rest&127 < countLimit {
			rest++
		}
		*slot = (p^flip)<<16 ^ half | rest
	}
	a.x[n] += (256*errA + 1<<17) >> 18
	b.x[n] += (256*errB + 1<<17) >> 18
}

// code1 narrows the range by one bit whose chance to be 1 is p/65536. A decoder learns the bit from a jump, not from a
// computation: what comes next may begin before the bit is certain.
func (c *Coder) code1(bit, p uint32) uint32 {
	r := c.high - c.low
	mid := c.low + r>>16*p + (r&0xFFFF)*p>>16
	one := bit != 0
	if c.in != nil {
		one = c.code <= mid
	}
	if one {
		c.high, bit = mid, 1
	} else {
		c.low, bit = mid+1, 0
	}
	for (c.low^c.high)>>24 == 0 {
		if c.in != nil {
			c.code = c.code<<8 | c.next()
		} else {
			c.out = append(c.out, byte(c.high>>24))
		}
		c.low, c.high = c.low<<8, c.high<<8|0xFF
	}
	return bit
}

func (c *Coder) next() uint32 {
	b, err := c.in.ReadByte()
	if err != nil {
		Fail("read stream: %w", err)
	}
	return uint32(b)
}

// Bytes ends an encoder's stream and returns it.
func (c *Coder) Bytes() []byte { return binary.BigEndian.AppendUint32(c.out, c.high) }

// Close ends a decoder's stream. It is an error when the stream does not end here.
func (c *Coder) Close() error {
	if c.spent != c.budget {
		return fmt.Errorf("end stream: %d decisions were taken or charged, %d were said", c.spent, c.budget)
	}
	if _, err := c.in.ReadByte(); err != io.EOF || c.code != c.high {
		return errors.New("end stream: it goes on, or ends otherwise")
	}
	return nil
}

// Recover makes an error of a panic; it is deferred where decoding starts.
func Recover(err *error) {
	switch p := recover().(type) {
	case nil:
	case Failure:
		*err = p.Err
	default:
		*err = fmt.Errorf("decode: %v", p)
	}
}
