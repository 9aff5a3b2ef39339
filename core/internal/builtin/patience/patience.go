// Package patience asks what may hang for ever (a file system over a network, a dead device) from a goroutine of its own, waits a while, and
// does not ask the same again as long as it has not answered. It bounds how many hang at once; it cannot end them, nobody can.
package patience

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// maxPending is how many calls may hang at once: each holds a thread.
const maxPending = 16

// What a check keeps of its own deadline, to say what did not answer; at most a quarter of it.
const spare = 500 * time.Millisecond

// HungError is a call that has not returned.
type HungError struct {
	What  string
	Since time.Time
}

func (e *HungError) Error() string {
	return fmt.Sprintf("%s does not answer since %s", e.What, e.Since.UTC().Format(time.RFC3339))
}

var errCrowd = errors.New("not asked: too many others do not answer")

// Calls asks. The zero value is ready. It is for one goroutine.
type Calls[T any] struct {
	pending map[string]*call[T]
}

type call[T any] struct {
	since time.Time
	done  chan struct{} // closed when value and err are set
	value T
	err   error
}

// Do calls ask, or waits for the call of this name that has not returned yet. Its error is ask's, a *HungError when the context ended first.
func (c *Calls[T]) Do(ctx context.Context, what string, ask func() (T, error)) (T, error) {
	one := c.pending[what]
	if one == nil {
		if len(c.pending) >= maxPending {
			var none T
			return none, errCrowd
		}
		one = &call[T]{since: time.Now(), done: make(chan struct{})}
		if c.pending == nil {
			c.pending = make(map[string]*call[T])
		}
		c.pending[what] = one
		go func() {
			defer close(one.done)
			defer func() {
				if p := recover(); p != nil { // no registry stands above this goroutine
					one.err = fmt.Errorf("this is a bug of the agent: %v", p)
				}
			}()
			one.value, one.err = ask()
		}()
	}
	select {
	case <-one.done:
	case <-ctx.Done():
		select {
		case <-one.done:
		default:
			var none T
			return none, &HungError{what, one.since}
		}
	}
	delete(c.pending, what)
	return one.value, one.err
}

// Within is ctx with a deadline a little before its own, and at most so long from now (0 = no such limit).
func Within(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		left -= min(spare, left/4)
		if most <= 0 || left < most {
			most = left
		}
	}
	if most <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, most)
}
