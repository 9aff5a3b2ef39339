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

func standingsPause(written time.Time) time.Duration {
	return max(standingsSoon, standingsEvery-time.Since(written))
}

// tryStandings writes state/standings; where that fails it is tried again without a change.
func (a *agent) tryStandings(context.Context) error {
	err := a.writeStandings()
	if err != nil {
		poke(a.moved)
	}
	return err
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
