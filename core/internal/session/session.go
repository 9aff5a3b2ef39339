// Package session is the agent's one line to its hub: it connects, proves who it is and checks who
// answers (docs/wire.md), sends what the buffer holds, takes desired state and calls, and comes again
// whenever the line breaks.
//
// It owns the connection and nothing durable: results are the buffer's, keys and trust the
// identity's, desired state its hook's. One goroutine owns a connection's state; calls run beside it.
package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/internal/identity"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

// Options are what a session works with. All but Log and the optional hooks are needed.
type Options struct {
	// Way is asked before each attempt where the hubs are and how to get there. Quick. An error is why there is no line.
	Way      func() (Way, error)
	Identity *identity.Identity
	Buffer   *buffer.Buffer
	Passed   func() time.Time   // a time that is surely past, whatever the clock says: no certificate is judged as of before; nil = none known
	Facts    func() *wire.Facts // called for each handshake; quick
	Hooks    Hooks
	// Turn is closed when the core may connect: one that was not announced waits for the core before it, lest the hub take it for a copy. nil = at once.
	Turn    <-chan struct{}
	Standby string // the nonce under which this core was announced as a successor, "" for one that was not
	Log     *slog.Logger
}

// Way is the box file's word.
type Way struct {
	Hubs []string     // each "https://host:port", "wss://…" or "host:port" (8700 without a port); tried in turn, beginning with the one that worked last
	Dial dial.Options // HubCA, Unverified and Connect are set by the session
}

// Hooks are what the hub asks of the agent.
type Hooks struct {
	// Revision is the number of the running revision.
	Revision func() uint64
	// Desired takes a new desired state whole or not at all and reports. One call at a time; when
	// several come meanwhile, only the newest is handed on.
	Desired func(*wire.Desired) *wire.RevisionReport
	// Run runs a check now. out passes output on; it never blocks and copies data. ctx ends when
	// nobody listens any more (cancelled, or the line is gone): the run itself goes on.
	Run func(ctx context.Context, call *wire.RunNow, out func(stderr bool, data []byte)) *wire.RunEnd
	// Look is told when the hub wants the agent to look for an update now. Optional; quick.
	Look func()
	// Follow, Hold and Resume are told when the hub wants of releases what docs/stub-contract.md says of these words. Optional; quick. What
	// Follow is given has no blanks and is short.
	Follow func(channel, pin string)
	Hold   func()
	Resume func()
	// Changed is told after each change of Status. Optional; quick.
	Changed func(Status)
}

// State of a session.
type State string

// The states.
const (
	Waiting    State = "waiting"    // until the next attempt; Err says why the last one failed
	Connecting State = "connecting" // dialling, handshake
	Connected  State = "connected"
	NotTrusted State = "not-trusted" // no trust document and no usable token: enrol first
	Refused    State = "refused"     // the hub refused: Code, Err and Hint say why; it is asked again slowly
	Stopped    State = "stopped"     // Bye was said
)

// Status is how the session stands, for `limpet status`.
type Status struct {
	State     State
	Since     time.Time // of State
	Hub       string    // host:port, of the latest attempt
	Code      string    // of the latest refusal, "" none
	Err       string    // of the latest failed attempt, "" while connected
	Hint      string    // what to do about it, "" when nothing needs to be done
	Attempts  int       // since the line was last there
	Retry     time.Time // of the next attempt, zero when none is planned
	Rung      dial.Rung // by which the hub was found
	Address   string    // ip:port
	Proxy     string
	TLS       string        // "bound" or "terminated" (a balancer ends it)
	RTT       time.Duration // of the latest heartbeat, 0 = not known yet
	Offset    time.Duration // hub's clock minus ours, at the best of the latest heartbeats
	OffsetOK  bool          // Offset is known
	Skew      time.Duration // the clock lies outside the certificate's dates
	SessionID string
	Name      string // how the hub shows this agent
	Console   string // URL
	Wanted    uint64 // newest revision meant for this agent, as the hub last said
	Enrolled  bool   // a hub has welcomed this agent since the start
	Ephemeral bool   // enrolled to come and go, as the hub last said
}

// Session is one agent's. Its methods may be called by several goroutines; Run once.
type Session struct {
	o       Options
	hub     hub                    // of the attempt under way; Run's goroutine owns it
	turn    int                    // which of the hubs is next; as hub
	whole   bool                   // the next session's results are told whole; as hub
	status  atomic.Pointer[Status] // written by Run's goroutine alone
	again   chan struct{}          // holds one: do not wait for the next attempt
	facts   chan struct{}          // holds one: send the facts
	swap    chan struct{}          // holds one: say what is to be said of a successor
	desired chan *wire.Desired     // holds one: the newest not handed on yet
	reports chan *wire.RevisionReport

	questions chan question // for the line there is

	successor atomic.Pointer[string] // the nonce announced last
	active    atomic.Bool            // this core came as a successor and schedules now

	farewell sync.Once
	bye      *wire.Bye     // written before leaving is closed
	leaving  chan struct{} // closed by Bye
	left     chan struct{} // closed when the hub was told, or there was nobody to tell
}

