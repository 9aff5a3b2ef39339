// Package try is `limpet try`: it runs a script, a plugin or a builtin just as the agent would (environment, limits, deadline), and
// prints what the hub would see of it. It needs no running agent and no configuration, and leaves nothing behind.
package try

import (
	"context"
	"io"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// Env is where a try takes place.
type Env struct {
	Stdout, Stderr io.Writer
	Dirs           []string // plugin directories, empty = plugin.DefaultDirs
	// Builtin runs a check that comes with the agent; nil = there is none.
	Builtin func(ctx context.Context, c check.Check, t check.Trigger, due time.Time, out func(stderr bool, data []byte)) check.Result
	// Builtins are the names it knows.
	Builtins []string
}

// Exit codes of Main beyond the plugin's own state (0-3).
const (
	ExitUsage    = 64 // the command line makes no sense
	ExitNoPlugin = 66 // the named file or plugin is not there, or may not run
)

// Main runs `limpet try` with the arguments after the word "try" and returns the exit code.
func Main(ctx context.Context, args []string, e Env) int { panic("written next") }
