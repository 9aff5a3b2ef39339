package main

import (
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// machine is the box beneath the supervisor: its clocks, its disk, its processes, and the errands that
// take their time. system is the real one; the proofs (explore_test.go) have one on which the power
// fails, releases break and hours cost nothing.
type machine interface {
	now() time.Time
	sinceBoot() time.Duration // a clock that nobody sets
	disk() fsys.FS            // of the record, the store, metadata and requests
	// open opens a core that was hashed, or says as store.Open does what is wrong with it.
	open(c boot.Core) (*os.File, error)
	// launch starts a core; what it says and its end become events.
	launch(image *os.File, p *process) error
	// sweep looks at what dead cores left behind, and ends it where told to; it returns how many live.
	sweep(end bool) int
	// verify, look and bring return at once. Exactly one answer comes later, over the supervisor's
	// channel for it.
	verify()
	look(e errand)
	bring(e errand, c choice, base boot.Core)
	chance() float64 // in [0, 1)
	// shrink gives back the memory that the last bit of work needed.
	shrink()
	// tidy gives back what garbage took, now and then.
	tidy()
}

// system is the machine that there is.
type system struct{ s *supervisor }

func (m system) now() time.Time           { return time.Now() }
func (m system) sinceBoot() time.Duration { return platforms.SinceBoot() }
func (m system) disk() fsys.FS            { return fsys.Disk{} }
func (m system) sweep(end bool) int {
	var spared []int
	if end && !m.s.stopping {
		spared = platforms.NotedProcesses(m.s.layout.Collector())
	}
	return m.s.family.Sweep(end, func(session int) bool { return slices.Contains(spared, session) })
}
func (m system) chance() float64 { return chance() }

func (m system) shrink() {
	debug.FreeOSMemory()
	platforms.ForgetCode()
}

// tidyEvery is how long garbage may gather: some 12 kB a minute at rest, which the runtime would let come to 0.8 MB. Giving it back takes half a millisecond.
const tidyEvery = 2 * time.Minute

func (m system) tidy() {
	if time.Since(m.s.tidied) >= tidyEvery {
		debug.FreeOSMemory()
		m.s.tidied = time.Now()
	}
}

func (m system) open(c boot.Core) (*os.File, error) { return open(m.s.layout, c) }

func (m system) launch(image *os.File, p *process) error {
	return launch(&m.s.family, m.s.layout, image, p, m.s.events)
}

func (m system) verify() {
	e := m.s.errand()
	go func() { m.s.verdicts <- e.verify() }()
}

func (m system) look(e errand) { go func() { m.s.looking.found <- e.look() }() }

func (m system) bring(e errand, c choice, base boot.Core) {
	go func() { m.s.looking.got <- e.bring(c, base) }()
}

// store is ver/ on the supervisor's disk.
func (s *supervisor) store() store.Store { return store.New(s.machine.disk(), s.layout.Ver) }
