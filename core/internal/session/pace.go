package session

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

const (
	// hurry is how long after the last line (or the start) the agent comes again soon: after an outage that short it has a session within two seconds.
	hurry    = 10 * time.Second
	hurryMin = 200 * time.Millisecond // those who lost the same hub do not come all at once
	hurryMax = 700 * time.Millisecond

	// silentMin and silentMax are the pause after an attempt that nobody answered. What was sent into the silence costs hurryConnect; this on top, and the way to the
	// welcome, are to be less than two seconds.
	silentMin = 100 * time.Millisecond
	silentMax = 300 * time.Millisecond

	// hurryConnect is how long an address and a resolver have to answer meanwhile: what is silent longer is asked anew, since a system's own second and third try are seconds apart.
	hurryConnect = time.Second

	slowest   = 30 * time.Second // of the usual backoff
	unreached = 10 * time.Second // of it while nothing answers: no hub has work of that
	refusedIn = 5 * time.Minute  // after a refusal that only a person can lift
	replaced  = 30 * time.Second // after another session under our key took over
	maxRetry  = 10 * time.Minute // the most a hub may ask for
	steady    = 10 * time.Second // a line that lasted as long was a good one
)

// Errors by which the pace differs.
var (
	errNotTrusted = errors.New("this agent trusts no hub yet: there is no trust document and no enrolment token")
	errReplaced   = errors.New("the hub ended the session: another one under this agent's key took over")
	errUnreached  = errors.New("hub not reached") // nothing answered: no load on the hub
	errBox        = errors.New("the box file does not say how to reach the hub")
	errElsewhere  = errors.New("the box file names another hub now")
	errNewToken   = errors.New("there is a new token to be shown")
)

// refusal is a hub's Refuse.
type refusal struct {
	code, message, hint string
	retry               time.Duration
	own                 *wire.Enrol // this box is a copy: by this it is taken in under a key of its own
	marks               []*wire.Watermark
}

func refusalOf(r *wire.Refuse) *refusal {
	return &refusal{r.GetCode(), r.GetMessage(), r.GetHint(), time.Duration(r.GetRetryAfterMs()) * time.Millisecond, r.GetOwn(), r.GetWatermarks()}
}

func (r *refusal) Error() string {
	if r.message == "" {
		return "the hub refused this agent: " + r.code
	}
	return "the hub refused this agent: " + r.message
}

// slow says whether asking again soon is of no use.
func (r *refusal) slow() bool {
	switch r.code {
	case wire.RefuseTokenUnknown, wire.RefuseTokenExpired, wire.RefuseTokenUsed, wire.RefuseRevoked:
		return true
	}
	return false
}

// pace decides when to come again.
type pace struct {
	since   time.Time // of the last line's end, or the start
	came    time.Time // of the line that is or was last there
	backoff dial.Backoff
	standby bool // of a core announced as a successor
	silent  bool // nothing answered at the last attempt
}

func newPace(now time.Time) *pace {
	return &pace{since: now, backoff: dial.Backoff{Min: time.Second, Max: slowest}}
}

// connected notes that a line is there.
func (p *pace) connected(now time.Time) { p.came = now }

// after is how long to wait after an attempt or a line that ended with err.
func (p *pace) after(err error, now time.Time) time.Duration {
	hadLine := !p.came.IsZero()
	if hadLine {
		if now.Sub(p.came) >= steady {
			p.since = now
			p.backoff.Reset()
		}
		p.came = time.Time{}
	}
	silent := errors.Is(err, errUnreached)
	if p.silent && !silent { // the hub is there again: what nobody heard was no load on it
		p.backoff.Reset()
	}
	p.silent = silent
	var r *refusal
	switch {
	case errors.As(err, &r) && r.slow():
		return jitter(refusedIn)
	case errors.As(err, &r) && r.retry > 0:
		return jitter(min(r.retry, maxRetry))
	case errors.Is(err, errReplaced):
		return jitter(replaced)
	case p.hurries(now) && p.standby && errors.As(err, &r) && r.code == wire.RefuseClone:
		return hurryMin + rand.N(hurryMax-hurryMin) // it came before its announcement
	case errors.Is(err, errElsewhere), errors.Is(err, errNewToken):
		return 0
	case p.hurries(now) && hadLine:
		return hurryMin + rand.N(hurryMax-hurryMin)
	case p.hurries(now) && silent:
		return silentMin + rand.N(silentMax-silentMin)
	case silent:
		return min(p.backoff.Next(), unreached/2+rand.N(unreached/2))
	}
	return p.backoff.Next()
}

// hurries says whether the line broke, or the agent began, just now.
func (p *pace) hurries(now time.Time) bool { return now.Sub(p.since) < hurry }

// jitter is d, or up to a fifth more.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/5+1) }
