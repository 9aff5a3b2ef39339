package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// Limits of one session.
const (
	notesAhead = 256
	framesIn   = 16

	goodbyeWithin = 30 * time.Second // of writing an end down, when everything else has stopped
	noteWithin    = 15 * time.Second // of writing a change down: the agent hears nothing meanwhile, and after 30 s it takes the hub for dead
)

// session is one agent's websocket. run's goroutine owns the fields and writes to the line; the reader only reads frames and
// hands them on, and the courier's goroutine owns the courier.
type session struct {
	gateway     *Gateway
	line        *line
	fingerprint string
	entry       presence.Entry
	agent       fleet.Agent // as Desired is asked about it
	courier     *courier
	log         *slog.Logger

	frames   chan *wire.Frame // from the reader, but what is the courier's
	parcels  chan *wire.Frame // batches and generations, from the reader to the courier
	answers  chan *wire.Frame // from the courier
	notes    chan bus.Note    // from other parts of the hub
	compare  chan struct{}    // desired state may have changed
	ending   chan *wire.Bye   // from other goroutines: say this and close
	unlisten func()

	turn   uint64            // the board's count when apart was last settled; of the loop, or before it runs
	apart  atomic.Bool       // another session is the agent's; changed where the loop is, or before it runs
	calls  map[string]string // open calls, to the subject of their caller
	asked  []string          // subjects of those who ask whether the agent is there
	pushed pushed
	vitals atomic.Pointer[fleet.Pulse] // replaced whole
	seen   atomic.Int64                // Unix ns of the last frame
	sent   beat                        // the last heartbeat sent
	heard  beat                        // the last one heard
}

// beat is one heartbeat: the number it carried, and when that was here.
type beat struct {
	ns int64
	at time.Time
}

func newSession(g *Gateway, ln *line, known enrol.Agent, proof *wire.Proof) *session {
	s := &session{
		gateway: g, line: ln, fingerprint: known.Fingerprint,
		frames: make(chan *wire.Frame, framesIn), parcels: make(chan *wire.Frame, 2), answers: make(chan *wire.Frame, 2),
		notes: make(chan bus.Note, notesAhead), compare: make(chan struct{}, 1), ending: make(chan *wire.Bye, 1),
		calls: map[string]string{},
		log:   g.log.With("agent", known.Fingerprint[:12]),
		entry: presence.Entry{
			Session: newSessionID(), Count: proof.GetSessionCount(), Facts: presence.FromWire(proof.GetFacts()),
			Revision: proof.GetRevision(), TLS: "terminated", Problems: []string{}, Shown: proof.GetStandbyNonce(),
		},
		courier: &courier{bus: g.o.Bus, notes: g.notes, fingerprint: known.Fingerprint, marks: map[uint64]*held{}, log: g.log},
	}
	if ln.tls != nil {
		s.entry.TLS = "bound"
	}
	s.agent = fleet.AgentOf(known, s.entry)
	s.seen.Store(time.Now().UnixNano())
	s.vitals.Store(&fleet.Pulse{Fingerprint: s.fingerprint, Session: s.entry.Session})
	return s
}

// subject is where calls for the agent are told.
func (s *session) subject() string { return bus.CallSubject + s.fingerprint }

// hear takes a note; it must not block, so one too many is answered at once.
func (s *session) hear(n bus.Note) {
	if s.forAnother(n) {
		return
	}
	select {
	case s.notes <- n:
	default:
		s.answer(n.Reply, &wire.Frame{Body: &wire.Frame_RunEnd{RunEnd: &wire.RunEnd{Error: "the session is too busy, try again"}}})
	}
}

// announce tells the log that the agent came, and an older session of it that its time is over.
func (s *session) announce(ctx context.Context, before presence.Entry, enrolled bool, known enrol.Agent) {
	if s.apart.Load() {
		s.note(ctx, journal.Event{Kind: journal.Upgrade, Text: "core " + s.entry.Facts.CoreVersion + " came beside " + before.Facts.CoreVersion})
		s.log.Info("second core of an agent came", "session", s.entry.Session, "core", s.entry.Facts.CoreVersion)
		return
	}
	if before.Session != "" && s.entry.Count <= before.Count {
		s.note(ctx, journal.Event{Kind: journal.Warning,
			Text: "its count of sessions went back: the box was restored from a snapshot"})
	}
	if enrolled {
		text := "enrolled"
		if known.ClonedFrom != "" {
			text = "enrolled, a copy of " + known.ClonedFrom[:min(12, len(known.ClonedFrom))]
		}
		s.note(ctx, journal.Event{Kind: journal.Enrolled, Text: text})
	}
	text := "came"
	if before.Cause != "" {
		text = "came back, was gone: " + before.Cause
	}
	s.note(ctx, journal.Event{Kind: journal.Came, Text: text})
	s.log.Info("agent came", "hostname", s.entry.Facts.Hostname, "session", s.entry.Session, "tls", s.entry.TLS)
}

// run is the life of a session that was added: until the line ends, the agent says goodbye, something breaks, or stop is told.
func (s *session) run(stop context.Context) {
	defer s.gateway.remove(s)
	ctx, cancel := context.WithCancelCause(stop)
	go s.reading(ctx, cancel)
	go s.delivering(ctx, cancel)
	cause := s.loop(ctx)
	cancel(nil)
	s.line.close()
	s.leave(cause)
}

