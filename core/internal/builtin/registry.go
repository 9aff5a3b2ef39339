package builtin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// maxInstances bounds how many pairs of builtin and arguments keep a state between runs. A box has some dozen, one that watches
// a network some hundreds; beyond the limit the one not run for longest is forgotten.
const maxInstances = 2048

// Func is one run of a check: it fills State, Text, Long, Perfdata and Problems. The context's deadline is a wish to it; the
// registry keeps it even if the function does not.
type Func func(ctx context.Context, args []string) check.Result

// family is one kind of check.
type family struct {
	valid func(args []string) error
	start func() Func // a run with a state of its own: its previous sample belongs to it alone
}

// Registry knows the builtin checks and runs them. It is safe for use by several goroutines.
type Registry struct {
	families map[string]family

	mu        sync.Mutex // guards the rest
	instances map[string]*instance
	stuck     int // runs that outlived their deadline and have not returned
}

// instance is one builtin with one set of arguments. The registry's mutex guards it.
type instance struct {
	run   Func
	used  time.Time
	going *going // the run in flight, nil when none
}

// going is one run in flight.
type going struct {
	done    chan struct{} // closed when it has returned; result is set before
	result  check.Result
	since   time.Time
	overdue bool // it outlived its deadline
}

// Names gives the names of all builtin checks, sorted.
func (r *Registry) Names() []string {
	names := make([]string, 0, len(r.families))
	for name := range r.families {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Check says whether a builtin of this name exists and takes these arguments. It runs nothing.
func (r *Registry) Check(name string, args []string) error {
	f, ok := r.families[name]
	if !ok {
		return fmt.Errorf("unknown builtin %q (there are: %s)", name, strings.Join(r.Names(), ", "))
	}
	if err := f.valid(args); err != nil {
		return fmt.Errorf("builtin %s: %w", name, err)
	}
	return nil
}

// Stuck gives the number of runs that have outlived their deadline and have not returned.
func (r *Registry) Stuck() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stuck
}

// Run runs a builtin and returns when it is done or the context is, whichever comes first. A run that does not end by its
// deadline is left behind and counted: until it returns, the same builtin with the same arguments is not started again and
// answers UNKNOWN at once. Two runs of the same at the same time are one run with one result. A panic becomes UNKNOWN. Of the
// result, State, Text, Long, Perfdata, Problems and TimedOut are set; Perfdata belongs to the caller.
func (r *Registry) Run(ctx context.Context, name string, args []string) check.Result {
	run, err := r.join(ctx, name, args)
	if err != nil {
		return unknown(name, err.Error())
	}
	select {
	case <-run.done:
		return copyOf(run.result)
	case <-ctx.Done():
	}
	select {
	case <-run.done: // both at once: the result is there
		return copyOf(run.result)
	default:
	}
	return r.abandon(ctx, name, run)
}

// join starts a run, or finds the one in flight. An error says why neither can be.
func (r *Registry) join(ctx context.Context, name string, args []string) (*going, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in, err := r.instance(name, args)
	if err != nil {
		return nil, err
	}
	if g := in.going; g != nil && g.overdue {
		return nil, fmt.Errorf("the run of %s has not returned; not started again until it does",
			g.since.UTC().Format(time.RFC3339))
	} else if g != nil {
		return g, nil
	}
	g := &going{done: make(chan struct{}), since: time.Now()}
	in.going = g
	args = slices.Clone(args)
	go func() {
		result := guarded(ctx, name, in.run, args)
		r.mu.Lock()
		defer r.mu.Unlock()
		if g.overdue {
			r.stuck--
		}
		g.result, in.going = result, nil
		close(g.done)
	}()
	return g, nil
}

// abandon marks a run as overdue and answers for it.
func (r *Registry) abandon(ctx context.Context, name string, run *going) check.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-run.done:
		return copyOf(run.result)
	default:
	}
	if !run.overdue {
		run.overdue = true
		r.stuck++
	}
	result := unknown(name, fmt.Sprintf("no answer within %s", time.Since(run.since).Round(time.Millisecond)))
	result.TimedOut = context.Cause(ctx) == context.DeadlineExceeded
	if !result.TimedOut {
		result.Text = fmt.Sprintf("%s UNKNOWN - %v", strings.ToUpper(name), context.Cause(ctx))
	}
	return result
}

// instance gives the state of a builtin with these arguments, new or kept. The mutex is held.
func (r *Registry) instance(name string, args []string) (*instance, error) {
	key := name + "\x00" + strings.Join(args, "\x00")
	in, ok := r.instances[key]
	if !ok {
		if err := r.Check(name, args); err != nil {
			return nil, err
		}
		if len(r.instances) >= maxInstances && !r.forget() {
			return nil, fmt.Errorf("%d runs of builtins are in flight", maxInstances)
		}
		in = &instance{run: r.families[name].start()}
		r.instances[key] = in
	}
	in.used = time.Now()
	return in, nil
}

// forget makes room for one more instance: the idle one not used for longest goes. It is false when none is idle. The mutex
// is held.
func (r *Registry) forget() bool {
	var oldest string
	for key, in := range r.instances {
		if in.going == nil && (oldest == "" || in.used.Before(r.instances[oldest].used)) {
			oldest = key
		}
	}
	delete(r.instances, oldest)
	return oldest != ""
}

// guarded runs a check and turns its panic into a result.
func guarded(ctx context.Context, name string, run Func, args []string) (result check.Result) {
	defer func() {
		if p := recover(); p != nil {
			result = unknown(name, fmt.Sprintf("this is a bug of the agent: %v", p))
		}
	}()
	return run(ctx, args)
}

// unknown is the result of a check that could not be run.
func unknown(name, why string) check.Result {
	return check.Result{State: check.Unknown, Text: strings.ToUpper(name) + " UNKNOWN - " + why}
}

// copyOf gives a result that shares nothing with the other callers of the same run.
func copyOf(result check.Result) check.Result {
	result.Perfdata = slices.Clone(result.Perfdata)
	result.Problems = slices.Clone(result.Problems)
	return result
}
