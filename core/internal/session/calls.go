package session

import (
	"context"
	"fmt"
	"sync"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// runner is Hooks.Run.
type runner func(ctx context.Context, call *wire.RunNow, out func(stderr bool, data []byte)) *wire.RunEnd

// calls are the runs that the hub asked for and listens to. The serving goroutine owns it; each call
// runs in its own.
type calls struct {
	run   runner
	line  *line
	open  map[string]context.CancelFunc
	ended chan string // ids of calls that have sent their end; has room for all that are open
}

func newCalls(run runner, l *line) *calls {
	return &calls{run: run, line: l, open: map[string]context.CancelFunc{}, ended: make(chan string, wire.MaxCalls)}
}

// begin starts a call. Its context ends with CancelRun and with the line.
func (c *calls) begin(ctx context.Context, now *wire.RunNow) {
	id := now.GetCall()
	if _, twice := c.open[id]; twice || len(c.open) >= wire.MaxCalls {
		why := fmt.Sprintf("%d runs are asked for already; try again", len(c.open))
		if twice {
			why = "this call is under way already"
		}
		c.line.send(&wire.Frame{Body: &wire.Frame_RunEnd{RunEnd: &wire.RunEnd{Call: id, Error: why}}})
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	c.open[id] = cancel
	go func() {
		defer cancel()
		out := &output{call: id, line: c.line}
		end := c.run(ctx, now, out.write)
		if end == nil {
			end = &wire.RunEnd{Error: "the agent could not run it"}
		}
		end.Call = id
		out.close()
		c.line.send(&wire.Frame{Body: &wire.Frame_RunEnd{RunEnd: end}})
		c.ended <- id
	}()
}

func (c *calls) cancel(id string) {
	if cancel, ok := c.open[id]; ok {
		cancel()
	}
}

func (c *calls) forget(id string) { delete(c.open, id) }

// hangUp tells every call that nobody listens any more. The runs go on by themselves; what they say goes
// to a broken line.
func (c *calls) hangUp() {
	for _, cancel := range c.open {
		cancel()
	}
}

// output passes a run's output on, and leaves out what a slow line has no room for.
type output struct {
	call string
	line *line

	mu   sync.Mutex // guards left: stdout and stderr come from two goroutines
	left int        // bytes left out since the last frame
}

// write never blocks. The data becomes the line's.
func (o *output) write(stderr bool, data []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(data) > 0 {
		n := min(len(data), wire.MaxRunOutput)
		if n < len(data) {
			n -= check.Unfinished(data[:n])
		}
		if o.left > 0 && o.line.trySend(o.mark()) {
			o.left = 0
		}
		if o.left > 0 || !o.line.trySend(o.frame(stderr, data[:n:n])) {
			o.left += n
		}
		data = data[n:]
	}
}

// close states what was left out at the end.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.left > 0 {
		o.line.send(o.mark())
		o.left = 0
	}
}

func (o *output) mark() *wire.Frame {
	return o.frame(true, fmt.Appendf(nil, "\n[limpet: %d bytes of output left out here, the line is slow; the result has them]\n", o.left))
}

func (o *output) frame(stderr bool, data []byte) *wire.Frame {
	return &wire.Frame{Body: &wire.Frame_RunOutput{RunOutput: &wire.RunOutput{Call: o.call, Stderr: stderr, Data: data}}}
}
