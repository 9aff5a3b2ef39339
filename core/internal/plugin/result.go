package plugin

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// outcome is all that is known of a run; result judges it.
type outcome struct {
	spec      Spec
	start     time.Time
	duration  time.Duration
	startErr  error // it never ran
	cause     cause
	stdout    captured
	stderr    captured
	printed   string   // stdout as it was read
	heldOpen  bool     // output was still held open by another process
	left      []string // processes that were still there, named
	survivors []string // those of them that could not be ended
	strike    strike
	unheld    error // why a limit of the spec does not hold
	end       ending
	gone      bool // the plugin itself has ended, as end says
}

// ending is how a process ended.
type ending struct {
	exit   int           // -1 where a signal ended it
	signal string        // its name
	spent  time.Duration // user and system time of it and of the children it waited for
}

// maxStderr is what a problem line quotes of stderr.
const maxStderr = 1 << 10

func (o *outcome) result() check.Result {
	r := check.Result{Check: o.spec.Check, State: check.Unknown, Due: o.spec.Due, Start: o.start, Duration: o.duration, Exit: -1, Trigger: o.spec.Trigger}
	if o.startErr != nil {
		r.Text = explainStart(o.spec, o.startErr)
		return r
	}
	cut := o.stdout.dropped > 0 || !o.gone || o.cause != exited
	parsed := check.ParseOutput(o.stdout.data, cut)
	r.Text, r.Long, r.Perfdata, r.Problems = parsed.Text, parsed.Long, parsed.Perfdata, parsed.Problems
	o.printed = parsed.All
	o.judge(&r)
	o.remark(&r)
	return r
}

// judge fills in state, exit, signal and, where the plugin did not end by itself, the text.
func (o *outcome) judge(r *check.Result) {
	if o.gone {
		r.Exit, r.Signal = o.end.exit, o.end.signal
	}
	switch {
	case o.cause == timedOut:
		r.TimedOut = true
		o.override(r, fmt.Sprintf("timed out after %s", o.spec.Timeout))
	case o.cause == interrupted:
		r.Signal = SignalInterrupted
		o.override(r, "cut off: the agent is stopping")
	case o.cause == crowding:
		o.override(r, fmt.Sprintf("ended by the agent: more than %d processes at once (limit.run_processes)", o.spec.Slots.most()))
	case o.strike.oom && r.Signal == "SIGKILL":
		o.override(r, fmt.Sprintf("ended by the kernel: it took more than %s of memory (limit.run_memory)", size(o.spec.Slots.Held().Memory)))
	case r.Signal != "":
		o.override(r, "the plugin was ended by "+r.Signal)
	default:
		r.State = check.FromExit(r.Exit)
		if r.Text == "" && r.Long == "" {
			r.Text = o.silence(r.Exit)
		}
		if r.Exit < 0 || r.Exit > 3 {
			o.strangeExit(r)
		}
	}
}

// override puts what happened first, and what the plugin had printed so far after it.
func (o *outcome) override(r *check.Result, what string) {
	printed := o.printed
	if len(printed) < largeOutput || strings.Contains(printed, "|") { // else it is not there twice
		printed = r.Text + "\n" + r.Long
	}
	printed = strings.TrimSpace(printed)
	r.Text, r.Long = what, printed
	if printed == "" {
		o.quoteStderr(r)
	}
}

func (o *outcome) strangeExit(r *check.Result) {
	problem := fmt.Sprintf("exit code %d: plugins end with 0, 1, 2 or 3", r.Exit)
	switch r.Exit {
	case 126:
		problem += " (126 is a shell that may not execute something)"
	case 127:
		problem += " (127 is a shell that finds no such command)"
	}
	r.Problems = append(r.Problems, problem)
	if len(o.stdout.data) > 0 {
		o.quoteStderr(r)
	}
}

// silence is the text of a plugin that printed nothing on stdout.
func (o *outcome) silence(exit int) string {
	text := "(no output on stdout)"
	if s := firstStderr(o.stderr.data); s != "" {
		text += " stderr: " + s
	}
	if exit > 3 {
		text += fmt.Sprintf(" (exit code %d)", exit)
	}
	return text
}

func (o *outcome) quoteStderr(r *check.Result) {
	if s := firstStderr(o.stderr.data); s != "" {
		r.Problems = append(r.Problems, "stderr: "+s)
	}
}

// firstStderr is the beginning of stderr on one line.
func firstStderr(b []byte) string {
	b = bytes.TrimSpace(b)
	more := len(b) > maxStderr
	s := strings.Join(strings.FieldsFunc(check.Escape(b[:min(len(b), maxStderr)]), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	if more {
		s += "..."
	}
	return s
}

// remark adds what had to be done around the run.
func (o *outcome) remark(r *check.Result) {
	for _, s := range []struct {
		name string
		got  captured
	}{{"stdout", o.stdout}, {"stderr", o.stderr}} {
		if s.got.dropped > 0 {
			r.Truncated = true
			r.Problems = append(r.Problems, fmt.Sprintf("%s: %d bytes, the first %d kept", s.name, s.got.within()+s.got.dropped, s.got.within()))
		}
	}
	if len(o.left) > 0 {
		r.Problems = append(r.Problems, "left behind by the plugin and ended: "+strings.Join(o.left, ", "))
	} else if o.heldOpen && o.cause == exited {
		r.Problems = append(r.Problems, "another process held the plugin's output open after its end: what it prints there is not read")
	}
	if len(o.survivors) > 0 {
		r.Problems = append(r.Problems, "could not be ended and may still be there: "+strings.Join(o.survivors, ", "))
	}
	if o.strike.oom && r.Signal != "SIGKILL" {
		r.Problems = append(r.Problems, fmt.Sprintf("the kernel killed something of it at the memory limit of %s (limit.run_memory)", size(o.spec.Slots.Held().Memory)))
	}
	if o.strike.forks > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("the kernel refused it %d times more than %d processes (limit.run_processes)", o.strike.forks, o.spec.Slots.Held().Processes))
	}
	if o.unheld != nil {
		r.Problems = append(r.Problems, "a limit does not hold: "+o.unheld.Error())
	}
	if !o.gone {
		r.Problems = append(r.Problems, "the plugin is still there although it was killed: it hangs in the kernel (a dead disk or network file system?)")
	}
}
