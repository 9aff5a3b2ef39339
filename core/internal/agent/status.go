package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/input"
)

// Status is what the core says of itself to the box's people: the value of "core" in `limpet status --json`. Times are RFC 3339.
type Status struct {
	Version     string        `json:"version"`
	Fingerprint string        `json:"fingerprint"`
	Hostname    string        `json:"hostname"`
	Trust       string        `json:"trust"`
	Revision    uint64        `json:"revision"`   // 0 = the default checks alone
	Problems    []string      `json:"problems"`   // what hinders, one line each: rejected revision, box file, full disk
	Notes       []string      `json:"notes"`      // what the owner should know although it is no fault
	TimeFloor   *time.Time    `json:"time_floor"` // a time that is surely past, as the stub has proof of; null = none
	Hub         HubStatus     `json:"hub"`
	Buffer      BufferStatus  `json:"buffer"`
	Schedule    Lag           `json:"schedule"`
	Checks      []CheckStatus `json:"checks"` // worst first, then by name

	Collectors []CollectorStatus `json:"collectors"` // by name
	Inputs     []InputStatus     `json:"inputs"`     // those that are on
}

// HubStatus is the session.
type HubStatus struct {
	URL     string    `json:"url"`
	State   string    `json:"state"` // "connected", "connecting", "refused", "waiting"
	Since   time.Time `json:"since"`
	Address string    `json:"address"` // of the hub, as dialled
	Rung    string    `json:"rung"`    // of the DNS ladder
	TLS     string    `json:"tls"`     // "bound" or "terminated"
	Name    string    `json:"name"`    // how the hub shows this agent
	RTTMS   float64   `json:"rtt_ms"`
	OffMS   float64   `json:"clock_offset_ms"` // this clock minus the hub's
	Error   string    `json:"error"`
	Hint    string    `json:"hint"`
	Console string    `json:"console_url"`
}

// BufferStatus is what waits on disk.
type BufferStatus struct {
	Pending     uint64 `json:"pending"` // records that the hub does not have yet
	Bytes       int64  `json:"bytes"`   // on disk
	Generations int    `json:"generations"`
	Foreign     int    `json:"foreign"` // generations of a former core that still ends its runs
	Held        int    `json:"held"`    // in memory: the disk takes no files
	Error       string `json:"error"`
}

// Lag is how the schedule keeps up.
type Lag struct {
	Checks  int     `json:"checks"`
	Running int     `json:"running"`
	Queued  int     `json:"queued"`
	Skipped uint64  `json:"skipped"`
	Shed    uint64  `json:"shed"` // slots passed over for want of processor time
	Runs    uint64  `json:"runs"` // since the core started
	P50MS   float64 `json:"lag_p50_ms"`
	P99MS   float64 `json:"lag_p99_ms"`
	MaxMS   float64 `json:"lag_max_ms"`
}

// CheckStatus is one check's last result.
type CheckStatus struct {
	Name    string     `json:"name"`
	Runs    string     `json:"runs"`  // "builtin:disk", "check_http"
	State   string     `json:"state"` // "" before its first run
	Text    string     `json:"text"`
	Last    *time.Time `json:"last"`
	Next    *time.Time `json:"next"`
	Running bool       `json:"running"`
	// Attempt of Attempts: a problem is soft before the last of them. Attempt is 0 before the first result.
	Attempt  int        `json:"attempt"`
	Attempts int        `json:"attempts"`
	Hard     bool       `json:"hard"`
	Since    *time.Time `json:"since"` // start of the first result in this state
	Flapping bool       `json:"flapping"`
	Percent  float64    `json:"flap_percent"`
	Skipped  uint64     `json:"skipped"` // slots that passed while it ran or waited
	Shed     uint64     `json:"shed"`    // slots passed over for want of processor time
}

func (c *CheckStatus) stand(s check.Standing) {
	c.Attempt, c.Attempts, c.Hard, c.Flapping, c.Percent = s.Attempt, s.Attempts, s.IsHard(), s.Flapping, s.Percent
	if !s.Since.IsZero() {
		c.Since = &s.Since
	}
}

// standing is what a person should know beside the state, in a word or two.
func (c CheckStatus) standing() string {
	var words []string
	if c.Attempt > 0 && !c.Hard {
		words = append(words, fmt.Sprintf("soft %d/%d", c.Attempt, c.Attempts))
	}
	if c.Flapping {
		words = append(words, "flapping")
	}
	return strings.Join(words, ", ")
}

// PartQuestion is what the local socket answers with a status that Fits.
const PartQuestion = "status-part"

// maxPart is what a stub takes of a core's status, less than its 256 KiB.
const maxPart = 250 << 10

// Fit leaves out of the checks, the last of which are the least of a worry, what a stub would not take, says so in a note, and returns the status as JSON.
// As text it is shorter.
func (s *Status) Fit() []byte { return s.fit(maxPart) }

func (s *Status) fit(limit int) []byte {
	for all := len(s.Checks); ; {
		data, err := json.Marshal(s)
		if err != nil || len(data) <= limit || len(s.Checks) == 0 {
			return data
		}
		s.Checks = s.Checks[:min(len(s.Checks)*limit/len(data), len(s.Checks)-1)]
		if left := all - len(s.Checks); len(s.Notes) > 0 && strings.HasSuffix(s.Notes[len(s.Notes)-1], leftOut) {
			s.Notes[len(s.Notes)-1] = fmt.Sprint(left) + leftOut
		} else {
			s.Notes = append(s.Notes, fmt.Sprint(left)+leftOut)
		}
	}
}

