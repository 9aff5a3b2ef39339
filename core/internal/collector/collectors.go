// Package collector keeps other people's long-running programs going: collectd, telegraf, fluentd, fluent-bit, otelcol, diamond, any
// command. It writes their configuration, has each test its own before it is used, starts them in a session of their own, watches them
// (exit, health command, memory), starts them again within a budget, and keeps their logs small. docs/collectors.md is for people.
//
// One goroutine, a minder, owns each collector and its folder state/collector/NAME. A collector outlives the core that started it: Leave ends
// the minding and lets everything run; the next core finds the process by what is noted in its folder (adopts it). Which collectors there are is decided in
// core/internal/config; nothing here judges whether a program may run. Without collectors nothing here runs.
package collector

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/check/collector"
)

// Options say where collectors live, and who hears of them.
type Options struct {
	Dir string // state/collector
	Log string // folder of logs
	// Event hears what the hub should know: kind, one line, and the collector's name. Any goroutine may call it; it may take its time.
	Event   func(kind, text, name string)
	Changed func() // States has changed; must not block
	// Cgroup makes the cgroup below which each collector has its own, and gives its folder, "" where there is none. nil = there are none. Any goroutine may call it.
	Cgroup func() string
	Logger *slog.Logger
}

func (o Options) cgroups() string {
	if o.Cgroup == nil {
		return ""
	}
	return o.Cgroup()
}

// State is how one collector is.
type State struct {
	Name, Kind string
	State      string // one of the words below
	Text       string // why, one line; "" when all is well
	Since      time.Time
	PID        int    // 0 = it does not run
	Restarts   int    // since its configuration was taken
	Refused    string // why a newer configuration is not used; "" when the newest is
	Local      bool   // named in the box file
	Log        string // its log file
}

// Words of State.State.
const (
	Running  = "running"
	Starting = "starting" // stopping the former configuration's process counts too
	Checking = "checking" // its own test command reads its configuration
	Waiting  = "waiting"  // ended, and is started again after a while
	Failed   = "failed"   // cannot be started with what is configured
)

// Collectors are all collectors of an agent. Apply, Leave and End belong to one goroutine.
type Collectors struct {
	o       Options
	minders map[string]*minder
	leaving map[string]<-chan struct{} // minders that end, by name

	mu    sync.Mutex // guards shown
	shown []*minder  // by name, for States
}

// New starts nothing.
func New(o Options) *Collectors {
	return &Collectors{o: o, minders: map[string]*minder{}, leaving: map[string]<-chan struct{}{}}
}

// Apply makes specs the collectors that run, and touches only what differs. What other cores have left running is taken over or, where
// it is wanted no longer, ended. facts are those of the box; what differs between collectors is filled in here.
func (c *Collectors) Apply(specs []collector.Spec, facts collector.Facts) {
	if len(specs) == 0 && len(c.minders) == 0 && !c.left() {
		return
	}
	wanted := map[string]bool{}
	for _, s := range specs {
		wanted[s.Name] = true
		m := c.minders[s.Name]
		if m == nil {
			m = c.begin(s.Name)
			c.minders[s.Name] = m
		}
		m.ask(makePlan(s, facts, m.dir))
	}
	c.endOthers(wanted)
	c.show()
}

// endOthers ends those that are not wanted any more, with what they have on disk.
func (c *Collectors) endOthers(wanted map[string]bool) {
	names := map[string]bool{}
	entries, _ := os.ReadDir(c.o.Dir) // no folder: nothing was left
	for _, e := range entries {
		if e.IsDir() && check.ValidName(e.Name()) {
			names[e.Name()] = true
		}
	}
	for name := range c.minders {
		names[name] = true
	}
	for name := range names {
		if wanted[name] {
			continue
		}
		m := c.minders[name]
		if m == nil {
			m = c.begin(name)
		}
		delete(c.minders, name)
		m.finish(remove)
		c.leaving[name] = m.gone
	}
}

// begin starts minding a collector, behind whoever still ends it.
func (c *Collectors) begin(name string) *minder {
	m := newMinder(c.o, name)
	m.from = c.leaving[name]
	delete(c.leaving, name)
	go m.loop()
	return m
}

// left says whether a core before this one had collectors.
func (c *Collectors) left() bool {
	entries, err := os.ReadDir(c.o.Dir)
	return err == nil && len(entries) > 0
}

// Leave ends the minding and lets the collectors run: the next core takes them over. It returns when nothing here touches them any more.
func (c *Collectors) Leave() { c.finish(context.Background(), leave) }

// End ends every collector. What has not ended when ctx does is killed.
func (c *Collectors) End(ctx context.Context) { c.finish(ctx, end) }

func (c *Collectors) finish(ctx context.Context, how ending) {
	for _, m := range c.minders {
		m.finish(how)
	}
	for _, m := range c.minders {
		select {
		case <-m.gone:
		case <-ctx.Done():
			m.kill()
			<-m.gone
		}
	}
	if dir := c.o.cgroups(); how == end && len(c.minders) > 0 && dir != "" {
		os.Remove(dir) // best effort: it stays while something cannot be killed
	}
	c.minders = map[string]*minder{}
	c.show()
}

func (c *Collectors) show() {
	shown := make([]*minder, 0, len(c.minders))
	for _, m := range c.minders {
		shown = append(shown, m)
	}
	slices.SortFunc(shown, func(a, b *minder) int { return strings.Compare(a.name, b.name) })
	c.mu.Lock()
	c.shown = shown
	c.mu.Unlock()
	c.o.Changed()
}

// States are those of all collectors, by name. Any goroutine may ask.
func (c *Collectors) States() []State {
	c.mu.Lock()
	shown := c.shown
	c.mu.Unlock()
	if len(shown) == 0 {
		return nil
	}
	out := make([]State, len(shown))
	for i, m := range shown {
		out[i] = *m.state.Load()
	}
	return out
}

// logPath is where a collector's output goes.
func logPath(dir, name string) string {
	return filepath.Join(dir, fmt.Sprintf("collector-%s.log", name))
}
