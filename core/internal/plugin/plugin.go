// Package plugin makes one run of one plugin: it starts the program in a session of its own, reads what it prints within
// limits, ends its whole process tree at the deadline, and turns what came of it into a check.Result. Find and List
// answer for the box's plugin directories.
//
// It keeps nothing between runs, decides nothing about when a run is due, and trusts no plugin: a run can take its own time
// and its own output, nothing else. What may run at all is decided in core/internal/config before anything comes here.
package plugin

import (
	"context"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// Limits of one run.
const (
	// MaxOutput bounds what is kept of stdout, and of stderr: large enough for every plugin known, small enough for many at once.
	MaxOutput = 1 << 20
	// Grace is the time between the request to end (SIGTERM) and the end (SIGKILL).
	Grace = 2 * time.Second
	// Linger is how long a plugin's output is waited for after its own exit, while a child of it keeps the pipe open.
	Linger = 200 * time.Millisecond
)

// Output takes what a plugin prints as it comes, at most MaxOutput of each stream. It is called from two goroutines, one a
// stream, never after the run has returned; the data is the callee's to keep. It must not block.
type Output = func(stderr bool, data []byte)

// Spec is one run.
type Spec struct {
	Check   string        // the check's name, told to the plugin as LIMPET_CHECK
	Path    string        // the plugin's file, absolute
	Args    []string      // without the program's name
	Env     []string      // NAME=VALUE, after the clean environment (see Environment) and winning over it
	Dir     string        // working directory, "" = the root directory
	Timeout time.Duration // the process tree ends after it; 0 = check.DefaultTimeout
	Trigger check.Trigger
	Due     time.Time // zero for a manual run
}

// Run runs a plugin and returns when the plugin itself has ended, or its tree has been killed: at the latest Timeout, plus
// Grace, plus a moment. It always returns a result: what hinders a run (no such interpreter, no permission) is a result of
// state Unknown whose text says what to do. Processes the plugin left behind are ended too and named in Problems. When ctx ends, the
// run ends as at its deadline, with Interrupted(result) true. out may be nil.
func Run(ctx context.Context, s Spec, out Output) check.Result {
	panic("written next")
}

// Interrupted says that a result came from a run cut off by its context and not by the plugin or the deadline.
func Interrupted(r check.Result) bool { return r.Signal == SignalInterrupted }

// SignalInterrupted stands in Result.Signal of a run that its context cut off.
const SignalInterrupted = "interrupted"

// Runner runs checks of kind plugin from the box's plugin directories.
type Runner struct {
	Dirs []string // searched in order; see DefaultDirs
	Dir  string   // working directory of the runs, "" = the root directory
	Env  []string // for every run, NAME=VALUE
}

// Run finds c.Plugin and runs it. A plugin that is not there, or that may not run, is a result of state Unknown.
func (r Runner) Run(ctx context.Context, c check.Check, t check.Trigger, due time.Time, out Output) check.Result {
	panic("written next")
}

// DefaultDirs lists the directories where this operating system's packages put Nagios plugins, whether they exist or not.
func DefaultDirs() []string { panic("written next") }

// Find returns the absolute path of the plugin with this bare file name in the first of dirs that has it. It refuses names
// with a path in them and files that others than root and the agent's own user may change; what it returns wraps ErrNotFound when no directory has it.
func Find(dirs []string, name string) (string, error) { panic("written next") }

// List returns the names of all plugins found in dirs, sorted, each once, at most MaxListed.
func List(dirs []string) []string { panic("written next") }
