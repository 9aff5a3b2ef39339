// Package trouble says what is wrong now, worst first: the one list that the console's first page, the HTTP interface and the
// command line show. It decides over values of the fleet and keeps nothing.
package trouble

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
)

// Lost is the State of a problem that is an agent whose line broke without a word, rather than a check.
const Lost = "LOST"

// Problem is one thing that is wrong.
type Problem struct {
	Fingerprint string     `json:"fingerprint"`
	Name        string     `json:"name"`  // of the agent
	Check       string     `json:"check"` // "" when it is the agent
	State       string     `json:"state"` // Lost, "CRITICAL", "WARNING" or "UNKNOWN"
	Text        string     `json:"text"`
	Since       fleet.Time `json:"since"`
}

// Fleet is what List reads.
type Fleet interface {
	Agents() []fleet.Agent
	Agent(fingerprint string) (fleet.Detail, error)
}

// List is everything that is wrong: lost agents, then checks, worst first; of the same kind the newest first. An agent that
// is away as planned has no problems, and of a lost one only that is said. A check that has gone silent counts as UNKNOWN
// whatever it said last. An agent that rejected what is meant for it is a warning: it runs on with what it had. So
// is a collector whose newer configuration is refused; one that does not run is critical.
func List(f Fleet) []Problem {
	problems := []Problem{}
	for _, a := range f.Agents() {
		switch {
		case IsLost(a):
			problems = append(problems, Problem{
				Fingerprint: a.Fingerprint, Name: a.Name, State: Lost, Since: a.Since,
				Text: "The line broke off without a word, and the agent has not come back.",
			})
		case a.Presence == fleet.Offline:
		default:
			if !a.RejectedAt.IsZero() {
				problems = append(problems, Problem{
					Fingerprint: a.Fingerprint, Name: a.Name, State: "WARNING", Since: a.RejectedAt,
					Text: "It rejected what is meant for it and runs on with what it had: " + strings.Join(a.RevisionProblems, "; "),
				})
			}
			if d, err := f.Agent(a.Fingerprint); err == nil { // else it was forgotten just now
				problems = append(append(problems, ofChecks(d)...), ofCollectors(d)...)
			}
		}
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(Severity(a.State)-Severity(b.State), b.Since.Compare(a.Since.Time), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Check, b.Check))
	})
	return problems
}

func ofChecks(d fleet.Detail) []Problem {
	var problems []Problem
	for _, c := range d.Checks {
		p := Problem{Fingerprint: d.Fingerprint, Name: d.Name, Check: c.Check, State: c.State, Text: c.Text, Since: c.Since}
		switch {
		case c.Stale:
			p.State, p.Since = "UNKNOWN", c.Last.Received
			p.Text = "No result for three intervals; the last one said " + c.State + ": " + c.Text
		case c.State == "OK":
			continue
		}
		problems = append(problems, p)
	}
	return problems
}

func ofCollectors(d fleet.Detail) []Problem {
	var problems []Problem
	for _, c := range d.Facts.Collectors {
		p := Problem{Fingerprint: d.Fingerprint, Name: d.Name, Since: c.Since}
		switch {
		case c.State == "waiting" || c.State == "failed":
			p.State, p.Text = "CRITICAL", fmt.Sprintf("The collector %s does not run: %s", c.Name, c.Text)
		case c.Refused != "":
			p.State, p.Text = "WARNING", fmt.Sprintf("The collector %s runs on with its former configuration: %s", c.Name, c.Refused)
		default:
			continue
		}
		problems = append(problems, p)
	}
	return problems
}

// IsLost says whether an agent is away without having said why.
func IsLost(a fleet.Agent) bool {
	return a.Presence == fleet.Offline && a.Cause == "lost"
}

// Severity orders states for people: 0 is the worst.
func Severity(state string) int {
	switch state {
	case Lost:
		return 0
	case "CRITICAL":
		return 1
	case "WARNING":
		return 2
	case "UNKNOWN":
		return 3
	case "OK":
		return 4
	default:
		return 5
	}
}
