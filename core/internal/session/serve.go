package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// ackWithin is how long a hub may take to confirm a batch. Its bus may be slow; a batch that was lost
// on the way to it is only sent again by a new session.
const ackWithin = time.Minute

var errUnconfirmed = errors.New("the hub did not confirm results within a minute")

// serving is a session that the hub has welcomed. Run's goroutine owns it.
type serving struct {
	*Session
	line  *line
	drain *drain
	clock clock
	calls *calls

	questions questions
}

// serve is the life of a welcomed session; it returns why it ended, nil when leaving.
func (s *Session) serve(ctx context.Context, l *line, w *wire.Welcome) error {
	every := heartbeat(w)
	v := &serving{Session: s, line: l, drain: newDrain(s.o.Buffer, l, s.teller(w), s.o.Log), calls: newCalls(s.o.Hooks.Run, l),
		questions: questions{open: map[uint64]chan *wire.SitePiece{}}}
	l.start(wire.DeadAfter * every)
	v.drain.resume(w.GetWatermarks())
	err := v.loop(ctx, every)
	l.end(err)
	v.calls.hangUp()
	v.questions.hangUp()
	return err
}

// teller is how this session's results are told: whole where the hub could not follow in the one before.
func (s *Session) teller(w *wire.Welcome) *wire.Teller {
	if s.whole {
		s.whole = false
		return wire.NewTeller(0)
	}
	return wire.NewTeller(w.GetBases())
}

func heartbeat(w *wire.Welcome) time.Duration {
	every := time.Duration(w.GetHeartbeatMs()) * time.Millisecond
	if every == 0 {
		return wire.HeartbeatEvery
	}
	return min(max(every, wire.MinHeartbeat), wire.MaxHeartbeat)
}

func (v *serving) loop(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	if err := v.beat(); err != nil {
		return err
	}
	if err := v.sayOfSwap(); err != nil {
		return err
	}
	for _, f := range wire.Novelties() {
		if err := v.send(f); err != nil {
			return err
		}
	}
	begun, joined := time.Now(), false
	for {
		var err error
		if v.drain.pump() && !joined && time.Since(begun) > every/10 {
			// From now on heartbeats go where results go: an agent at rest wakes once for both.
			joined = true
			tick.Reset(every)
			if err = v.beat(); err != nil {
				return err
			}
		}
		select {
		case f := <-v.line.in:
			err = v.take(ctx, f)
		case <-v.o.Buffer.Notify():
			v.drain.look()
		case <-tick.C:
			err = v.beat()
		case report := <-v.reports:
			err = v.send(&wire.Frame{Body: &wire.Frame_RevisionReport{RevisionReport: report}})
		case q := <-v.Session.questions:
			err = v.ask(q)
		case <-v.facts:
			err = v.send(&wire.Frame{Body: &wire.Frame_Facts{Facts: v.o.Facts()}})
		case <-v.swap:
			err = v.sayOfSwap()
		case <-v.again:
			if err = v.stillWanted(); err != nil {
				v.goodbye(&wire.Bye{Cause: "reload", Text: err.Error()})
			}
		case id := <-v.calls.ended:
			v.calls.forget(id)
		case <-v.leaving:
			v.goodbye(v.bye)
			return nil
		case <-ctx.Done():
			v.leave("stop", "")
			v.goodbye(v.bye)
			return nil
		case <-v.line.over:
			err = v.line.err
		}
		if err != nil {
			return err
		}
	}
}

// send queues a frame; its error is that of the line.
func (v *serving) send(f *wire.Frame) error {
	if !v.line.send(f) {
		return v.line.err
	}
	return nil
}

// beat sends a heartbeat, and looks after what time alone brings.
func (v *serving) beat() error {
	if err := v.drain.overdue(time.Now()); err != nil {
		return err
	}
	return v.send(&wire.Frame{Body: &wire.Frame_Heartbeat{Heartbeat: v.clock.beat(time.Now())}})
}

