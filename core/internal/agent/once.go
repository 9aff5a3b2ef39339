package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/catalog"
	"github.com/limpet-monitoring/limpet/core/internal/config"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/core/internal/session"
	"github.com/limpet-monitoring/limpet/core/wire"
)

const (
	askSiteWithin = 10 * time.Second // a plugin that was added a moment ago is in newer metadata
	bringWithin   = time.Minute      // what a person waits for a plugin to come
)

var errNoPlugin = errors.New("no such plugin in the catalog")

// asked is a plugin of the catalog that is wanted because somebody runs it.
type asked struct {
	by   int // so many
	here chan struct{}
	came func() // closes here, once
}

// isOnce says whether a check is one that was made for a single run: it has no times.
func isOnce(c check.Check) bool { return c.Every == 0 && c.Cron == "" }

// runPlugin runs a plugin of the catalog that somebody names, once, without arguments, through the same gate as one of a revision. It is brought first where it
// is not here, and taken away again where no revision names it.
func (a *agent) runPlugin(ctx context.Context, name string, out func(stderr bool, data []byte)) (r check.Result, joined bool, err error) {
	if !check.ValidName(name) {
		return r, false, errNoPlugin
	}
	if a.session.Status().State == session.Connected {
		fresh, cancel := context.WithTimeout(ctx, askSiteWithin)
		a.refreshSite(fresh)
		cancel()
	}
	p, ok := a.catalog.View().Find(name)
	if !ok {
		return r, false, errNoPlugin
	}
	c := check.Check{Name: name, Plugin: name, Hash: p.Hash, Every: check.MaxEvery, Timeout: check.DefaultTimeout}
	x, err := a.admit(ctx, c, p)
	if err != nil {
		return r, false, err
	}
	defer a.request(func(context.Context) { a.unask(p) })
	if err := a.await(ctx, p, x); err != nil {
		return r, false, err
	}
	c.Every = 0
	return a.plan.RunOnce(ctx, c, out)
}

// admit puts a check through the gate, and has its plugin wanted.
func (a *agent) admit(ctx context.Context, c check.Check, p catalog.Plugin) (*asked, error) {
	type answer struct {
		x   *asked
		err error
	}
	got := make(chan answer, 1)
	a.request(func(context.Context) {
		doc := &wire.Desired{NoDefaults: true, Checks: []*wire.Check{wire.FromCheck(c)}}
		if _, problems := config.Take(doc, a.rules(a.catalog.View())); len(problems) > 0 {
			got <- answer{nil, errors.New(strings.Join(problems, "; "))}
			return
		}
		x := a.asked[p]
		if x == nil {
			here := make(chan struct{})
			x = &asked{here: here, came: sync.OnceFunc(func() { close(here) })}
			a.asked[p] = x
		}
		x.by++
		a.want()
		got <- answer{x, nil}
	})
	select {
	case one := <-got:
		return one.x, one.err
	case <-a.ended:
		return nil, fmt.Errorf("%w: the agent stops", schedule.ErrStopped)
	case <-ctx.Done(): // who asked has gone; what was admitted meanwhile is let go
		go func() {
			select {
			case one := <-got:
				if one.err == nil {
					a.request(func(context.Context) { a.unask(p) })
				}
			case <-a.ended:
			}
		}()
		return nil, ctx.Err()
	}
}

// unask lets go of a plugin.
func (a *agent) unask(p catalog.Plugin) {
	if x := a.asked[p]; x != nil {
		if x.by--; x.by == 0 {
			delete(a.asked, p)
			a.want()
		}
	}
}

// await returns when a plugin is here, and sound; else its error says why it is not.
func (a *agent) await(ctx context.Context, p catalog.Plugin, x *asked) error {
	ctx, cancel := context.WithTimeout(ctx, bringWithin)
	defer cancel()
	f, err := a.catalog.Program(p.Name, p.Hash)
	if err != nil {
		select {
		case <-x.here:
		case <-ctx.Done():
		}
		f, err = a.catalog.Program(p.Name, p.Hash)
	}
	if err == nil {
		f.Close()
	}
	return err
}