// loop owns the session, and returns the cause of its end.
func (s *session) loop(ctx context.Context) string {
	tick := time.NewTicker(s.gateway.o.Heartbeat)
	defer tick.Stop()
	err := errors.Join(s.beat(), s.push())
	for _, f := range wire.Novelties() {
		err = errors.Join(err, s.line.write(f))
	}
	for err == nil {
		select {
		case f := <-s.frames:
			if bye := f.GetBye(); bye != nil {
				return byeCause(bye)
			}
			err = s.take(f)
			if f.GetHeartbeat() != nil {
				err = errors.Join(err, s.beatBack(tick))
			}
		case f := <-s.answers:
			err = s.line.write(f)
		case n := <-s.notes:
			err = s.takeNote(n)
		case <-s.compare:
			err = s.push()
		case <-tick.C:
			err = s.beat()
		case bye := <-s.ending:
			_ = s.line.write(&wire.Frame{Body: &wire.Frame_Bye{Bye: bye}})
			return bye.GetCause()
		case <-ctx.Done():
			return s.stopped(ctx)
		}
	}
	s.log.Info("agent's line ended", "err", err)
	return presence.Lost
}

// stopped tells the hub's own stop from a line that broke. A goodbye may still wait behind the break.
func (s *session) stopped(ctx context.Context) string {
	if s.gateway.ctx.Err() != nil {
		_ = s.line.write(&wire.Frame{Body: &wire.Frame_Bye{Bye: &wire.Bye{Cause: "stop", Text: "the hub stops"}}})
		return presence.HubStopped
	}
	if err := context.Cause(ctx); errors.Is(err, wire.ErrDifference) {
		_ = s.line.write(&wire.Frame{Body: &wire.Frame_Bye{Bye: &wire.Bye{Cause: "difference", Text: err.Error()}}})
	}
	for {
		select {
		case f := <-s.frames:
			if bye := f.GetBye(); bye != nil {
				return byeCause(bye)
			}
			if f.GetRunEnd() != nil || f.GetRunOutput() != nil {
				s.fromRun(f)
			}
		default:
			s.log.Info("agent's line ended", "err", context.Cause(ctx))
			return presence.Lost
		}
	}
}

// reading hands on what comes, and ends the session when the line does.
func (s *session) reading(ctx context.Context, end context.CancelCauseFunc) {
	s.line.conn.SetReadLimit(wire.MaxFrameEver)
	for {
		f, err := s.line.read(wire.DeadAfter * s.gateway.o.Heartbeat)
		if err != nil {
			end(err)
			return
		}
		s.seen.Store(time.Now().UnixNano())
		to := s.frames
		if f.GetBatch() != nil || f.GetGenerations() != nil {
			to = s.parcels
		}
		select {
		case to <- f:
		case <-ctx.Done():
			return
		}
		if f.GetBye() != nil {
			return // nothing comes behind a goodbye; the close that follows it must not overtake it
		}
	}
}

// delivering is the courier's goroutine.
func (s *session) delivering(ctx context.Context, end context.CancelCauseFunc) {
	for {
		select {
		case f := <-s.parcels:
			answer, err := s.parcel(ctx, f)
			if err != nil {
				end(err)
				return
			}
			select {
			case s.answers <- answer:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *session) parcel(ctx context.Context, f *wire.Frame) (*wire.Frame, error) {
	if b := f.GetBatch(); b != nil {
		return s.courier.deliver(ctx, b)
	}
	marks, err := s.courier.watermarks(ctx, f.GetGenerations().GetGenerations())
	return &wire.Frame{Body: &wire.Frame_Watermarks{Watermarks: &wire.Watermarks{Watermarks: marks}}}, err
}

// end has the session say goodbye and close. It may be called from anywhere.
func (s *session) end(cause, text string) {
	select {
	case s.ending <- &wire.Bye{Cause: cause, Text: text}:
	default: // it is ending
	}
}

// leave writes the session's end down, and ends what waited for it.
func (s *session) leave(cause string) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeWithin)
	defer cancel()
	last, err := s.gateway.o.Presence.Last(ctx, s.fingerprint)
	if err == nil && last.Session == s.entry.Session && last.Beside != nil {
		s.tellSwitch(last.Beside.Session, last.Turn+1) // while this one still listens: no call shall find nobody
	}
	if s.unlisten != nil {
		s.unlisten()
	}
	s.endCalls(cause)
	if err == nil && (last.Session != s.entry.Session || last.Beside != nil) {
		s.leaveOther(ctx, cause) // another session is there: the agent is not gone
		return
	}
	// Before the board has it: who sees the agent gone and comes in its place must not be in the log before its leaving.
	s.note(ctx, journal.Event{Kind: journal.Left, Cause: cause, Text: leftText(cause)})
	s.log.Info("agent left", "cause", cause, "session", s.entry.Session)
	after, err := s.gateway.o.Presence.End(ctx, s.fingerprint, s.entry.Session, cause)
	if err != nil && !errors.Is(err, presence.ErrReplaced) {
		s.log.Error("session's end not written down", "err", err)
	}
	if err == nil && after.Live() { // it came between the two
		s.tellSwitch(after.Session, after.Turn)
	}
}

// note writes an entry of the log about this agent.
func (s *session) note(ctx context.Context, e journal.Event) {
	e.Fingerprint, e.Hostname = s.fingerprint, s.entry.Facts.Hostname
	if err := journal.Write(ctx, s.gateway.o.Bus, e); err != nil {
		s.log.Error("event not written", "kind", e.Kind, "err", err)
	}
}

// byeCause is what an agent gave as its cause, if that is one of the known words.
func byeCause(b *wire.Bye) string {
	switch c := b.GetCause(); c {
	case "stop", "reload", "upgrade", "shutdown", "deregister":
		return c
	default:
		return "stop"
	}
}

func leftText(cause string) string {
	switch cause {
	case presence.Lost:
		return "lost: the line ended without a word"
	case presence.HubStopped:
		return "the hub stopped"
	default:
		return "left: " + cause
	}
}
