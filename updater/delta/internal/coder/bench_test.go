package coder

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
)

// BenchmarkByte decodes bytes under eight contexts of which some repeat, as the literal bytes of a patch do: eight decisions each.
func BenchmarkByte(b *testing.B) {
	const n = 1 << 16
	pass := func(c *Coder) {
		r := rand.New(rand.NewPCG(1, 1))
		last := byte(0)
		for range n {
			v := r.Uint32()
			c.Contexts(uint32(last), v&0xFFFF, v>>8&0xFF, v>>4&0xFFF, v>>16, v&7, v>>12&0xFFF, uint32(last)*v)
			last = c.Byte(byte(v>>3&v>>9), 1)
		}
	}
	e := NewEncoder(1 << 40)
	pass(e)
	stream := e.Bytes()
	b.SetBytes(n)
	for b.Loop() {
		d := NewDecoder(context.Background(), bytes.NewReader(stream), e.Spent())
		pass(d)
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
