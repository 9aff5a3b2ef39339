package agent

import (
	"context"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/session"
)

// stop announces the cause, lets what runs finish within the time, and brings over what can be brought.
func (a *agent) stop(g *group, cause string, within time.Duration) {
	ctx, cancel := context.WithTimeout(g.ctx, within-within/5)
	defer cancel()
	cause = a.stopCause(ctx, cause)
	a.log.Info("stopping", "cause", cause, "within", within)
	ended := a.stopCollectors(ctx)
	a.closeBook(ctx)
	a.finish(ctx, within*2/5)
	a.cut(ctx, killRunsAfter)
	ended()
	a.inputs.Close()
	a.flush(ctx)
	a.session.Bye(ctx, a.goodbye(cause), "")
}

// goodbye is what the hub is told of a stop. An ephemeral box whose host goes down for good is taken out of the fleet with it.
func (a *agent) goodbye(cause string) string {
	if cause == "shutdown" && a.session.Status().Ephemeral {
		return "deregister"
	}
	return byeCause(cause)
}

// orphaned ends a core whose stub is gone, within the five seconds that the contract gives: the next stub may have started another.
func (a *agent) orphaned(g *group) {
	a.log.Warn("the stub is gone, ending")
	a.collectors.Leave()
	a.inputs.Close()
	a.closeBook(g.ctx)
	a.finish(g.ctx, goneRuns)
	told := make(chan struct{})
	go func() {
		defer close(told)
		ctx, cancel := context.WithTimeout(g.ctx, flushWithin)
		defer cancel()
		a.session.Bye(ctx, byeCause("restart"), "")
	}()
	a.cut(g.ctx, killRunsAfter)
	<-told
}

// finish starts nothing more and waits for what runs, up to a time.
func (a *agent) finish(ctx context.Context, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := a.plan.Drain(ctx); err != nil {
		a.log.Warn("runs are cut off", "err", err)
	}
}

// cut ends the schedule with all that still runs, and returns when it is killed and kept as lost.
func (a *agent) cut(ctx context.Context, within time.Duration) {
	a.endRuns()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := a.plan.Drain(ctx); err != nil {
		a.log.Error("runs do not end", "err", err)
	}
}

// flush gives the session a moment to bring over what the last runs left.
func (a *agent) flush(ctx context.Context) {
	if a.session.Status().State != session.Connected {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushWithin)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for a.buffer.Stats().UnackedRecords > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// byeCause translates the stub's word into the wire's.
func byeCause(cause string) string {
	switch cause {
	case "shutdown", reboot:
		return "shutdown"
	case "restart":
		return "reload"
	default:
		return "stop"
	}
}
