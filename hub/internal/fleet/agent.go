package fleet

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// Time is a moment as the HTTP interface shows it.
type Time = journal.Time

// Event is one entry of the log.
type Event = journal.Event

// Presence says whether an agent has a session on a live hub.
type Presence string

// The values of Presence.
const (
	Online    Presence = "online"
	Upgrading Presence = "upgrading" // it said so before it closed; a minute or so is expected
	Offline   Presence = "offline"
)

// Counts says how many checks are in each state.
type Counts struct {
	OK       int `json:"ok"`
	Warning  int `json:"warning"`
	Critical int `json:"critical"`
	Unknown  int `json:"unknown"`
}

// Facts is what an agent says of its box, as in its last session.
type Facts = presence.Facts

// Agent is one agent as the hub shows it. Values handed out are never changed again and may be shared; nobody writes to them.
type Agent struct {
	Fingerprint      string   `json:"fingerprint"` // SHA-256 of the public key, hex
	Name             string   `json:"name"`        // what to call it: the hostname, else the first 12 of the fingerprint
	Hostname         string   `json:"hostname"`
	Addresses        []string `json:"addresses"`
	OS               string   `json:"os"`
	Arch             string   `json:"arch"`
	Platform         string   `json:"platform"`
	Kernel           string   `json:"kernel"`
	Tags             []string `json:"tags"`
	Trust            string   `json:"trust"` // whose word starts programs there: "hub", or "signed" for the site's offline keys alone
	Presence         Presence `json:"presence"`
	Cause            string   `json:"cause"`     // why it is not online, "" when it is
	Since            Time     `json:"since"`     // of presence and cause
	LastSeen         Time     `json:"last_seen"` // last sign of life; every few seconds while online
	CoreVersion      string   `json:"core_version"`
	CoreHash         string   `json:"core_hash"`
	StubVersion      string   `json:"stub_version"`
	Revision         uint64   `json:"revision"`          // what it runs
	WantedRevision   uint64   `json:"wanted_revision"`   // what is meant for it
	RevisionProblems []string `json:"revision_problems"` // why it rejected what was meant for it
	RejectedAt       Time     `json:"rejected_at"`       // when
	TLS              string   `json:"tls"`               // "bound", or "terminated" behind a balancer
	RTTMS            float64  `json:"rtt_ms"`            // 0 = not measured yet
	ClockOffsetMS    float64  `json:"clock_offset_ms"`   // agent's clock minus the hub's
	Enrolled         Time     `json:"enrolled"`
	ClonedFrom       string   `json:"cloned_from"`
	EphemeralMS      int64    `json:"ephemeral_ms"` // 0 = it stays; else it is taken out of the fleet when its host goes down, or so long after it vanished
	Development      bool     `json:"development"`
	State            string   `json:"state"` // the worst of its checks, "" without any
	Counts           Counts   `json:"counts"`
	Results          uint64   `json:"results"` // how many ever came
	Offer            Offer    `json:"offer"`
	Update           Update   `json:"update"`
}

// Update is how the last release that an agent staged came to it, and what that cost on the wire, as the agent says.
type Update struct {
	Version string `json:"version"` // "" = it has not said
	As      string `json:"as"`      // "delta", "packed", "full" or "here"
	Codec   string `json:"codec"`   // of the first two
	Bytes   uint64 `json:"bytes"`   // on the wire
	Of      uint64 `json:"of"`      // bytes of the core
}

// updateOf takes an update from the facts (docs/stub-contract.md, status keys).
func updateOf(more map[string]string) Update {
	u := Update{Version: more["came"], As: more["came_as"], Codec: more["came_codec"]}
	u.Bytes, _ = strconv.ParseUint(more["came_bytes"], 10, 64)
	u.Of, _ = strconv.ParseUint(more["came_of"], 10, 64)
	return u
}

// String is the update in one line for people, "" for none.
func (u Update) String() string {
	if u.Version == "" {
		return ""
	}
	text := u.Version + " cost " + strconv.FormatUint(u.Bytes, 10) + " bytes (" + strings.TrimSpace(u.As+" "+u.Codec) + ")"
	if u.Of > 0 {
		text += " of " + strconv.FormatUint(u.Of, 10)
	}
	return text
}

// Offer is the release meant for an agent: the newest of its channel that the hub's repository lists.
type Offer struct {
	Channel string `json:"channel"`
	Version string `json:"version"` // "" = none is listed
	Hash    string `json:"hash"`    // SHA-256 of the core, hex
	Counter uint64 `json:"counter"`
	Phase   string `json:"phase"`  // what the agent is doing about it, in its own word
	Why     string `json:"why"`    // why it does not run it, one line; "" when it does
	Cohort  int    `json:"cohort"` // its place in the release's waves, 0 to 9,999
	Opens   Time   `json:"opens"`  // when its wave opens; zero = there are no waves, or none that it is in
}

// Detail is an agent with everything known of it, as GET /api/v1/agents/A shows it. Checks are worst first, then by name,
// without long output.
type Detail struct {
	Agent
	Checks []CheckStatus `json:"checks"`
	Facts  Facts         `json:"facts"`
}

