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
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

func main() {
	quick := flag.Bool("quick", false, "one minute at rest instead of ten: a look, not a measure")
	keep := flag.String("keep", "", "leave everything in this folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	t := &table{}
	err := run(ctx, t, *quick, *keep)
	t.print()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	if err != nil || t.missed > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, t *table, quick bool, keep string) error {
	dir := keep
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
	if err := programs(t, bin); err != nil {
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
	rest := 10 * time.Minute
	if quick {
		rest = time.Minute
	}
	for _, measure := range []func() error{
		func() error { return coreStarts(ctx, t, r, hub) },
		func() error { return firstResult(ctx, t, r, hub) },
		func() error { return runNow(ctx, t, r, hub) },
		func() error { return atRest(ctx, t, r, hub, rest) },
	} {
		if err := measure(); err != nil {
			return err
		}
	}
	return nil
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
