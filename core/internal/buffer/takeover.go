package buffer

import (
	"errors"
	"io/fs"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
)

// takeoverEvery is how often the generations of another core that still lives are tried again.
const takeoverEvery = 2 * time.Second

// unknownForeign stands for generations that could not be counted yet.
const unknownForeign = 1

// LookAgain takes over the generations of cores that have gone: at once, and then for as long as some core holds any. A core
// that lives beside another calls it when that one has ended, or ends.
func (b *Buffer) LookAgain() {
	select {
	case b.again <- struct{}{}:
	default:
	}
}

// takeOver waits for the end of the cores that hold generations beside ours, and takes these over.
func (b *Buffer) takeOver() {
	tick := time.NewTicker(takeoverEvery)
	defer tick.Stop()
	unreadable := map[uint64]bool{}
	for {
		if b.foreign.Load() == 0 {
			tick.Stop()
		} else {
			tick.Reset(takeoverEvery)
		}
		select {
		case <-tick.C:
		case <-b.again:
		case <-b.k.gone:
			return
		}
		b.takeAll(unreadable)
	}
}

// unlockPause is how long the locks of one core may take to be given up one after the other, when it was killed.
const unlockPause = 20 * time.Millisecond

// takeAll takes over what can be had. The generations of one core are judged together: a run that one of them names may have
// its result in another.
func (b *Buffer) takeAll(unreadable map[uint64]bool) {
	var taken []*generation
	var trails []trail
	take := func(found []uint64) (locked []uint64) {
		for _, epoch := range found {
			if unreadable[epoch] {
				continue
			}
			g, t, err := load(b.k.o, epoch)
			switch {
			case errors.Is(err, platforms.ErrLocked), Closed(err):
				locked = append(locked, epoch)
			case errors.Is(err, fs.ErrNotExist): // its core drained and removed it
			case err != nil:
				unreadable[epoch] = true
				b.k.log.Error("generation not readable, left alone", "generation", generationName(epoch), "err", err)
			default:
				g.adopt(b.k.o.Owner)
				taken, trails = append(taken, g), append(trails, t)
			}
		}
		return locked
	}
	found, err := b.beside()
	if err != nil {
		if b.foreign.Swap(max(unknownForeign, b.foreign.Load())) == 0 { // said once, asked again
			b.k.log.Error("generations of other cores not listed", "err", err)
		}
		return
	}
	locked := take(found)
	if len(taken) > 0 && len(locked) > 0 {
		time.Sleep(unlockPause)
		locked = take(locked)
	}
	b.foreign.Store(int64(len(locked)))
	if len(taken) == 0 {
		return
	}
	ageByClock(taken, b.k.o.Now())
	lost := lostRuns(b.k.o, taken, trails) // before they are the keeper's
	if !b.k.do(func() {
		for _, g := range taken {
			b.k.adopt(g)
		}
	}) {
		for _, g := range taken {
			b.k.release(g) // the keeper has ended
		}
		return
	}
	b.dropStrange()
	b.stateLost(taken, lost)
}

// beside lists the generations on disk that are not kept here. It looks in the keeper's goroutine: nothing of ours is half removed then.
func (b *Buffer) beside() (found []uint64, err error) {
	b.k.do(func() {
		var all []uint64
		all, err = epochs(b.k.o.FS, b.k.o.Dir)
		for _, epoch := range all {
			if _, err := b.k.find(epoch); err != nil {
				found = append(found, epoch)
			}
		}
	})
	return found, err
}

// adopt puts a generation among those kept.
func (k *keeper) adopt(g *generation) {
	at := 0
	for at < len(k.generations) && k.generations[at].epoch < g.epoch {
		at++
	}
	k.generations = append(k.generations[:at], append([]*generation{g}, k.generations[at:]...)...)
	k.newest = max(k.newest, g.epoch)
	k.inherit(g)
	k.wake()
	k.scheduleSweep()
}