// New checks the options.
func New(o Options) (*Session, error) {
	if o.Way == nil || o.Identity == nil || o.Buffer == nil || o.Facts == nil ||
		o.Hooks.Revision == nil || o.Hooks.Desired == nil || o.Hooks.Run == nil {
		return nil, errors.New("make session: a needed option is missing")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Session{
		o:       o,
		again:   make(chan struct{}, 1),
		facts:   make(chan struct{}, 1),
		swap:    make(chan struct{}, 1),
		desired: make(chan *wire.Desired, 1),
		reports: make(chan *wire.RevisionReport, 1),

		questions: make(chan question),

		leaving: make(chan struct{}),
		left:    make(chan struct{}),
	}
	st := Status{State: Waiting, Since: time.Now()}
	if w, err := o.Way(); err == nil && len(w.Hubs) > 0 {
		if h, err := parseHub(w.Hubs[0]); err == nil {
			st.Hub = h.addr()
		}
	}
	s.status.Store(&st)
	return s, nil
}

// Run connects and serves, again and again, until ctx ends; then it says goodbye with cause "stop",
// closes the line and returns nil. After Bye it keeps the peace until ctx ends.
func (s *Session) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() { defer close(done); s.takeDesired(ctx) }()
	defer func() { <-done }()
	pace := newPace(time.Now())
	pace.standby = s.o.Standby != ""
	if !s.mayCome(ctx) {
		return nil
	}
	for {
		err := s.attempt(ctx, pace)
		if s.isLeaving() || ctx.Err() != nil {
			break
		}
		parted, failed := s.part(err)
		if errors.Is(failed, errHalf) {
			return failed
		}
		if parted {
			continue
		}
		err = errors.Join(err, failed)
		if wait := pace.after(err, time.Now()); wait > 0 {
			s.failed(err, wait)
			if !s.rest(ctx, wait) {
				break
			}
		}
	}
	s.update(func(st *Status) { st.State, st.Err, st.Hint, st.Retry = Stopped, "", "", time.Time{} })
	close(s.left)
	<-ctx.Done()
	return nil
}

// mayCome waits until the core may connect, and says whether it ever may.
func (s *Session) mayCome(ctx context.Context) bool {
	if s.o.Turn == nil {
		return true
	}
	select {
	case <-s.o.Turn:
		return true
	case <-s.leaving:
	case <-ctx.Done():
		return false
	}
	close(s.left)
	<-ctx.Done()
	return false
}

// rest waits for the next attempt and says whether there is to be one.
func (s *Session) rest(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.again:
	case <-s.leaving:
		return false
	case <-ctx.Done():
		return false
	}
	return true
}

func (s *Session) isLeaving() bool {
	select {
	case <-s.leaving:
		return true
	default:
		return false
	}
}

// failed shows why there is no line.
func (s *Session) failed(err error, wait time.Duration) {
	text, hint := explain(err, s.hub)
	state, code := Waiting, ""
	var refusal *refusal
	switch {
	case errors.Is(err, errNotTrusted):
		state = NotTrusted
	case errors.As(err, &refusal):
		code = refusal.code
		if refusal.slow() {
			state = Refused
		}
	}
	before := s.Status()
	s.update(func(st *Status) {
		st.State, st.Code, st.Err, st.Hint, st.Retry = state, code, text, hint, time.Now().Add(wait)
		st.Attempts++
	})
	if before.Err != text { // the same cause again and again is said once
		s.o.Log.Warn("no session with the hub", "hub", s.hub.addr(), "hint", hint, "err", text)
	}
}

// update changes the status; it runs in Run's goroutine.
func (s *Session) update(change func(*Status)) {
	before := s.status.Load()
	after := *before
	change(&after)
	if after.State != before.State {
		after.Since = time.Now()
	}
	s.status.Store(&after)
	if s.o.Hooks.Changed != nil && (after.State != before.State || after.Err != before.Err) {
		s.o.Hooks.Changed(after)
	}
}

// Status is how the session stands.
func (s *Session) Status() Status { return *s.status.Load() }

// Bye announces a planned silence with a cause of docs/wire.md, closes the line and does not come
// again. It returns when the hub was told, at latest when ctx ends.
func (s *Session) Bye(ctx context.Context, cause, text string) {
	s.leave(cause, text)
	select {
	case <-s.left:
	case <-ctx.Done():
	}
}

func (s *Session) leave(cause, text string) {
	s.farewell.Do(func() {
		s.bye = &wire.Bye{Cause: cause, Text: text}
		close(s.leaving)
	})
}

// Again asks for the next attempt now: a token was put in place, the box file changed. A line that is there goes on if it is still what is wanted.
func (s *Session) Again() { poke(s.again) }

// SendFacts tells the hub the facts anew, if connected.
func (s *Session) SendFacts() { poke(s.facts) }

// Announce tells the hub, now and in every later session, that a successor of this core starts and will show the nonce.
func (s *Session) Announce(nonce string) {
	s.successor.Store(&nonce)
	poke(s.swap)
}

// Activated tells the hub, now and in every later session, that this core schedules. It means something for one that came as a
// successor (Options.Standby).
func (s *Session) Activated() {
	s.active.Store(true)
	poke(s.swap)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// takeDesired hands desired states on, one after the other.
func (s *Session) takeDesired(ctx context.Context) {
	for {
		select {
		case d := <-s.desired:
			report := s.o.Hooks.Desired(d)
			if report != nil {
				s.Report(report)
			}
		case <-ctx.Done():
			return
		}
	}
}

// offer keeps the newest desired state for takeDesired. It runs in Run's goroutine.
func (s *Session) offer(d *wire.Desired) {
	select {
	case <-s.desired:
	default:
	}
	s.desired <- d
}