// CheckStatus is what is known of one check of one agent.
type CheckStatus struct {
	Check   string `json:"check"`
	Plugin  string `json:"plugin"` // what ran: "builtin:disk", "check_http"
	State   string `json:"state"`
	Text    string `json:"text"`
	Since   Time   `json:"since"` // when it came into this state, by the agent's clock
	Last    Result `json:"last"`
	EveryMS int64  `json:"every_ms"` // 0 = cron
	Stale   bool   `json:"stale"`    // nothing for three intervals
}

// Number is a float64 whose JSON is null when it is no number or infinite.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, f, 'g', -1, 64), nil
}

// UnmarshalJSON implements json.Unmarshaler; null becomes NaN.
func (n *Number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	f, err := strconv.ParseFloat(string(data), 64)
	*n = Number(f)
	return err
}

// Perfdata is one measured value of a result.
type Perfdata struct {
	Label string `json:"label"`
	Value Number `json:"value"` // null = could not be measured
	Unit  string `json:"unit"`
	Warn  string `json:"warn"`
	Crit  string `json:"crit"`
	Min   Number `json:"min"` // null = none
	Max   Number `json:"max"` // null = none
}

// Result is the outcome of one run.
type Result struct {
	Check      string     `json:"check"`
	State      string     `json:"state"` // "OK", "WARNING", "CRITICAL", "UNKNOWN"
	Text       string     `json:"text"`
	Long       string     `json:"long,omitempty"` // only where a method says so
	Perfdata   []Perfdata `json:"perfdata"`
	Start      Time       `json:"start"` // by the agent's clock
	Due        Time       `json:"due,omitzero"`
	DurationMS float64    `json:"duration_ms"`
	Exit       int        `json:"exit"`
	Signal     string     `json:"signal"`
	TimedOut   bool       `json:"timed_out"`
	Truncated  bool       `json:"truncated"`
	Trigger    string     `json:"trigger"` // "scheduled" or "manual"
	Problems   []string   `json:"problems"`
	Standing   *Standing  `json:"standing,omitempty"` // absent from an agent that does not keep count
	Epoch      uint64     `json:"epoch,string"`       // 64 bits: a string in JSON
	Seq        uint64     `json:"seq"`
	Received   Time       `json:"received"` // by the hub's clock
}

// Standing is where a result put its check, as the agent counts (docs/checks.md).
type Standing struct {
	Attempt     int     `json:"attempt"`
	Attempts    int     `json:"attempts"`
	Hard        bool    `json:"hard"`
	HardState   string  `json:"hard_state"`
	Since       Time    `json:"since"` // of the state
	HardSince   Time    `json:"hard_since,omitzero"`
	Flapping    bool    `json:"flapping"`
	FlapPercent float64 `json:"flap_percent"`
	RetryMS     int64   `json:"retry_ms,omitempty"` // the interval while a problem is soft
}

// Words says what a person should know of it beside the state, "" = nothing.
func (s *Standing) Words() string {
	if s == nil {
		return ""
	}
	var words []string
	if !s.Hard {
		words = append(words, fmt.Sprintf("soft %d/%d", s.Attempt, s.Attempts))
		if s.RetryMS > 0 {
			words = append(words, "again every "+(time.Duration(s.RetryMS)*time.Millisecond).String())
		}
	}
	if s.Flapping {
		words = append(words, fmt.Sprintf("flapping (%.0f %%)", s.FlapPercent))
	}
	return strings.Join(words, ", ")
}

func standingOf(r *wire.Result) *Standing {
	w := r.GetStanding()
	if w == nil {
		return nil
	}
	s := &Standing{
		Attempt: int(min(w.GetAttempt(), check.MaxAttempts)), Attempts: int(min(w.GetAttempts(), check.MaxAttempts)), Hard: w.GetHard(),
		HardState: check.FromExit(int(w.GetHardState())).String(), Since: journal.At(time.Unix(0, w.GetSinceNs())),
		Flapping: w.GetFlapping(), RetryMS: int64(w.GetRetryMs()),
	}
	if p := float64(w.GetFlapPercent()); p >= 0 && p <= 100 { // else it is nothing that could be shown, or written as JSON
		s.FlapPercent = p
	}
	if ns := w.GetHardSinceNs(); ns != 0 {
		s.HardSince = journal.At(time.Unix(0, ns))
	}
	return s
}

// Series is what the stream still holds of one check's values, oldest first.
type Series struct {
	Check  string        `json:"check"`
	Labels []SeriesLabel `json:"labels"`
	States []StatePoint  `json:"states"`
}

// SeriesLabel is one line of a plot, at most 1,000 points: where there were more, each point is the mean of its share of time.
type SeriesLabel struct {
	Label  string  `json:"label"`
	Unit   string  `json:"unit"`
	Warn   string  `json:"warn"` // of the newest result
	Crit   string  `json:"crit"`
	Points []Point `json:"points"`
}

// Point is a moment (Unix milliseconds, the run's start) and a value: [ms, value] in JSON.
type Point [2]Number

// StatePoint is a moment (Unix milliseconds) and the state entered then, as a number: [ms, state] in JSON. One for each change
// and one for the newest result.
type StatePoint [2]int64
