// Package history keeps what earlier runs of a check measured, so that a run can say what happened since. It keeps counters
// of any kind with their time, few of them, and computes nothing.
package history

import "time"

// Limits of what is kept.
const (
	youngest = time.Second // samples closer together give no rate worth saying; two checks may share one history
	steps    = 64          // samples kept for the longest window asked for, beyond the latest
)

// History holds samples in the order they were taken. The zero value is empty. It is for one goroutine.
type History[T any] struct {
	list []entry[T]
}

type entry[T any] struct {
	at    time.Time
	value T
}

// Previous gives the latest sample that is at least a second old, and its age.
func (h *History[T]) Previous(now time.Time) (value T, age time.Duration, ok bool) {
	for i := len(h.list) - 1; i >= 0; i-- {
		if age := now.Sub(h.list[i].at); age >= youngest {
			return h.list[i].value, age, true
		}
	}
	return value, 0, false
}

// Oldest gives the oldest sample kept, and its age.
func (h *History[T]) Oldest(now time.Time) (value T, age time.Duration, ok bool) {
	if len(h.list) == 0 {
		return value, 0, false
	}
	return h.list[0].value, now.Sub(h.list[0].at), true
}

// Add keeps a sample, and earlier ones for at least as long as said. A sample taken within a second of the latest is not kept.
func (h *History[T]) Add(now time.Time, value T, keep time.Duration) {
	if n := len(h.list); n > 0 && now.Sub(h.list[n-1].at) < youngest {
		return
	}
	drop := 0
	for drop+1 < len(h.list) && now.Sub(h.list[drop+1].at) >= keep {
		drop++
	}
	h.list = append(h.list[:0], h.list[drop:]...)
	if n := len(h.list); n > 1 && h.list[n-1].at.Sub(h.list[n-2].at) < keep/steps {
		h.list = h.list[:n-1]
	}
	h.list = append(h.list, entry[T]{now, value})
}

// Len gives the number of samples kept.
func (h *History[T]) Len() int { return len(h.list) }
