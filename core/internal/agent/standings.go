package agent

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/handover"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// standingsEvery is how old state/standings may be while something changes: it is synced, and a box that changes all the time shall not pay for it all the
// time. standingsSoon is how long what comes with a change is waited for.
const (
	standingsEvery = time.Minute
	standingsSoon  = 5 * time.Second
)

// keepStandings writes state/standings from now on, until ctx ends. Where nothing changes, nothing is written.
func (a *agent) keepStandings(ctx context.Context) {
	timer := time.NewTimer(standingsEvery)
	defer timer.Stop()
	broken := false
	var written time.Time
	for {
		select {
		case <-a.moved:
		case <-ctx.Done():
			return
		}
		timer.Reset(max(standingsSoon, standingsEvery-time.Since(written)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		drop(a.moved) // what moved meanwhile is written now
		written = time.Now()
		err := a.writeStandings()
		if err != nil {
			poke(a.moved)
			if !broken {
				a.log.Warn("state/standings not written", "err", err) // once: a full disk stays full for a while
			}
		}
		broken = err != nil
	}
}

func (a *agent) writeStandings() error {
	clock := handover.ReadClock()
	book := handover.Book{Core: a.o.Version, Epoch: a.buffer.Live(), Revision: a.view.Load().revision, At: clock.Since, States: a.board.results()}
	return handover.KeepStandings(fsys.Disk{}, a.o.Layout.Standings(), book, clock)
}

// inheritStandings goes on, after a reboot, where checks stood before it.
func (a *agent) inheritStandings(clock handover.Clock) {
	states, err := handover.ReadStandings(fsys.Disk{}, a.o.Layout.Standings(), clock)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.Warn("where checks stood before is not known; they begin anew", "err", err)
	}
	a.board.inherit(states, a.set.Checks)
}
