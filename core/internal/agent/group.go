package agent

import (
	"context"
	"fmt"
	"sync"
)

// group is the loops of an agent: when one returns an error, all end, and that error is the agent's.
type group struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu  sync.Mutex // guards err
	err error
}

func newGroup(ctx context.Context) *group {
	g := &group{}
	g.ctx, g.cancel = context.WithCancel(ctx)
	return g
}

// start runs a loop until the group ends.
func (g *group) start(name string, loop func(context.Context) error) {
	g.wg.Go(func() {
		err := loop(g.ctx)
		if err == nil || g.ctx.Err() != nil {
			return
		}
		g.mu.Lock()
		if g.err == nil {
			g.err = fmt.Errorf("%s: %w", name, err)
		}
		g.mu.Unlock()
		g.cancel()
	})
}

// first is the error that ended the group, nil when it was ended from outside.
func (g *group) first() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// end stops every loop and waits for them.
func (g *group) end() {
	g.cancel()
	g.wg.Wait()
}
