// Package coder turns decisions into bytes and back: a binary range coder whose probabilities are mixed from up to
// eight contexts by two sets of learned weights.
//
// Encoder and decoder run the same code: Bit either writes the bit that it is given or ignores it and returns the one
// that was written. Everything is fixed-width integer arithmetic, so every platform makes the same bytes.
//
// A decoder that meets input it cannot have been given panics with a Failure; Recover turns it into an error.
package coder

import (
	"errors"
	"fmt"
	"io"
)

const (
	maxContexts = 8
	inputs      = 2*maxContexts + 1
	slotBits    = 20 // 4 MiB of slots: larger ones gained nothing once slots were checked
	countLimit  = 127
	nodeSets    = 256
)

// MaxSites is the number of call sites that have weights of their own.
const MaxSites = 48

// slack is how many bytes past its end a decoder may look at: the width of the coder's window.
const slack = 4

// Failure is what a decoder panics with when its input is at fault.
type Failure struct{ Err error }

// Fail stops a decoder: its input is at fault.
func Fail(format string, args ...any) { panic(Failure{fmt.Errorf(format, args...)}) }

// weights are 16.16 fixed point.
type weights [inputs]int32

// Coder codes one stream. It is for one goroutine.
type Coder struct {
	out  []byte        // encoding
	in   io.ByteReader // decoding
	over int           // bytes read past the end
	last byte          // the last byte that was read

	low, high, code uint32

	slots  []uint32 // probability 16 bits, check 9, count 7
	bySite []weights
	byNode []weights

	contexts int
	context  [maxContexts]uint32
	index    [maxContexts]uint32
	input    [inputs]int32

	spent, budget uint64
}

// NewEncoder returns a coder that writes, and takes at most budget decisions.
func NewEncoder(budget uint64) *Coder {
	c := newCoder(budget)
	return c
}

// NewDecoder returns a coder that reads what an encoder has written to in. It takes exactly budget decisions before
// Close is called.
func NewDecoder(in io.ByteReader, budget uint64) *Coder {
	c := newCoder(budget)
	c.in = in
	for range 4 {
		c.code = c.code<<8 | uint32(c.next())
	}
	return c
}

func newCoder(budget uint64) *Coder {
	c := &Coder{
		high:   0xFFFFFFFF,
		slots:  make([]uint32, 1<<slotBits),
		bySite: make([]weights, MaxSites),
		byNode: make([]weights, MaxSites*nodeSets),
		budget: budget,
	}
	for i := range c.bySite {
		c.bySite[i] = firstWeights
	}
	for i := range c.byNode {
		c.byNode[i] = firstWeights
	}
	return c
}

// Encoding reports whether this coder writes.
func (c *Coder) Encoding() bool { return c.in == nil }

// Spent returns how many decisions were taken, and what was charged beside them.
func (c *Coder) Spent() uint64 { return c.spent }

// Charge counts n units of work, each worth a decision, that the caller is about to do without taking any.
func (c *Coder) Charge(n int) {
	if c.spent += uint64(n); c.spent > c.budget {
		Fail("work: the budget of %d is exhausted", c.budget)
	}
}

// Contexts sets what the next decisions depend on; at most eight.
func (c *Coder) Contexts(values ...uint32) {
	c.contexts = len(values)
	for i, v := range values {
		c.context[i] = (v + uint32(i+1)*0x9E3779B1) * 0x85EBCA6B
	}
}

// Bit codes one decision at a site. Node tells apart the decisions that share the contexts.
func (c *Coder) Bit(bit, node, site uint32) uint32 {
	c.Charge(1)
	wa, wb := &c.bySite[site], &c.byNode[site*nodeSets+node%nodeSets]
	n := 2*c.contexts + 1
	dotA, dotB := c.gather(node, wa, wb)
	p := squash(int32((dotA + dotB) >> 17))
	p = min(max(p, 4), 65532)
	bit = c.code1(bit, uint32(p))
	errA := (int32(bit)<<16 - squash(int32(dotA>>16))) * 6
	errB := (int32(bit)<<16 - squash(int32(dotB>>16))) * 6
	for i, x := range c.input[:n] {
		wa[i] += int32((int64(x)*int64(errA) + 1<<17) >> 18)
		wb[i] += int32((int64(x)*int64(errB) + 1<<17) >> 18)
	}
	c.learn(bit)
	return bit
}

