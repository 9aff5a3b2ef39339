package agent

import (
	"errors"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms"
)

// mark leaves the start mark by which a run that a kill cuts off is known to be lost.
func (a *agent) mark(c check.Check, start time.Time) {
	poke(a.changed)                                                             // its next slot is another one now
	if err := a.buffer.Mark(c.Name, start); err != nil && !buffer.Closed(err) { // of that the buffer itself says so, once
		a.log.Warn("no start mark", "check", c.Name, "err", err)
	}
}

// note tells the next core that a run is over which it waits for. It is called in the buffer's goroutine: a line written while a core hands over is what a
// start mark costs there, too.
func (a *agent) note(c check.Check, start time.Time) {
	poke(a.changed)
	poke(a.news)
	notes := a.notes.Load()
	if notes == nil {
		return
	}
	if err := notes.Ended(c.Name, start); err != nil {
		a.log.Warn("the next core learns late that a run has ended", "check", c.Name, "err", err)
	}
}

// deliver keeps a result on disk before anybody hears of it, and says where it puts its check. What cannot be kept is counted by the buffer and
// shown in the status.
func (a *agent) deliver(c check.Check, r check.Result, kept func(check.Result)) {
	lost := plugin.Interrupted(r)
	if !lost && !isOnce(c) {
		var moved bool
		if r.Standing, moved = a.board.stand(c, r); moved {
			poke(a.moved)
		}
		a.board.put(r)
	}
	told := shown(r)
	then := func(err error) {
		if err != nil && !errors.Is(err, buffer.ErrHeld) { // of that the buffer itself says so, once
			a.log.Error("result not kept", "check", c.Name, "err", err)
		}
		kept(told)
	}
	if lost {
		a.buffer.AppendThen(&wire.Item{Kind: &wire.Item_LostRun{LostRun: &wire.LostRun{Check: c.Name, StartNs: r.Start.UnixNano()}}}, then)
		return
	}
	values := r.Perfdata
	r.Perfdata = nil
	a.buffer.AppendResult(a.record(c, r), values, then)
}

// record is the result as the buffer and the hub keep it.
func (a *agent) record(c check.Check, r check.Result) *wire.Result {
	out := wire.FromResult(r)
	out.Plugin = wire.Name(c)
	out.EveryMs = wire.EveryMs(a.stretched(c))
	if out.Standing != nil {
		out.Standing.RetryMs = wire.RetryMs(c)
	}
	out.MonoNs = int64(platforms.SinceBoot() - time.Since(r.Start))
	if v := a.view.Load(); v != nil {
		out.Revision = v.revision
	}
	return out
}

// stretched is a check as often as it is run at present, so that the hub does not miss what was passed over.
func (a *agent) stretched(c check.Check) check.Check {
	switch {
	case c.Every == 0 || c.Default || c.Importance == check.High:
	case c.Importance == check.Low:
		c.Every = max(c.Every, time.Duration(a.lowApart.Load()))
	default:
		c.Every = max(c.Every, time.Duration(a.normalApart.Load()))
	}
	return c
}
