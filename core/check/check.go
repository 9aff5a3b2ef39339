// Package check holds the words every other part speaks: what to run and when (Check), what came of it (Result), and the
// measured values in it (Perfdata) with the parser of a plugin's output. It is a leaf: it runs nothing, keeps nothing, and
// knows no wire format.
package check

import (
	"reflect"
	"time"
)

// State is the outcome of one run, numbered as plugins exit.
type State uint8

// The four states of the Monitoring Plugins development guidelines.
const (
	OK       State = 0
	Warning  State = 1
	Critical State = 2
	Unknown  State = 3
)

// String gives the upper-case word that plugins print: "OK", "WARNING", "CRITICAL" or "UNKNOWN".
func (s State) String() string {
	switch s {
	case OK:
		return "OK"
	case Warning:
		return "WARNING"
	case Critical:
		return "CRITICAL"
	default:
		return "UNKNOWN"
	}
}

// Importance says which checks go first, and which last, when the agent's processor time does not suffice.
type Importance uint8

// The kinds of importance.
const (
	Normal Importance = 0
	Low    Importance = 1 // run less often before others are
	High   Importance = 2 // never run less often
)

// FromExit maps a plugin's exit code to its state; anything beyond 3, or below 0, is Unknown.
func FromExit(code int) State {
	if code >= 0 && code <= 3 {
		return State(code)
	}
	return Unknown
}

// Check says what to run and when. Exactly one of Builtin, Plugin and Command is set.
type Check struct {
	Name    string        // unique on an agent, see ValidName
	Builtin string        // name of a check that comes with the agent ("disk")
	Plugin  string        // file name of a plugin in one of the box's plugin directories ("check_http"), or of the catalog
	Hash    string        // SHA-256 in hex of a plugin of the catalog; empty = one of the box's own
	Args    []string      // as the plugin gets them; the same options for builtins where a plugin of that kind exists
	Every   time.Duration // interval; 0 when Cron is set
	Retry   time.Duration // the interval while a problem is soft; 0 = no other
	Cron    string        // five-field cron expression, optionally with CRON_TZ=; empty when Every is set
	AtStart bool          // it runs within a second after the agent first starts in a boot too; an interval check does so anyway
	Timeout time.Duration // the run's whole process tree ends after it
	// TimeoutState is the state of a run that the deadline ended; OK, which cannot be meant, stands for Unknown.
	TimeoutState State
	Attempts     int               // results in a row that make a problem a hard one; 0 = DefaultAttempts
	Flap         Flap              // when its changes count as flapping
	Importance   Importance        // when the agent has no processor time left for all
	User         string            // whom a plugin or Command runs as, "" = as the box has it
	Dir          string            // a plugin's working directory, absolute; "" = the root directory
	Macros       map[string]string // put into a plugin's arguments and environment, by name: see Expand
	Default      bool              // one of the checks that run with no configuration

	// Command is a command line of this box's own, the program's absolute path first. It never comes from a hub, and takes no Args.
	Command []string
	Group   string // its group, "" = the user's
}

// Equal says whether two checks are the same in every respect.
func (c Check) Equal(d Check) bool { return reflect.DeepEqual(c.bare(), d.bare()) }

// bare has nil for what is empty, so that comparing means what it says.
func (c Check) bare() Check {
	if len(c.Args) == 0 {
		c.Args = nil
	}
	if len(c.Command) == 0 {
		c.Command = nil
	}
	if len(c.Macros) == 0 {
		c.Macros = nil
	}
	return c
}

// Trigger says why a run happened.
type Trigger uint8

// Why a run happened.
const (
	Scheduled Trigger = 0
	Manual    Trigger = 1 // somebody pressed "run"
)

// Result is the outcome of one run.
type Result struct {
	Check     string
	State     State
	Text      string     // first line, without perfdata
	Long      string     // what followed it, without perfdata
	Perfdata  []Perfdata // in the order printed
	Due       time.Time  // when the schedule wanted it; zero for a manual run
	Start     time.Time  // wall time
	Duration  time.Duration
	Exit      int    // the plugin's exit code; -1 when it was killed or never started
	Signal    string // name of the signal that ended it, or ""
	TimedOut  bool   // ended by its deadline
	Truncated bool   // output was longer than the limit and was cut
	Trigger   Trigger
	Standing  Standing // where this result puts its check; zero where nobody keeps count
	Problems  []string // what the agent could not read or had to do, for people ("perfdata label x: bad value")
}

// Perfdata is one value of a plugin's performance data:
//
//	'label'=value[UOM];[warn];[crit];[min];[max]
type Perfdata struct {
	Label    string
	Value    float64 // NaN when the plugin said U (could not be measured)
	Unit     string  // as printed: "", "s", "ms", "%", "B", "KB", "c", ...
	Warn     string  // a range of the guidelines as printed, or ""
	Crit     string
	Min, Max float64 // NaN when absent
}
