// Command limpet-core is everything an agent does: it schedules checks, runs plugins, keeps their results on disk and brings them to
// the hub. The stub starts and watches it (docs/stub-contract.md); main only wires and exits.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Both are set by the linker; built is when the commit was made, as Unix seconds: a time that is surely past.
var (
	version = "0.0.0-source"
	built   = ""
)

func main() {
	confinePatch(os.Args[1:], os.Stderr)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
