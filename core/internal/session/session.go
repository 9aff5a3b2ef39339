// Package session is the agent's one line to its hub: it connects, proves who it is and checks who
// answers (docs/wire.md), sends what the buffer holds, takes desired state and calls, and comes again
// whenever the line breaks.
//
// It owns the connection and nothing durable: results are the buffer's, keys and trust the
// identity's, desired state its hook's. One goroutine owns a connection's state; calls run beside it.
package session

import (
	"context"
	"log/slog"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/internal/identity"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

// Options are what a session works with. All but Log and the optional hooks are needed.
type Options struct {
	Hub      string // the box file's word: "https://host:port", "wss://…" or "host:port" (8700 without a port)
	Identity *identity.Identity
	Buffer   *buffer.Buffer
	Dial     dial.Options       // HubCA and Unverified are set by the session, from the trust document
	Facts    func() *wire.Facts // called for each handshake; quick
	Hooks    Hooks
	Log      *slog.Logger
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
	Hub       string    // host:port
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
}

// Session is one agent's.
type Session struct{}

// New checks the options. Errors: a hub that is no address, a proxy or CA that cannot be read.
func New(o Options) (*Session, error) { return nil, nil }

// Run connects and serves, again and again, until ctx ends; then it closes the line (see Bye) and
// returns nil.
func (s *Session) Run(ctx context.Context) error { return nil }

// Status is how the session stands.
func (s *Session) Status() Status { return Status{} }

// Bye announces a planned silence with a cause of docs/wire.md, closes the line and does not come
// again. It returns when the hub was told, at latest when ctx ends.
func (s *Session) Bye(ctx context.Context, cause, text string) {}

// Again asks for the next attempt now: a token was put in place, the box file changed.
func (s *Session) Again() {}

// SendFacts tells the hub the facts anew, if connected.
func (s *Session) SendFacts() {}
