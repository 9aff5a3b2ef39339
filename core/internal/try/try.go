// Package try is `limpet try`: it runs a script, a plugin or a builtin just as the agent would (environment, limits, deadline), and
// prints what the hub would see of it. It needs no running agent and no configuration, and leaves nothing behind.
package try

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
)

// Env is where a try takes place.
type Env struct {
	Stdout, Stderr io.Writer
	Runner         plugin.Runner // of plugins, as the box file has it
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

const usage = `limpet try [--json] [--timeout 30s] WHAT [ARGUMENT...]

Runs WHAT just as the agent would (clean environment, working directory, limits, deadline), and
prints what the hub would see of it: state, text, values, and warnings about all that cannot be read.

WHAT is   ./check_x.sh     a file, by a path with a slash in it
          check_http       a plugin in one of the plugin directories
          builtin:disk     a check that comes with the agent

  --json           print one JSON object
  --timeout 30s    the deadline, at most 10m

Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; 64 the command line makes no sense,
66 there is no such plugin or it may not run.
`

// Main runs `limpet try` with the arguments after the word "try" and returns the exit code.
func Main(ctx context.Context, args []string, e Env) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(e.Stdout, usage)
		return 0
	}
	if err != nil {
		return complain(e.Stderr, ExitUsage, err.Error(), "limpet try --help")
	}
	t, problem := e.find(o)
	if problem != nil {
		return complain(e.Stderr, problem.exit, problem.what, problem.hint)
	}
	seen := t.run(ctx)
	if o.json {
		err = printJSON(e.Stdout, seen)
	} else {
		err = printText(e.Stdout, seen)
	}
	if err != nil {
		return complain(e.Stderr, ExitUsage, fmt.Sprintf("print the result: %v", err), "")
	}
	return int(seen.result.State)
}

func complain(w io.Writer, exit int, what, hint string) int {
	fmt.Fprintf(w, "error: %s\n", what)
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	return exit
}

type options struct {
	json    bool
	timeout time.Duration
	what    string
	args    []string
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("try", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&o.json, "json", false, "")
	f.DurationVar(&o.timeout, "timeout", check.DefaultTimeout, "")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() == 0 {
		return o, errors.New("try: nothing named to run")
	}
	if o.timeout <= 0 || o.timeout > check.MaxTimeout {
		return o, fmt.Errorf("try: timeout %s is not between 0 and 10m", o.timeout)
	}
	o.what, o.args = f.Arg(0), f.Args()[1:]
	return o, nil
}

// trial is what will be run, and how.
type trial struct {
	check check.Check
	shown string // what is run, for people
	note  string // what the person should know before making a check of it
	runs  func(ctx context.Context, out plugin.Output) check.Result
}

// problem is why nothing can be run.
type problem struct {
	exit       int
	what, hint string
}

func (e Env) find(o options) (trial, *problem) {
	t := trial{check: check.Check{Args: o.args, Every: check.MinEvery, Timeout: o.timeout}}
	var p *problem
	builtin, isBuiltin := strings.CutPrefix(o.what, "builtin:")
	switch {
	case isBuiltin:
		p = e.builtin(&t, builtin)
	case strings.ContainsRune(o.what, '/') || strings.ContainsRune(o.what, filepath.Separator):
		p = e.file(&t, o.what)
	default:
		p = e.plugin(&t, o.what)
	}
	if p == nil {
		if err := t.check.Validate(); err != nil {
			p = &problem{ExitUsage, fmt.Sprintf("try %s: %v", o.what, err), ""}
		}
	}
	return t, p
}

func (e Env) builtin(t *trial, name string) *problem {
	if e.Builtin == nil || !slices.Contains(e.Builtins, name) {
		return &problem{ExitNoPlugin, fmt.Sprintf("try builtin:%s: there is no such builtin", name), "there are " + strings.Join(e.Builtins, ", ")}
	}
	t.check.Name, t.check.Builtin, t.shown = name, name, "builtin:"+name
	t.runs = func(ctx context.Context, out plugin.Output) check.Result {
		return e.Builtin(ctx, t.check, check.Manual, time.Time{}, out)
	}
	return nil
}

func (e Env) plugin(t *trial, name string) *problem {
	path, err := e.Runner.Find(name)
	if err != nil {
		p := &problem{exit: ExitNoPlugin, what: fmt.Sprintf("try %s: %v", name, err)}
		if info, statErr := os.Stat(name); statErr == nil && info.Mode().IsRegular() {
			p.hint = fmt.Sprintf("for the file in this folder: limpet try .%c%s", filepath.Separator, name)
		}
		return p
	}
	t.set(e.Runner, name, path)
	return nil
}

func (e Env) file(t *trial, name string) *problem {
	path, err := filepath.Abs(name)
	if err != nil {
		return &problem{ExitNoPlugin, fmt.Sprintf("try %s: %v", name, err), ""}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &problem{ExitNoPlugin, fmt.Sprintf("try %s: there is no such file", name), ""}
	case err != nil:
		return &problem{ExitNoPlugin, fmt.Sprintf("try %s: %v", name, err), ""}
	case !info.Mode().IsRegular():
		return &problem{ExitNoPlugin, fmt.Sprintf("try %s: it is no file that could be run", name), ""}
	case runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return &problem{ExitNoPlugin, fmt.Sprintf("try %s: the file is not executable", name), "chmod +x " + name}
	}
	t.set(e.Runner, filepath.Base(path), path)
	if found, err := e.Runner.Find(t.check.Plugin); err != nil || found != path {
		t.note = fmt.Sprintf("to make a check of it, put it into a plugin directory (%s) and name it: plugin: %s", strings.Join(e.dirs(), ", "), t.check.Plugin)
	}
	return nil
}

func (e Env) dirs() []string {
	if len(e.Runner.Dirs) > 0 {
		return e.Runner.Dirs
	}
	return plugin.DefaultDirs()
}

// set makes a run of the file at path out of t.
func (t *trial) set(r plugin.Runner, file, path string) {
	t.check.Name, t.check.Plugin, t.shown = nameOf(file), file, path
	t.runs = func(ctx context.Context, out plugin.Output) check.Result {
		return r.RunFile(ctx, t.check, path, check.Manual, time.Time{}, out)
	}
}

// nameOf makes a check's name of a file's.
func nameOf(file string) string {
	name := []byte(file[:min(len(file), check.MaxName)])
	for i, b := range name {
		if !check.ValidName(string(b)) && b != '.' {
			name[i] = '-'
		}
	}
	return string(name)
}

// seen is what came of a try.
type seen struct {
	trial  *trial
	result check.Result
	stderr []byte
}

// maxStderr is what is shown of stderr; it is for the person at the terminal alone.
const maxStderr = 16 << 10

func (t *trial) run(ctx context.Context) seen {
	var mu sync.Mutex // guards stderr: streams come in goroutines of their own
	var stderr bytes.Buffer
	r := t.runs(ctx, func(isStderr bool, data []byte) {
		if isStderr {
			mu.Lock()
			defer mu.Unlock()
			stderr.Write(data[:min(len(data), maxStderr-min(stderr.Len(), maxStderr))])
		}
	})
	mu.Lock()
	defer mu.Unlock()
	return seen{trial: t, result: r, stderr: stderr.Bytes()}
}
