package agent

import (
	"runtime"
	"sync/atomic"
)

// breadth keeps the Go runtime on one processor while the agent has little to do, and gives it all of them while plugins run side by
// side. At rest every result passes a dozen goroutines, and on several processors each hand-over wakes another thread: measured side by
// side, 8 % of the core's CPU. The zero value is ready.
type breadth struct {
	running atomic.Int32 // plugin runs under way
	peak    atomic.Int32 // the most of them since the last look
	wide    atomic.Bool
}

// narrowTo is how many plugin runs one processor serves well: they wait for their children.
const narrowTo = 2

// narrow begins on one processor.
func (b *breadth) narrow() { runtime.GOMAXPROCS(1) }

// begin counts a plugin's run in; the returned function counts it out.
func (b *breadth) begin() (end func()) {
	n := b.running.Add(1)
	for p := b.peak.Load(); n > p && !b.peak.CompareAndSwap(p, n); p = b.peak.Load() {
	}
	if n > narrowTo && b.wide.CompareAndSwap(false, true) {
		runtime.GOMAXPROCS(runtime.NumCPU())
	}
	return func() { b.running.Add(-1) }
}

// look goes back to one processor when no more than a few ran at a time since the last look.
func (b *breadth) look() {
	if b.peak.Swap(b.running.Load()) <= narrowTo && b.wide.CompareAndSwap(true, false) {
		runtime.GOMAXPROCS(1)
	}
}
