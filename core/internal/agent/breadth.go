package agent

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
)

// breadth keeps the Go runtime small while the agent has little to do. On one processor: at rest every result passes a dozen goroutines, and
// on several each hand-over wakes another thread. And with a monitor thread that takes its time (platforms.EaseMonitor). Plugins need both
// otherwise: more than a few side by side get all processors, and while any runs the monitor is punctual, for it takes the processor from
// goroutines that wait in the kernel for a child. A few plugins leave little garbage, so the heap is kept short as long as there are no more: what
// one of them prints is then most of what the agent holds. What each saves stands in docs/performance.md. The zero value is ready.
type breadth struct {
	running atomic.Int32 // plugin runs under way
	peak    atomic.Int32 // the most of them since the last look
	wide    atomic.Bool  // all processors, the heap has room
	brisk   atomic.Bool  // the monitor is punctual
	tidied  time.Time    // the owner's
}

const (
	// narrowTo is how many plugin runs one processor serves well: they wait for their children.
	narrowTo = 2
	// monitorLeave is how late the monitor may come at rest. A sync of the disk, which then holds the one processor, is mostly over by then.
	monitorLeave = 5 * time.Millisecond
	// narrowGC is the garbage collector's percentage on one processor: it then begins below 0.9 MB instead of 4, at rest about every half minute, for
	// 0.6 ms.
	narrowGC = 22
	wideGC   = 100
	// tidyEvery is how often pages that garbage took go back to the system while the heap is short: the runtime itself would keep half a megabyte of them.
	tidyEvery = 30 * time.Second
	// reservedThreads is more than a core with hostile plugins was ever seen to have.
	reservedThreads = 8
)

// narrow begins at rest.
func (b *breadth) narrow() {
	narrow()
	platforms.EaseMonitor(monitorLeave)
}

func narrow() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(narrowGC)
}

// begin counts a plugin's run in; the returned function counts it out.
func (b *breadth) begin() (end func()) {
	n := b.running.Add(1)
	for p := b.peak.Load(); n > p && !b.peak.CompareAndSwap(p, n); p = b.peak.Load() {
	}
	if b.brisk.CompareAndSwap(false, true) {
		platforms.EaseMonitor(0)
	}
	if n > narrowTo && b.wide.CompareAndSwap(false, true) {
		runtime.GOMAXPROCS(runtime.NumCPU())
		debug.SetGCPercent(wideGC)
	}
	return func() { b.running.Add(-1) }
}

// look, which comes every few seconds, goes back to one processor when no more than a few ran at a time since the last look, and to rest when none did.
func (b *breadth) look() {
	peak := b.peak.Swap(b.running.Load())
	if peak <= narrowTo && b.wide.CompareAndSwap(true, false) {
		narrow()
	}
	if now := time.Now(); !b.wide.Load() && now.Sub(b.tidied) >= tidyEvery {
		debug.FreeOSMemory()
		b.tidied = now
	}
	if peak == 0 && b.brisk.CompareAndSwap(true, false) {
		platforms.EaseMonitor(monitorLeave)
	}
}
