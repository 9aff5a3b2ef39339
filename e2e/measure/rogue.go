//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
	"github.com/limpet-monitoring/limpet/e2e/rogue"
)

// warm is how long the neighbours run first, until the core has the memory that they need.
const warm = time.Minute

// shownGrowth is growth of the core that is named with its kind, in bytes.
const shownGrowth = 1 << 20

// onTheWay is what asking, and bringing the result to the hub, may take.
const onTheWay = 100 * time.Millisecond

// hostilePlugins runs each of them, or the one named, alone beside ten neighbours that behave. A look leaves out those that others on this machine would feel.
func hostilePlugins(ctx context.Context, t *table, r *rig.Rig, hub *rig.Hub, only string, quick bool) error {
	dir := filepath.Join(r.Dir, "hostile-plugins")
	if err := rogue.Write(dir, rogue.Mark); err != nil {
		return err
	}
	a := r.NewAgent("hostile")
	if err := a.Bootstrap(ctx, hub); err != nil {
		return err
	}
	if err := a.Configure("plugin_dirs = " + dir); err != nil {
		return err
	}
	if err := hub.Apply(ctx, rogue.Document(10)); err != nil {
		return err
	}
	if err := a.Start(); err != nil {
		return err
	}
	defer a.Stop()
	err := rig.Await(ctx, 30*time.Second, "all checks", func(ctx context.Context) (bool, error) {
		return hub.Get(ctx, "/api/v1/agents/"+a.Fingerprint()+"/checks/"+rogue.Neighbour+"9", &struct{}{}) == nil, nil
	})
	if err != nil {
		return err
	}
	atFirst, err := rogue.Most(ctx, a.CorePID(), warm)
	if err != nil {
		return err
	}
	core, began := a.CorePID(), time.Now()
	var wrong []string
	var grew int64
	for _, k := range rogue.Kinds {
		if only != "" && k.Name != only || only == "" && quick && k.Alone {
			continue
		}
		seen, err := rogue.Play(ctx, hub, a, k)
		if err != nil {
			return err
		}
		if w := k.Wrong(seen, onTheWay); w != "" {
			wrong = append(wrong, k.Name+": "+w)
		}
		if seen.Peak-atFirst > shownGrowth {
			fmt.Fprintf(os.Stderr, "%s: the core has %d kB more than with the neighbours alone\n", k.Name, (seen.Peak-atFirst)>>10)
		}
		grew = max(grew, seen.Peak-atFirst)
	}
	if now := a.CorePID(); now != core {
		wrong = append(wrong, "the core was started anew")
	}
	for _, w := range wrong {
		fmt.Fprintln(os.Stderr, w)
	}
	late, runs, err := lateness(ctx, hub, a, time.Since(began))
	if err != nil {
		return err
	}
	if err := sleep(ctx, 15*time.Second); err != nil {
		return err
	}
	left := rogue.Left(core, dir, rogue.Mark)
	for _, l := range left {
		fmt.Fprintln(os.Stderr, "left:", l)
	}
	t.add(fmt.Sprintf("%d kinds of hostile plugins, one at a time: wrong state, told late, or agent not alive", len(rogue.Kinds)), fmt.Sprint(len(wrong)), "0", len(wrong) == 0)
	t.add("what is left of them fifteen seconds later", fmt.Sprint(len(left)), "0", len(left) == 0)
	t.add("anonymous memory that the core had more than with the neighbours alone, at most", fmt.Sprintf("%d kB", grew>>10), "2048 kB", grew <= 2<<20)
	t.add(fmt.Sprintf("neighbours beside them, late, of %d runs", runs), spread(late), "max 100 ms", quantile(late, 1) <= 100*time.Millisecond)
	return nil
}

// lateness is how late the neighbours began.
func lateness(ctx context.Context, hub *rig.Hub, a *rig.Agent, back time.Duration) (late []time.Duration, runs int, err error) {
	err = hub.Every(ctx, a.Fingerprint(), back, func(line []byte) error {
		var r struct {
			Check      string
			Start, Due time.Time
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		if strings.HasPrefix(r.Check, rogue.Neighbour) {
			late = append(late, r.Start.Sub(r.Due))
		}
		return nil
	})
	return late, len(late), err
}
