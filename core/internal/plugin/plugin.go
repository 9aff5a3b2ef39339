// Package plugin makes one run of one plugin: it starts the program in a session of its own, reads what it prints within
// limits, ends its whole process tree at the deadline, and turns what came of it into a check.Result. Find and List
// answer for the box's plugin directories.
//
// It keeps nothing between runs but empty slots (Slots), decides nothing about when a run is due, and trusts no plugin: a run can take its own time
// and its own output, nothing else. What may run at all is decided in core/internal/config before anything comes here.
//
// A process tree is known by its slot where there is one: on Linux a cgroup, which nothing leaves by itself; on Windows a job object. Elsewhere it
// is known by the process group (and session) that the plugin leads, and on Linux by the mark LIMPET_RUN in the environment of all it starts,
// which finds those that left the group; what sheds the mark as well is not found then.
package plugin

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// Limits of one run.
const (
	// MaxOutput bounds what is kept of stdout, and of stderr: large enough for every plugin known, small enough for many at once.
	MaxOutput = 1 << 20
	// largeOutput is kept output in bytes for which the garbage collector runs, before room is made for all that is kept and once it is there: so
	// it fits into what the agent has at hand. Few plugins print as much.
	largeOutput = 256 << 10
	// Grace is the time between the request to end (SIGTERM) and the end (SIGKILL).
	Grace = 1500 * time.Millisecond
	// Linger is how long a plugin's output is waited for after its own exit, while a child of it keeps the pipe open.
	Linger = 200 * time.Millisecond
	// settled is when a plugin is one that takes its time: what most of them print until then fits into a pipe, so nobody reads it before they end.
	// One that prints more, or whose output somebody watches, waits as long.
	settled = 20 * time.Millisecond
	// killWait is how long a killed plugin is waited for: one that hangs in the kernel ends when that lets it.
	killWait = 300 * time.Millisecond
	// crowdEvery is how often the processes of a run are counted where the kernel does not; what forks without end makes some thousand meanwhile.
	crowdEvery = 100 * time.Millisecond
)

// Output takes what a plugin prints as it comes, at most MaxOutput of each stream. It is called from two goroutines, one a
// stream, never after the run has returned; the data is never written to again, and may be kept. It must not block.
type Output = func(stderr bool, data []byte)

// Spec is one run.
type Spec struct {
	Check   string            // the check's name, told to the plugin as LIMPET_CHECK
	Path    string            // the plugin's file, absolute
	File    *os.File          // the same file, opened: where the system can, what runs is this and not whatever lies at Path by then; nil = Path is run
	Args    []string          // without the program's name
	Env     []string          // NAME=VALUE, after the clean environment (see Environment) and winning over it
	Dir     string            // working directory, "" = the root directory
	User    string            // whom it runs as, a name or a number; "" = as this process. Only root can run others'
	Group   string            // its group; "" = the user's
	Nice    int               // value of the process group; 0 = the agent's
	Rlimits Rlimits           // of each process
	Slots   *Slots            // takes one of these, nil = none
	Spent   *atomic.Int64     // is added what it used of the processors, in ns, unless Slots count it; nil = nobody asks
	Macros  map[string]string // by name, for its environment
	Timeout time.Duration     // the process tree ends after it; 0 = check.DefaultTimeout
	Output  int64             // bytes kept of each stream; 0 or more than MaxOutput = MaxOutput
	Trigger check.Trigger
	Due     time.Time // zero for a manual run
}

// limit is what is kept of each stream.
func (s Spec) limit() int {
	if s.Output <= 0 || s.Output > MaxOutput {
		return MaxOutput
	}
	return int(s.Output)
}

// SignalInterrupted stands in Result.Signal of a run that its context cut off.
const SignalInterrupted = "interrupted"

// Rlimits are limits of a process by name: cpu (seconds), files, file_size and address_space (bytes). Others are refused by whoever reads them.
type Rlimits map[string]uint64

// Interrupted says that a result came from a run cut off by its context and not by the plugin or the deadline.
func Interrupted(r check.Result) bool { return r.Signal == SignalInterrupted }

