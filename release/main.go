// Command limpet-release is the publisher's tool: it makes the repository that
// releases are served from, builds releases, lists cores and the programs of the
// stub in it with all that makes them travel lightly, keeps its signatures fresh,
// and verifies it as a stranger would.
//
// It works on a folder of plain files and a folder of keys. Where keys are on other
// machines, a change becomes a request: a folder that goes from keyholder to
// keyholder and comes back. Putting the files on a server is for whoever runs that
// server; mirror says in which order. The formats are docs/release-format.md. Every
// command may be run again, and those that write have --dry-run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/limpet-monitoring/limpet/signing/ceremony"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // what was asked for could not be done, or does not verify
	exitUsage  = 2 // the command line was not understood; nothing was done
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// command is one thing the tool does. run reads what its flags were set to.
type command struct {
	name    string
	args    string
	summary string
	setup   func(f *flag.FlagSet) action
	words   int // how many words that are no flags it takes, first or last
}

// action does the work once flags are parsed. A usageError means exitUsage.
type action func(ctx context.Context, out output) error

// output is where a command speaks: results to stdout, all else to stderr.
type output struct{ stdout, stderr io.Writer }

func (o output) printf(format string, args ...any) { fmt.Fprintf(o.stdout, format, args...) }

// note says something that is not the result.
func (o output) note(format string, args ...any) { fmt.Fprintf(o.stderr, format+"\n", args...) }

// people is the same for a ceremony, whose commands this program has.
func (o output) people() ceremony.People {
	return ceremony.People{Out: o.stdout, Err: o.stderr, Program: "limpet-release"}
}

// usageError is a command line that was not understood.
type usageError string

func (e usageError) Error() string { return string(e) }

var commands = []command{
	{"key", "--out NAME.key [--no-passphrase]", "make a key, on its keyholder's machine", keyCommand, 0},
	{"init", "--dir REPO --request DIR --role ROLE=N:FILE.pub,... | --keys KEYDIR --development", "make a repository", initCommand, 0},
	{"sign", "--request DIR --key FILE", "show what a request changes, and sign it", signCommand, 0},
	{"collect", "--dir REPO --keys KEYDIR --request DIR", "publish a request that enough have signed", collectCommand, 0},
	{"cut", "--version V --out DIR [--all | --platform GOOS-GOARCH...]", "build a release twice and compare", cutCommand, 0},
	{"publish", "--dir REPO --keys KEYDIR --cut DIR [--waves SHARES]", "list a release, with its deltas", publishCommand, 0},
	{"delta", "--dir REPO --keys KEYDIR [--version V] [--base V]...", "list more deltas for a release", deltaCommand, 0},
	{"promote", "--dir REPO --keys KEYDIR --version V --from CHANNEL --channel CHANNEL [--waves SHARES]", "list a release in another channel", promoteCommand, 0},
	{"waves", "VERSION --dir REPO [--fingerprint HEX]", "show who gets a release when", wavesCommand, 1},
	{"pause", "VERSION --dir REPO --keys KEYDIR", "close a release to those who do not have it yet", pauseCommand, 1},
	{"resume", "VERSION --dir REPO --keys KEYDIR", "let a paused release go on", resumeCommand, 1},
	{"withdraw", "VERSION --dir REPO --keys KEYDIR", "do not offer a release any more", withdrawCommand, 1},
	{"floor", "VERSION --dir REPO --keys KEYDIR", "let nothing older be installed any more", floorCommand, 1},
	{"rotate", "--dir REPO --request DIR --role ROLE=N:FILE.pub,...", "change who signs a role", rotateCommand, 0},
	{"refresh", "--dir REPO --keys KEYDIR", "sign anew what expires; for a timer", refreshCommand, 0},
	{"verify", "--dir REPO [--root FILE]", "check a repository as a stranger would", verifyCommand, 0},
	{"list", "--dir REPO", "show what is published", listCommand, 0},
	{"mirror", "--dir REPO --to DIR | --list", "copy a repository, or say in which order to", mirrorCommand, 0},
	{"serve", "--dir REPO [--listen ADDRESS]", "hand a repository out over HTTP", serveCommand, 0},
	{"sbom", "--version V PROGRAM...", "say what programs are made of, as CycloneDX", sbomCommand, 1 << 10},
}

// run is the program without the process around it; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "--help", "-help", "-h":
		usage(stdout)
		return exitOK
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.execute(ctx, args[1:], output{stdout, stderr})
		}
	}
	fmt.Fprintf(stderr, "error: there is no command %q; see limpet-release --help\n", args[0])
	return exitUsage
}

func (c command) execute(ctx context.Context, args []string, out output) int {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	act := c.setup(flags)
	if c.words > 0 && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		args = append(args[1:len(args):len(args)], args[0])
	}
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		out.printf("limpet-release %s: %s\n\n  limpet-release %s %s\n\n", c.name, c.summary, c.name, c.args)
		flags.SetOutput(out.stdout)
		flags.PrintDefaults()
		return exitOK
	case err != nil:
		err = usageError(err.Error())
	case flags.NArg() > c.words:
		err = usageError(fmt.Sprintf("%q is one word too many", flags.Arg(c.words)))
	default:
		err = act(ctx, out)
	}
	return out.end(c.name, err)
}

// end prints an error as one line and gives the exit code.
func (o output) end(name string, err error) int {
	var bad usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &bad):
		o.note("error: %s; see limpet-release %s --help", line(err), name)
		return exitUsage
	default:
		o.note("error: %s", line(err))
		return exitFailed
	}
}

// line is an error on one line, also when several were joined.
func line(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func usage(w io.Writer) {
	fmt.Fprintln(w, "limpet-release makes, signs and checks the repository that Limpet's releases come from.")
	fmt.Fprintln(w)
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %s\n           limpet-release %s %s\n", c.name, c.summary, c.name, c.args)
	}
	fmt.Fprint(w, `
limpet-release COMMAND --help tells more. Every command may be run again.
Exit codes: 0 done, 1 failed or does not verify, 2 the command line was not understood.
`)
}
