// Command limpet-fetch is the stub's hands: a short-lived process that downloads what the stub, which
// has no network, then verifies. `bootstrap` makes a box out of a token: it checks the hub's trust
// document against it, brings signed metadata and the newest core, and places them. The first
// `limpet run` writes the record. What it brings is believed only after verification, here by
// signing/tuf and again by the stub.
//
// It streams, so its memory does not grow with a core, and it never touches a path that anything
// runs from.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"

	"github.com/limpet-monitoring/limpet/platforms"
)

// version is set when a release is built.
var version = "dev"

const platform = runtime.GOOS + "-" + runtime.GOARCH

// memory is how much the runtime tries to stay below, in bytes; the limit is 32 MB resident.
const memory = 20 << 20

func main() {
	debug.SetMemoryLimit(memory)
	confineErrand(os.Args[1:], os.Stderr)
	ctx, stop := signal.NotifyContext(context.Background(), platforms.StopSignals...)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process around it: arguments in, exit code out.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := command(ctx, args, stdin, stdout)
	if err == nil {
		return exitDone
	}
	return explain(stderr, err)
}

func command(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	name := "help"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "help", "-h", "--help":
		_, err := io.WriteString(stdout, usage)
		return err
	case "version", "--version":
		_, err := io.WriteString(stdout, "limpet-fetch "+version+" ("+platform+")\n")
		return err
	case "bootstrap":
		o, err := parseBootstrap(args)
		if err != nil {
			return err
		}
		return bootstrap(ctx, o, stdin, stdout)
	case "probe":
		return probe(ctx, args, stdout)
	case "look":
		return look(ctx, args, stdin, stdout)
	case "get":
		return get(ctx, args, stdin, stdout)
	case "upgrade-stub":
		return upgrade(ctx, args, stdout)
	}
	return misuse("unknown command " + name)
}

const usage = `limpet-fetch brings what limpet runs.

  limpet-fetch bootstrap --hub URL --token-file FILE [--root DIR]
        make this machine a box of that hub: verify and place the newest core
        --token-file -     read the token from stdin; LIMPET_TOKEN holds it too
        --mirror PLACE     where releases come from: URL or folder (default: the hub)
        --channel NAME     (default: the box file's, else stable)
        --programs DIR     limpet and limpet-fetch as they were brought already
        --anew             start again from the newest release and forget the record
  limpet-fetch upgrade-stub [VERSION | --back] [--root DIR] [--mirror PLACE]
        place another limpet and limpet-fetch, or the pair before (limpet upgrade-stub)
  limpet-fetch probe URL [--root DIR]
        say whether URL can be reached from here, and how
  limpet-fetch version | help
`