// Run runs a plugin and returns when the plugin itself has ended, or its tree has been killed: at the latest Timeout, plus
// Grace, plus a moment. It always returns a result: what hinders a run (no such interpreter, no permission) is a result of
// state Unknown whose text says what to do. Processes the plugin left behind are ended too and named in Problems. When ctx ends, the
// run ends as at its deadline, and Interrupted(result) holds. out may be nil.
func Run(ctx context.Context, s Spec, out Output) check.Result {
	if s.Timeout <= 0 {
		s.Timeout = check.DefaultTimeout
	}
	o := outcome{spec: s, start: time.Now()}
	if ctx.Err() != nil {
		o.cause = interrupted
		return o.result()
	}
	mark := fmt.Sprintf("%s=%016x", markName, rand.Uint64())
	p, streams, err := launch(ctx, s, mark, out)
	if err != nil {
		o.startErr = err
		return o.result()
	}
	if !p.endsSoon(min(settled, s.Timeout)) {
		streams.follow()
		o.cause = watch(ctx, p, s.Timeout-time.Since(o.start))
	}
	o.duration = time.Since(o.start)
	o.heldOpen = streams.wait(Linger)
	o.left, o.survivors = p.killRest()
	var ended bool
	o.stdout, o.stderr, ended = streams.take()
	if ended && len(o.left) == 0 { // it was we who came late
		o.heldOpen = false
	}
	if len(o.stdout.data) >= largeOutput {
		debug.FreeOSMemory() // what was passed on to who listens is free by now: the result's way to the hub takes it again
	}
	o.end, o.gone = p.reap(killWait)
	p.reapAdopted()
	if s.Spent != nil && o.gone && !p.slot.charged() {
		s.Spent.Add(int64(o.end.spent))
	}
	if p.slot != nil {
		o.strike = p.slot.strike()
		s.Slots.give(p.slot)
	}
	o.unheld = p.unheld
	return o.result()
}

// cause says what ended a run.
type cause int

const (
	exited      cause = iota // the plugin itself
	timedOut                 // its deadline
	interrupted              // its context
	crowding                 // the number of its processes
)

// watch waits for the plugin's own end and brings it about where time is up, or the processes too many.
func watch(ctx context.Context, p *process, timeout time.Duration) cause {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	var crowd <-chan time.Time
	if p.slot.counted() {
		look := time.NewTicker(crowdEvery)
		defer look.Stop()
		crowd = look.C
	}
	why, end := exited, false
	for !end {
		select {
		case <-p.ended:
			return exited
		case <-deadline.C:
			why, end = timedOut, true
		case <-ctx.Done():
			why, end = interrupted, true
		case <-crowd:
			if p.slot.crowded() {
				why, end = crowding, true
			}
		}
	}
	if why != crowding && p.terminate() {
		deadline.Reset(Grace)
		select {
		case <-p.ended:
			return why
		case <-deadline.C:
		}
	}
	p.kill()
	deadline.Reset(killWait)
	select {
	case <-p.ended:
	case <-deadline.C:
	}
	return why
}

// launch opens the pipes and starts the program. Its parent ends of the write sides are closed when it returns.
func launch(ctx context.Context, s Spec, mark string, out Output) (*process, *streams, error) {
	outR, outW, err := newPipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make pipe: %w", err)
	}
	defer outW.close()
	errR, errW, err := newPipe()
	if err != nil {
		outR.close()
		return nil, nil, fmt.Errorf("make pipe: %w", err)
	}
	defer errW.close()
	p, err := startInSlot(ctx, s, mark, outW, errW)
	if err != nil {
		outR.close()
		errR.close()
		return nil, nil, err
	}
	return p, newStreams(outR, errR, s.limit(), out), nil
}

// startInSlot starts the program in a slot where there is one, and where that does not work without. A run may have left its slot unfit for others: then
// another slot does.
func startInSlot(ctx context.Context, s Spec, mark string, stdout, stderr writeEnd) (*process, error) {
	for range 2 {
		x := s.Slots.take()
		p, err := startRetrying(ctx, s, mark, x, stdout, stderr)
		if err == nil || x == nil {
			return p, err
		}
		if !slotFails(err) {
			s.Slots.give(x)
			return nil, err
		}
		s.Slots.drop(x)
	}
	s.Slots.rest()
	return startRetrying(ctx, s, mark, nil, stdout, stderr)
}

// What ETXTBSY costs: somebody still has the file open for writing, as an installer, or a fork that has not executed yet.
const (
	busyTries = 20
	busyPause = 25 * time.Millisecond
)

func startRetrying(ctx context.Context, s Spec, mark string, x *slot, stdout, stderr writeEnd) (*process, error) {
	for try := 1; ; try++ {
		p, err := start(s, mark, x, stdout, stderr)
		if err == nil || !isBusy(err) || try == busyTries {
			return p, err
		}
		select {
		case <-time.After(busyPause):
		case <-ctx.Done():
			return nil, err
		}
	}
}