const leftOut = " checks more are not shown here: the hub shows all"

// Print writes the status for a person, behind what the stub said. now is for the ages. Nothing that a plugin, a collector or a hub said reaches the terminal
// as a control sequence.
func (s Status) Print(w io.Writer, now time.Time) {
	var text strings.Builder
	s.print(&text, now)
	_, _ = io.WriteString(w, check.Shown(text.String())) // a reader that went away
}

func (s Status) print(w io.Writer, now time.Time) {
	fmt.Fprintf(w, "agent     %s  (%s)\n", short(s.Fingerprint), s.Hostname)
	s.Hub.print(w, now)
	fmt.Fprintf(w, "results   %s\n", s.Buffer.line())
	fmt.Fprintf(w, "checks    %s\n", s.summary())
	for _, p := range s.Problems {
		fmt.Fprintf(w, "problem   %s\n", p)
	}
	for _, n := range s.Notes {
		fmt.Fprintf(w, "note      %s\n", n)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range s.Checks {
		state := c.State
		if state == "" {
			state = "-"
		}
		if word := c.standing(); word != "" {
			state += " (" + word + ")"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", state, c.Name, c.age(now), c.Text)
	}
	t.Flush()
	for _, c := range s.Collectors {
		c.print(w, now)
	}
	for _, i := range s.Inputs {
		fmt.Fprintf(w, "input     %s\n", input.State(i))
	}
}

// InputStatus is one loopback input.
type InputStatus struct {
	Kind        string `json:"kind"` // "graphite", "statsd"
	Address     string `json:"address"`
	Problem     string `json:"problem"` // why it does not listen
	Samples     uint64 `json:"samples"` // since the core's start
	Refused     uint64 `json:"refused"` // lines that are none
	Dropped     uint64 `json:"dropped"` // could not be kept
	Connections int    `json:"connections"`
}

// print writes a collector in one line, and a second one where a newer configuration was refused.
func (c CollectorStatus) print(w io.Writer, now time.Time) {
	fmt.Fprintf(w, "collector %s  %s, %s for %s", c.Name, c.Kind, c.State, age(now.Sub(c.Since)))
	if c.PID != 0 {
		fmt.Fprintf(w, ", process %d", c.PID)
	}
	if c.Restarts > 0 {
		fmt.Fprintf(w, ", started again %d times", c.Restarts)
	}
	fmt.Fprintln(w)
	if c.Text != "" {
		fmt.Fprintf(w, "          %s\n", c.Text)
	}
	if c.Refused != "" {
		fmt.Fprintf(w, "          newer configuration refused: %s\n", c.Refused)
	}
	if c.State != "running" {
		fmt.Fprintf(w, "          its log is %s\n", c.Log)
	}
}

func (h HubStatus) print(w io.Writer, now time.Time) {
	line := h.State
	if h.State == "connected" {
		line += fmt.Sprintf(" for %s", age(now.Sub(h.Since)))
		if h.RTTMS > 0 {
			line += fmt.Sprintf(", %.1f ms away", h.RTTMS)
		}
		if h.TLS == "terminated" {
			line += ", TLS ends at a balancer"
		}
		if h.Rung != "" && h.Rung != "resolver" {
			line += ", found by " + h.Rung
		}
	}
	fmt.Fprintf(w, "hub       %s  %s\n", h.URL, line)
	if h.Error != "" {
		fmt.Fprintf(w, "          %s\n", h.Error)
	}
	if h.Hint != "" {
		fmt.Fprintf(w, "          %s\n", h.Hint)
	}
}

func (b BufferStatus) line() string {
	line := "all at the hub"
	if b.Pending > 0 {
		line = fmt.Sprintf("%d kept on disk until the hub has them", b.Pending)
	}
	line += fmt.Sprintf(" (%d kB on disk)", (b.Bytes+1023)/1024)
	if b.Held > 0 {
		line += fmt.Sprintf("; %d in memory alone", b.Held)
	}
	if b.Error != "" {
		line += "; " + b.Error
	}
	return line
}

func (s Status) summary() string {
	counts := map[string]int{}
	for _, c := range s.Checks {
		counts[c.State]++
	}
	parts := []string{fmt.Sprint(max(len(s.Checks), s.Schedule.Checks))}
	for _, state := range []string{"CRITICAL", "WARNING", "UNKNOWN", "OK"} {
		if n := counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if n := counts[""]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d not run yet", n))
	}
	line := strings.Join(parts, ", ")
	if s.Revision == 0 {
		return line + "; the defaults"
	}
	return line + fmt.Sprintf("; revision %d", s.Revision)
}

func (c CheckStatus) age(now time.Time) string {
	if c.Last == nil {
		return ""
	}
	return age(now.Sub(*c.Last)) + " ago"
}

func age(d time.Duration) string {
	switch {
	case d < time.Second:
		return "0s"
	case d < time.Hour:
		return d.Truncate(time.Second).String()
	default:
		return d.Truncate(time.Minute).String()
	}
}

func short(fingerprint string) string { return fingerprint[:min(16, len(fingerprint))] }
