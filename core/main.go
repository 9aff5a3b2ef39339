// Command limpet-core is everything an agent does: it schedules checks, runs plugins, keeps their results on disk and brings them to
// the hub. The stub starts and watches it (docs/stub-contract.md); main only wires and exits.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// Both are set by the linker; built is when the commit was made, as Unix seconds: a time that is surely past.
var (
	version = "0.0.0-source"
	built   = ""
)

// The first thread is main's, which waits: orphans become that thread's children, and what else hangs from it would look like one (plugin.WatchOrphans).
func init() { runtime.LockOSThread() }

func main() {
	confinePatch(os.Args[1:], os.Stderr)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ended := make(chan int)
	go func() { ended <- run(ctx, os.Args[1:], os.Stdout, os.Stderr) }()
	code := <-ended
	stop()
	os.Exit(code)
}