// gather looks the contexts up and returns what both weight sets make of them, in 1/256 << 16.
func (c *Coder) gather(node uint32, wa, wb *weights) (dotA, dotB int64) {
	for i := 0; i < c.contexts; i++ {
		h := (c.context[i] ^ node*0x9E3779B1) * 0xC2B2AE35
		h ^= h >> 15
		h *= 0x2C1B3C6D
		at, check := h>>(32-slotBits), h&511
		s := c.slots[at]
		if s>>7&511 != check || s == 0 {
			s = 0x8000<<16 | check<<7
			c.slots[at] = s
		}
		c.index[i] = at
		p, count := s>>16, s&127
		var x int32
		if count > 0 {
			x = int32(stretchTable[p>>4])
		}
		y := (int32(p) - 32768) >> 4 * confidence[count] >> 5
		c.input[2*i], c.input[2*i+1] = x, y
		dotA += int64(x)*int64(wa[2*i]) + int64(y)*int64(wa[2*i+1])
		dotB += int64(x)*int64(wb[2*i]) + int64(y)*int64(wb[2*i+1])
	}
	k := 2 * c.contexts
	c.input[k] = 256
	dotA += 256 * int64(wa[k])
	dotB += 256 * int64(wb[k])
	return dotA, dotB
}

// learn moves the probabilities of the slots that were used towards the bit.
func (c *Coder) learn(bit uint32) {
	for i := 0; i < c.contexts; i++ {
		s := c.slots[c.index[i]]
		p, count := int32(s>>16), s&127
		if bit != 0 {
			p += int32(uint32(65535-p) * rate[count] >> 16)
		} else {
			p -= int32(uint32(p) * rate[count] >> 16)
		}
		if count < countLimit {
			count++
		}
		c.slots[c.index[i]] = uint32(p)<<16 | s&(511<<7) | count
	}
}

// code1 narrows the range by one bit whose chance to be 1 is p/65536.
func (c *Coder) code1(bit, p uint32) uint32 {
	r := c.high - c.low
	mid := c.low + r>>16*p + (r&0xFFFF)*p>>16
	if c.in != nil {
		bit = 0
		if c.code <= mid {
			bit = 1
		}
	}
	if bit != 0 {
		c.high = mid
	} else {
		c.low = mid + 1
	}
	for (c.low^c.high)>>24 == 0 {
		if c.in != nil {
			c.code = c.code<<8 | uint32(c.next())
		} else {
			c.out = append(c.out, byte(c.high>>24))
		}
		c.low <<= 8
		c.high = c.high<<8 | 0xFF
	}
	return bit
}

// raw codes a bit of which nothing is known.
func (c *Coder) raw(bit uint32) uint32 {
	c.Charge(1)
	return c.code1(bit, 32768)
}

func (c *Coder) next() byte {
	b, err := c.in.ReadByte()
	if err == nil {
		c.last = b
		return b
	}
	if err != io.EOF {
		panic(Failure{fmt.Errorf("read: %w", err)})
	}
	if c.over++; c.over > slack {
		panic(Failure{io.ErrUnexpectedEOF})
	}
	return 0
}

// tail returns the value in [low, high] with the most zero bytes at its end.
func (c *Coder) tail() uint32 {
	for shift := 24; shift > 0; shift -= 8 {
		mask := uint32(1)<<shift - 1
		if v := uint64(c.low) + uint64(mask); v>>32 == 0 {
			if v := uint32(v) &^ mask; v >= c.low && v <= c.high {
				return v
			}
		}
	}
	return c.low
}

// Bytes ends an encoder's stream and returns it.
func (c *Coder) Bytes() []byte {
	v := c.tail()
	out := append(c.out, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	for range slack { // as many as a decoder makes up for
		if len(out) == 0 || out[len(out)-1] != 0 {
			break
		}
		out = out[:len(out)-1]
	}
	return out
}

// Close ends a decoder's stream. It is an error when the stream does not end here, or is not what an encoder writes.
func (c *Coder) Close() error {
	if c.spent != c.budget {
		return fmt.Errorf("end stream: %d decisions were taken or charged, %d were said", c.spent, c.budget)
	}
	if _, err := c.in.ReadByte(); err != io.EOF {
		return errors.New("end stream: something follows it")
	}
	if c.code != c.tail() || c.last == 0 && c.over < slack {
		return errors.New("end stream: its last bytes are not an encoder's")
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
