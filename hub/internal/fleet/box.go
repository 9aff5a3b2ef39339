package fleet

import (
	"cmp"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// Limits of what the view keeps.
const (
	maxChecks = 10_000 // of one agent

	upgradeWithin = 5 * time.Minute // an announced upgrade that takes longer is a loss
	staleAfter    = 3               // intervals
	onceGone      = 10 * time.Minute
	cronGone      = 25 * time.Hour // a check without an interval that another revision no longer names
)

// box is one agent. The fleet's goroutine owns all but view.
type box struct {
	enrolled enrol.Agent
	session  presence.Entry
	pulse    Pulse
	checks   map[string]*tally
	results  uint64
	through  uint64         // stream sequence up to which this box has taken everything
	dirty    bool           // since it was saved
	news     []*CheckStatus // what subscribers are to be told when the view has it

	samples      map[sampleKey]Sample // not saved: the next ones come within seconds
	shownSamples []Sample             // sampleList's, nil = to be made
	moreSamples  bool                 // some names are left out

	view atomic.Pointer[view] // replaced whole
}

// tally is one check: what is shown, and where its last result lies.
type tally struct {
	Status   CheckStatus `json:"status"`
	Message  uint64      `json:"message"`  // stream sequence of the batch with the last result
	Revision uint64      `json:"revision"` // of desired state that result was made under
}

// view is a box as readers see it; never changed once it is there.
type view struct {
	agent  Agent
	facts  Facts
	checks []*tally // worst first, then by name

	samples     []Sample // by input and name
	moreSamples bool
}

// show makes the box's view anew, and then tells subscribers what is different: who hears of a change finds it in the view. Owner.
func (f *Fleet) show(b *box) {
	v := f.render(b)
	was := b.view.Swap(v)
	for _, status := range b.news {
		f.emit(Change{Kind: CheckChanged, Fingerprint: v.agent.Fingerprint, Check: status})
	}
	b.news = nil
	if was == nil || !alike(was.agent, v.agent) {
		f.emit(Change{Kind: AgentChanged, Fingerprint: v.agent.Fingerprint, Agent: &v.agent})
	}
}

// render is the box as readers shall see it. Owner.
func (f *Fleet) render(b *box) *view {
	v := &view{agent: b.describe(time.Now()), facts: b.session.Facts, checks: make([]*tally, 0, len(b.checks)),
		samples: b.sampleList(), moreSamples: b.moreSamples}
	for _, t := range b.checks {
		v.checks = append(v.checks, t)
		v.agent.count(t.Status.State)
	}
	slices.SortFunc(v.checks, func(x, y *tally) int {
		return cmp.Or(severity(y.Status.State)-severity(x.Status.State), cmp.Compare(x.Status.Check, y.Status.Check))
	})
	if f.wanted != nil {
		v.agent.WantedRevision = f.wanted(v.agent)
	}
	if f.offer != nil {
		v.agent.Offer = f.offer(v.agent, v.facts)
	}
	return v
}

// count takes one check's state into the agent's.
func (a *Agent) count(state string) {
	switch state {
	case "OK":
		a.Counts.OK++
	case "WARNING":
		a.Counts.Warning++
	case "CRITICAL":
		a.Counts.Critical++
	default:
		a.Counts.Unknown++
	}
	if severity(state) > severity(a.State) {
		a.State = state
	}
}

// alike compares agents but for what changes with every sign of life.
func alike(a, b Agent) bool {
	for _, x := range []*Agent{&a, &b} {
		x.LastSeen, x.Results, x.ClockOffsetMS = Time{}, 0, 0
		x.RTTMS = float64(min(1, int(x.RTTMS*1e6))) // that it was measured, not what
	}
	return reflect.DeepEqual(a, b)
}

// describe is the agent without its checks.
func (b *box) describe(now time.Time) Agent {
	a := AgentOf(b.enrolled, b.session)
	a.Results = b.results
	if a.Presence == Upgrading && !b.session.Live() && now.Sub(a.Since.Time) > upgradeWithin {
		a.Presence, a.Cause, a.Since = Offline, presence.Lost, journal.At(a.Since.Add(upgradeWithin))
	}
	if b.session.Live() && b.pulse.Session == b.session.Session {
		a.RTTMS, a.ClockOffsetMS = b.pulse.RTTMS, b.pulse.ClockOffsetMS
	}
	if b.pulse.Seen.After(a.LastSeen.Time) {
		a.LastSeen = b.pulse.Seen
	}
	return a
}

// AgentOf is what is known of an agent from its admission and its last session (zero = none yet).
func AgentOf(known enrol.Agent, e presence.Entry) Agent {
	return WithSession(Agent{Fingerprint: known.Fingerprint, Enrolled: known.Enrolled, ClonedFrom: known.ClonedFrom, EphemeralMS: known.EphemeralMS}, e)
}

// WithSession is the agent as its last session has it.
func WithSession(a Agent, e presence.Entry) Agent {
	a.Name = NameOf(a.Fingerprint, e.Facts.Hostname, a.ClonedFrom)
	a.Hostname, a.Addresses, a.OS, a.Arch = e.Facts.Hostname, list(e.Facts.Addresses), e.Facts.OS, e.Facts.Arch
	a.Trust = e.Facts.Trust
	a.Platform, a.Kernel, a.Tags = e.Facts.Platform, e.Facts.Kernel, list(e.Facts.Tags)
	a.CoreVersion, a.CoreHash, a.StubVersion = e.Facts.CoreVersion, e.Facts.CoreHash, e.Facts.StubVersion
	a.Development, a.Update = e.Facts.Development, updateOf(e.Facts.More)
	a.Presence, a.Cause, a.Since, a.LastSeen = Presence(cmp.Or(e.State, presence.Offline)), e.Cause, e.Since, e.Since
	a.Revision, a.RevisionProblems, a.RejectedAt, a.TLS = e.Revision, list(e.Problems), e.RejectedAt, e.TLS
	return a
}

// NameOf is what to call an agent: its hostname, or the beginning of its fingerprint where it has said none. A copy has the hostname of what it
// was copied from as a rule: it is called by both.
func NameOf(fingerprint, hostname, clonedFrom string) string {
	if hostname != "" && clonedFrom != "" {
		return hostname + "~" + fingerprint[:min(6, len(fingerprint))]
	}
	return cmp.Or(hostname, fingerprint[:min(12, len(fingerprint))])
}

func list(in []string) []string {
	if in == nil {
		return []string{}
	}
	return in
}

// age goes over the box's checks: which are stale, which are no longer meant to run. Owner.
func (f *Fleet) age(b *box, now time.Time) {
	changed := b.forgetSamples(now) || b.view.Load().agent.Presence == Upgrading
	for name, t := range b.checks {
		quiet := now.Sub(t.Status.Last.Received.Time)
		every := time.Duration(t.Status.EveryMS) * time.Millisecond
		stale := every > 0 && quiet > staleAfter*every
		switch {
		case t.gone(b.session, stale, quiet):
			delete(b.checks, name)
		case stale && !t.Status.Stale:
			next := *t
			next.Status.Stale = true
			b.checks[name] = &next
			b.news = append(b.news, &next.Status)
		default:
			continue
		}
		changed, b.dirty = true, true
	}
	if changed {
		f.show(b)
	}
}

// gone decides that a check is no longer among those the agent runs. An agent that lists what it runs is believed once the check's
// last result is from an older revision or the check keeps quiet: a new check's first result may come before the list that names it.
func (t *tally) gone(s presence.Entry, stale bool, quiet time.Duration) bool {
	if s.State != presence.Online {
		return false
	}
	if len(s.Facts.Checks) > 0 && !slices.Contains(s.Facts.Checks, t.Status.Check) {
		once := t.Status.EveryMS == 0 && quiet > onceGone // a plugin that somebody ran who named it
		return stale || once || t.Revision < s.Revision
	}
	if s.Revision == t.Revision {
		return false
	}
	return stale || (t.Status.EveryMS == 0 && quiet > cronGone)
}
