package dial

import (
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait before coming again: Min first, then twice as long each time up to
// Max, each drawn at random between half of that and all of it, so that a thousand that were cut off
// together do not come back together. The zero value waits not at all.
type Backoff struct {
	Min, Max time.Duration
	next     time.Duration
}

// Next is the next wait.
func (b *Backoff) Next() time.Duration {
	if b.next == 0 {
		b.next = b.Min
	}
	wait := b.next
	b.next = min(2*b.next, b.Max)
	if wait <= 1 {
		return wait
	}
	return wait/2 + rand.N(wait/2)
}

// Reset begins anew at Min.
func (b *Backoff) Reset() { b.next = 0 }
