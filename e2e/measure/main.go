//go:build linux

// Command measure is `make bench`: it takes the measures of docs/performance.md on the built programs and prints them as a table,
// with the limit beside each. It exits with 1 when one is missed. It measures this machine as it is: quiet it first, and run it
// again before believing a difference.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// options are what is asked for.
type options struct {
	quick bool
	swaps int
	only  string
	keep  string
}

// row is what of a part is asked for, "" = all.
func (o options) row(part string) string {
	row, _ := strings.CutPrefix(o.only, part+"/")
	if row == o.only {
		return ""
	}
	return row
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "one minute at rest instead of ten, 8 swaps instead of 100: a look, not a measure")
	flag.IntVar(&o.swaps, "swaps", 0, "how many swaps under load (default 100, or 8 with -quick)")
	flag.StringVar(&o.only, "only", "", "take this part alone: programs, first, now, rest, install, update, faults, resident, fleet, buffer, wire, offline, plugins (or plugins/slots, plugins/marks, plugins/overload, plugins/times, plugins/many), hostile (or hostile/KIND), line (or line/strikes, line/deaths, line/outages, line/crowd), away or swaps")
	flag.StringVar(&o.keep, "keep", "", "leave everything in this folder")
	flag.Parse()
	if o.swaps == 0 {
		if o.swaps = 100; o.quick {
			o.swaps = 8
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := &table{}
	err := run(ctx, t, o)
	t.print()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	if err != nil || t.missed > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, t *table, o options) error {
	dir := o.keep
	if dir == "" {
		temp, err := os.MkdirTemp("", "limpet-measure-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		dir = temp
	}
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if err := rig.Build(bin); err != nil {
		return err
	}
	rest, before := 10*time.Minute, time.Minute
	if o.quick {
		rest, before = time.Minute, 20*time.Second
	}
	for _, m := range []struct {
		name string
		take func(dir string) error
	}{
		{"programs", func(string) error { return programs(t, bin) }},
		{"start", func(dir string) error {
			return line(ctx, bin, dir, func(r *rig.Rig, hub *rig.Hub) error { return coreStarts(ctx, t, r, hub) })
		}},
		{"first", func(dir string) error {
			return line(ctx, bin, dir, func(r *rig.Rig, hub *rig.Hub) error { return firstResult(ctx, t, r, hub) })
		}},
		{"now", func(dir string) error {
			return line(ctx, bin, dir, func(r *rig.Rig, hub *rig.Hub) error { return runNow(ctx, t, r, hub) })
		}},
		{"rest", func(dir string) error {
			return line(ctx, bin, dir, func(r *rig.Rig, hub *rig.Hub) error { return atRest(ctx, t, r, hub, rest) })
		}},
		{"install", func(dir string) error { return installed(ctx, t, bin, dir) }},
		{"update", func(dir string) error { return updates(ctx, t, bin, dir) }},
		{"faults", func(dir string) error { return faults(ctx, t, bin, dir) }},
		{"resident", func(dir string) error { return resident(ctx, t, bin, dir) }},
		{"plugins", func(dir string) error {
			return line(ctx, bin, dir, func(r *rig.Rig, hub *rig.Hub) error { return plugins(ctx, t, r, hub, o.row("plugins"), o.quick) })
		}},
		{"hostile", func(dir string) error {
			return line(ctx, bin, dir, func(r *rig.Rig, hub *rig.Hub) error { return hostilePlugins(ctx, t, r, hub, o.row("hostile"), o.quick) })
		}},
		{"line", func(dir string) error { return lineCuts(ctx, t, bin, dir, o.row("line"), o.quick) }},
		{"away", func(dir string) error { return receiverAway(ctx, t, bin, dir, o.quick) }},
		{"buffer", func(string) error { return buffered(ctx, t) }},
		{"wire", func(dir string) error {
			return line(ctx, bin, dir, func(r *rig.Rig, hub *rig.Hub) error { return onTheWire(ctx, t, r, hub, o.quick) })
		}},
		{"offline", func(dir string) error {
			return line(ctx, bin, dir, func(r *rig.Rig, hub *rig.Hub) error { return offline(ctx, t, r, hub, o.quick) })
		}},
		{"fleet", func(string) error { return simulated(ctx, t, o.quick) }},
		{"swaps", func(dir string) error { return swapsUnderLoad(ctx, t, bin, dir, o.swaps, before) }},
	} {
		if part, _, _ := strings.Cut(o.only, "/"); o.only != "" && m.name != part {
			continue
		}
		if err := m.take(filepath.Join(dir, m.name)); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// line takes a measure of agents and a hub of its own.
func line(ctx context.Context, bin, dir string, measure func(*rig.Rig, *rig.Hub) error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	r := &rig.Rig{Bin: bin, Dir: dir}
	if err := r.Publish(ctx, "0.1.0", filepath.Join(bin, "limpet-core")); err != nil {
		return err
	}
	hub, err := r.NewHub()
	if err != nil {
		return err
	}
	if err := hub.Start(ctx); err != nil {
		return err
	}
	defer hub.Stop()
	return measure(r, hub)
}

// table is what is printed at the end.
type table struct {
	rows   []string
	missed int
}

// add notes one figure; ok says whether it keeps its limit.
func (t *table) add(what, figure, limit string, ok bool) {
	mark := "yes"
	if !ok {
		mark = "**no**"
		t.missed++
	}
	t.rows = append(t.rows, fmt.Sprintf("| %s | %s | %s | %s |", what, figure, limit, mark))
	fmt.Fprintln(os.Stderr, what+":", figure, "(limit", limit+")")
}

func (t *table) print() {
	fmt.Println("| measure | figure | limit | kept |\n|---|---|---|---|")
	fmt.Println(strings.Join(t.rows, "\n"))
}
