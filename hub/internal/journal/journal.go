// Package journal is the hub's log for people: what came, left, changed and broke. It defines one entry and writes entries to
// the EVENTS stream; the fleet reads them back. An entry with a key is written once, however often and by however many hubs
// it is written.
package journal

import (
	"fmt"
	"time"
)

// What an entry is about.
const (
	Enrolled  = "enrolled"
	Forgotten = "forgotten"
	Removed   = "removed" // an ephemeral agent was taken out of the fleet
	Came      = "came"
	Left      = "left"
	State     = "state"    // a check changed its state
	Gap       = "gap"      // results are lost, and the agent says so
	LostRun   = "lost-run" // a kill cut a run off
	Agent     = "agent"    // the agent's own event
	Warning   = "warning"  // the hub noticed something about an agent
	Upgrade   = "upgrade"  // a core came beside another, took over, or left the other alone
	Rollout   = "rollout"  // the rollout of a release was stopped or resumed
	Desired   = "desired"  // desired state was applied, taken or rejected
)

// Time is a moment as the HTTP interface shows it: RFC 3339, milliseconds, UTC; null when zero.
type Time struct{ time.Time }

// timeLayout is RFC 3339 with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// At is t as the interface shows it: in UTC, whole milliseconds, without a monotonic part.
func At(t time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	return Time{t.UTC().Truncate(time.Millisecond)}
}

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.UTC().Format(timeLayout) + `"`), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(data []byte) error {
	s := string(data)
	if s == "null" || s == `""` {
		*t = Time{}
		return nil
	}
	at, err := time.Parse(`"`+time.RFC3339Nano+`"`, s)
	if err != nil {
		return fmt.Errorf("read time %s: %w", s, err)
	}
	*t = At(at)
	return nil
}

// Event is one entry.
type Event struct {
	ID          string            `json:"id"` // sequence in the EVENTS stream; rises, with holes
	At          Time              `json:"at"`
	Kind        string            `json:"kind"`
	Fingerprint string            `json:"fingerprint,omitempty"` // "" when it is about no agent
	Hostname    string            `json:"hostname,omitempty"`
	Check       string            `json:"check,omitempty"`
	State       string            `json:"state,omitempty"` // of a "state" entry: the new one
	Was         string            `json:"was,omitempty"`   // of a "state" entry: the old one, "" for a check's first result
	Cause       string            `json:"cause,omitempty"` // of "left": as in presence; of "gap": why; of "rollout": "stopped" or "resumed"
	Text        string            `json:"text"`            // one line for people
	Attributes  map[string]string `json:"attributes,omitempty"`
}
