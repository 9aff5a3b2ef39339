// Package desired holds what every agent shall run: one YAML document (docs/checks.md), read strictly, and the part of it
// that is meant for each agent, as a numbered revision.
//
// Parse is pure: bytes in, a Document or all that is wrong with it out. Document.For is pure too: the same document and the
// same facts give the same part. Store owns what is kept on the bus (the document as it was applied, and which revision number
// stands for what at which agent) and tells whoever waits that something changed. The package knows nothing of sessions: the
// gateway asks it and pushes.
package desired

import (
	"fmt"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/check/collector"
)

// Limits of one document. They are checked before anything is built from it.
const (
	MaxText     = 1 << 20          // bytes of YAML; a thousand checks take about 200 KiB
	maxChecks   = 10_000           // entries of one document
	maxArgs     = 64               // arguments of one check
	maxArg      = 4096             // bytes of one argument
	maxList     = 256              // entries of `disable` and of each list in `on`
	maxWord     = 255              // bytes of a tag, a pattern, a plugin's file name
	maxPart     = 1 << 20          // bytes of all compiled checks together: an agent's part always fits into one frame
	maxProblems = 50               // what a person can read; the rest is counted
	maxName     = 64               // characters of a check's name
	minEvery    = time.Second      // more often is a collector's work
	maxEvery    = 24 * time.Hour   // longer wants cron
	minTimeout  = time.Second      // shorter than most plugins take to start on a busy box
	maxTimeout  = 10 * time.Minute // a run holds one slot of the agent for so long
)

// What holds where an entry says nothing.
const (
	DefaultEvery   = time.Minute
	DefaultTimeout = 30 * time.Second
)

// Document is a checks.yaml that holds no mistakes.
type Document struct {
	Defaults bool     // the checks that run with no configuration
	Disable  []string // of those, the ones not to run
	Entries  []Entry  // in the order of the text

	Collectors []Collector // in the order of the text
	Inputs     Inputs
	CPU        int // percent of one processor that an agent with its plugins may take, 0 = its own default
}

// Entry is one item of `checks`.
type Entry struct {
	Name    string
	Builtin string // exactly one of Builtin and Plugin is set
	Plugin  string
	Args    []string
	Every   time.Duration // 0 when Cron is set
	Cron    string
	Timeout time.Duration
	Judge   Judge
	User    string // whom a plugin runs as, "" = as the box has it
	Dir     string
	Macros  map[string]string
	AtStart bool

	Importance check.Importance
	On         *On // nil: every agent
	Line       int // where the entry starts in the text
}

// Judge says what is made of an entry's results.
type Judge struct {
	Attempts     int // 0 = 1
	Retry        time.Duration
	TimeoutState check.State // OK = UNKNOWN
	Flap         check.Flap
}

// Collector is one item of `collectors`: what it shall be, and for whom.
type Collector struct {
	collector.Spec
	On   *On
	Line int
}

// Inputs are the ports of the agents' loopback inputs, 0 = off.
type Inputs struct {
	Graphite, StatsD uint32
	On               *On
}

// On says which agents are meant: every list that is not nil has to hold one entry that fits.
type On struct {
	Tags         []string
	Hosts        []string // patterns with * and ?
	Fingerprints []string // prefixes in lower case
	OS           []string
}

// Problem is one mistake in a document, with the place a person has to look at. Line and Column count from 1; Column 0
// means the whole line.
type Problem struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
}

// String gives "7:5: unknown key …", to be put behind a file name.
func (p Problem) String() string {
	if p.Column == 0 {
		return fmt.Sprintf("%d: %s", p.Line, p.Text)
	}
	return fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Text)
}

// Invalid is the error of a document that was not applied. It holds at least one problem, in the order of the text.
type Invalid struct {
	Problems []Problem
}

// Error names the first problem and how many more there are.
func (e *Invalid) Error() string {
	var b strings.Builder
	b.WriteString(e.Problems[0].String())
	if n := len(e.Problems) - 1; n > 0 {
		fmt.Fprintf(&b, " (and %d more)", n)
	}
	return b.String()
}
