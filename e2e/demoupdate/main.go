// Command demoupdate is `make demo-update` and `make demo-bad-update`: it publishes newer cores, good ones and broken ones, to what a running
// `make run` serves, and shows what the agent makes of them. It ends with 0 only when all ended well.
//
// It builds the cores from this source, and knows the programs by their command lines, the hub's HTTP interface, and the record as
// docs/record-format.md has it. It starts nothing that stays and takes back the checks that it added.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("say update or bad-update")
	}
	dir := os.Getenv("LIMPET_RUN_DIR")
	if dir == "" {
		dir = ".run"
	}
	show := map[string]func(context.Context, *demo) error{"update": update, "bad-update": badUpdates}[args[0]]
	if show == nil {
		return fmt.Errorf("%q: say update or bad-update", args[0])
	}
	d, err := open(ctx, dir, os.Stdout)
	if err != nil {
		return err
	}
	defer d.close()
	return show(ctx, d)
}
