package main

import (
	"math/rand/v2"
	"time"
)

// What the stub expects of a core; docs/stub-contract.md says the same to the core's side.
const (
	tick       = 2500 * time.Millisecond // how often the stub looks
	calmTick   = 4 * tick                // and while nothing goes on: with late and what may pass before, less than aliveTime
	readyTime  = 60 * time.Second        // from start to `ready`
	aliveTime  = 15 * time.Second        // three `alive` of 5 s missed
	late       = time.Second             // a tick later than this says that we did not run ourselves
	healthTime = 60 * time.Second        // of being ready: what happened before is forgiven
	stopTime   = 10 * time.Second        // from `stop` to the end
	lineSize   = 4096                    // bytes with the newline
	lineRate   = 100                     // a second
)

// watch judges one life of a core by how much time passed between its lines. It holds no clock: time
// comes in by pass, and time in which the stub itself did not run does not count.
type watch struct {
	ready bool
	start time.Duration // since the start
	quiet time.Duration // since the last `alive`, or `ready`
	well  time.Duration // since `ready`
}

func (w *watch) gotReady() {
	if !w.ready {
		w.ready, w.quiet = true, 0
	}
}

func (w *watch) gotAlive() { w.quiet = 0 }

// pass lets time pass since it was called last, after which it was to be called again within some time, and returns why the core is to
// be killed, or "".
func (w *watch) pass(elapsed, within time.Duration) (cause string) {
	if elapsed > within+late {
		elapsed = tick
	}
	w.start += elapsed
	w.quiet += elapsed
	if w.ready {
		w.well += elapsed
	}
	switch {
	case !w.ready && w.start >= readyTime:
		return "not-ready"
	case w.ready && w.quiet >= aliveTime:
		return "hang"
	}
	return ""
}

// healthy reports whether the core has been well for so long that its former deaths are forgiven.
func (w *watch) healthy() bool { return w.ready && w.well >= healthTime }

// How long to wait before a core is started again.
const (
	firstWait = 250 * time.Millisecond // so that a single death costs less than a second
	mostWait  = 30 * time.Second
)

// backoff doubles from firstWait to mostWait. The zero value is ready.
type backoff struct{ deaths int }

// next is how long to wait now. chance in [0, 1) adds up to a tenth, so that what died together does
// not come back together.
func (b *backoff) next(chance float64) time.Duration {
	wait := mostWait
	if b.deaths < 7 { // 250 ms << 7 = 32 s
		wait = firstWait << b.deaths
	}
	b.deaths++
	return wait + time.Duration(chance*float64(wait)/10)
}

func (b *backoff) reset() { b.deaths = 0 }

func chance() float64 { return rand.Float64() }
