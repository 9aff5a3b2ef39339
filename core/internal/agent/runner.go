package agent

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
)

// runner sends a check to what runs it. The plugin directories change with the box file, hence the pointer.
type runner struct {
	builtins *builtin.Registry
	plugins  atomic.Pointer[plugin.Runner]
	breadth  breadth
	spent    atomic.Int64 // ns of the processors by runs that no slot counts
}

// Run implements schedule.Runner.
func (r *runner) Run(ctx context.Context, c check.Check, t check.Trigger, due time.Time, out func(stderr bool, data []byte)) check.Result {
	if c.Builtin != "" {
		return timedOut(c, RunBuiltin(ctx, r.builtins, c, t, due, out))
	}
	defer r.breadth.begin()()
	return timedOut(c, r.plugins.Load().Run(ctx, c, t, due, out))
}

// timedOut gives a run that the deadline ended the state that its check wants for it.
func timedOut(c check.Check, r check.Result) check.Result {
	if r.TimedOut && c.TimeoutState != check.OK {
		r.State = c.TimeoutState
	}
	return r
}

// RunBuiltin makes one run of a builtin. It fills in what a plugin's run would know of itself, and streams the text that a plugin
// would have printed.
func RunBuiltin(ctx context.Context, known *builtin.Registry, c check.Check, t check.Trigger, due time.Time, out func(stderr bool, data []byte)) check.Result {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = check.DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	res := known.Run(ctx, c.Builtin, c.Args)
	res.Check, res.Trigger, res.Due, res.Start = c.Name, t, due, start
	res.Duration = time.Since(start)
	res.Exit = int(res.State)
	text := res.Text + "\n"
	if res.Long != "" {
		text += res.Long + "\n"
	}
	out(false, []byte(text))
	return res
}