// sayOfSwap tells what the hub must know of a swap. It may come twice: that changes nothing.
func (v *serving) sayOfSwap() error {
	if nonce := v.successor.Load(); nonce != nil {
		if err := v.send(&wire.Frame{Body: &wire.Frame_Successor{Successor: &wire.Successor{Nonce: *nonce}}}); err != nil {
			return err
		}
	}
	if v.o.Standby != "" && v.active.Load() {
		return v.send(&wire.Frame{Body: &wire.Frame_Active{Active: &wire.Active{}}})
	}
	return nil
}

// take acts on one frame of the hub's. What is not known is ignored.
func (v *serving) take(ctx context.Context, f *wire.Frame) error {
	switch b := f.GetBody().(type) {
	case *wire.Frame_Ack:
		return v.drain.ack(b.Ack)
	case *wire.Frame_Reject:
		return v.drain.reject(b.Reject)
	case *wire.Frame_Watermarks:
		v.drain.resume(b.Watermarks.GetWatermarks())
	case *wire.Frame_Heartbeat:
		v.heard(b.Heartbeat)
	case *wire.Frame_Desired:
		v.update(func(st *Status) { st.Wanted = b.Desired.GetRevision() })
		v.offer(b.Desired)
	case *wire.Frame_RunNow:
		v.calls.begin(ctx, b.RunNow)
	case *wire.Frame_CancelRun:
		v.calls.cancel(b.CancelRun.GetCall())
	case *wire.Frame_Look:
		if v.o.Hooks.Look != nil {
			v.o.Hooks.Look()
		}
	case *wire.Frame_Follow:
		if v.o.Hooks.Follow != nil && plainWord(b.Follow.GetChannel()) && (b.Follow.GetPin() == "" || plainWord(b.Follow.GetPin())) {
			v.o.Hooks.Follow(b.Follow.GetChannel(), b.Follow.GetPin())
		}
	case *wire.Frame_Hold:
		if v.o.Hooks.Hold != nil {
			v.o.Hooks.Hold()
		}
	case *wire.Frame_Resume:
		if v.o.Hooks.Resume != nil {
			v.o.Hooks.Resume()
		}
	case *wire.Frame_Ping:
		return v.send(&wire.Frame{Body: &wire.Frame_Pong{Pong: &wire.Pong{Word: b.Ping.GetWord()}}})
	case *wire.Frame_SitePiece:
		v.questions.answered(b.SitePiece)
	case *wire.Frame_Refuse:
		return refusalOf(b.Refuse)
	case *wire.Frame_Bye:
		switch b.Bye.GetCause() {
		case "replaced":
			return errReplaced
		case "difference":
			v.whole = true
			return fmt.Errorf("the hub could not follow what results were told by: %s", b.Bye.GetText())
		}
		return fmt.Errorf("the hub said goodbye: %s", b.Bye.GetCause())
	}
	return nil
}

// maxWord is the longest name of a channel or version that is passed on, in bytes.
const maxWord = 64

// plainWord says whether s is a name that can stand in a line to the stub.
func plainWord(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._+-", r) {
			return false
		}
	}
	return s != "" && len(s) <= maxWord
}

func (v *serving) heard(h *wire.Heartbeat) {
	v.clock.heard(h, time.Now())
	v.update(func(st *Status) {
		st.RTT = v.clock.latest()
		if best, ok := v.clock.best(); ok {
			st.Offset, st.OffsetOK = best.offset, true
		}
	})
}

// goodbye says why the silence begins, and returns when the hub has closed the line or had the time
// to.
func (v *serving) goodbye(b *wire.Bye) {
	if !v.line.send(&wire.Frame{Body: &wire.Frame_Bye{Bye: b}}) {
		return
	}
	timer := time.NewTimer(wire.WriteDeadline)
	defer timer.Stop()
	for {
		select {
		case <-v.line.in: // nothing is begun any more
		case <-v.line.over:
			return
		case <-timer.C:
			return
		}
	}
}
