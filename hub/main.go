// Command limpet-hub is where agents connect, and the command line that asks and tells it things. `serve` runs the hub; every
// other command is a request to its HTTP interface. This package wires and prints; what is decided is decided below internal/.
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
	"text/tabwriter"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/client"
)

// version is set by the build.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// command is one word, or two, of the command line.
type command struct {
	name    string
	args    string // what follows, for the help
	summary string
	run     func(context.Context, *call) error
}

// commands in the order of the help.
func commands() []command {
	return []command{
		{"serve", "--data DIR [--release DIR] [--listen ADDR] [--name NAME]… [--cert F --key F]", "run the hub", serve},
		{"signin", "", "print a link that signs a browser in, once", signIn},
		{"token create", "[--uses N] [--ttl 24h] [--note TEXT] [--ephemeral[=1h]]", "make an enrolment token", tokenCreate},
		{"token list", "", "list the tokens", tokenList},
		{"token revoke", "ID", "end a token", tokenRevoke},
		{"agents", "", "list the agents", agents},
		{"agent show", "AGENT", "show one agent and its checks", agentShow},
		{"agent forget", "AGENT", "remove an agent; its key is refused until it enrols again", agentForget},
		{"problems", "", "list what is wrong now, worst first", problems},
		{"apply", "-f checks.yaml [--dry-run]", "say what runs where", apply},
		{"desired", "", "print the checks.yaml that is applied", desiredText},
		{"run", "AGENT CHECK", "run a check now; exits as the plugin did", runNow},
		{"look", "AGENT | --all", "have agents look for a newer release now", look},
		{"mirror add", "URL|DIR [--root-sha256 HEX]", "copy a release repository and serve it", mirrorAdd},
		{"mirror list", "", "list what is copied, and how that goes", mirrorList},
		{"mirror remove", "URL|DIR", "end copying from there", mirrorRemove},
		{"hold", "VERSION|HASH", "let no agent take up a release", holdRelease},
		{"unhold", "VERSION|HASH", "end that", unholdRelease},
		{"rollout list", "", "list how releases fare, and which the hub stopped", rolloutList},
		{"rollout limit", "[--percent N] [--hosts N]", "say when the hub stops a rollout", rolloutLimit},
		{"resume", "VERSION", "let a rollout that the hub stopped go on", resumeRollout},
		{"plugin add", "FILE [--name NAME] [--platform GOOS-GOARCH]", "put a plugin into the catalog: every check that names it runs it", pluginAdd},
		{"plugin list", "", "list the catalog", pluginList},
		{"plugin remove", "NAME [--platform GOOS-GOARCH]", "take a plugin out of the catalog", pluginRemove},
		{"key rotate", "--data DIR", "give the hub a new key; the old one vouches for it, and agents follow", keyRotate},
		{"site key", "--out NAME.key", "make an owner's key, on its keyholder's machine", siteKey},
		{"site init", "--data DIR --owner FILE.pub… | --role ROLE=N:FILE.pub,…", "take the site's root and targets offline", siteInit},
		{"site rotate", "--data DIR --role ROLE=N:FILE.pub,… | --online", "change who signs", siteRotate},
		{"site renew", "--data DIR", "sign anew what expires", siteRenew},
		{"site sign", "--data DIR --checks FILE | --plugin FILE | … ; or --request DIR --key FILE", "sign what may run; or, as a keyholder, a request", siteSign},
		{"site collect", "--data DIR --request DIR", "publish a request that enough have signed", siteCollect},
		{"site show", "--data DIR [--checks FILE]", "show who signs what, and what is allowed", siteShow},
		{"events", "[--follow] [--limit N]", "print the log", events},
		{"version", "", "print the version", printVersion},
		{"help", "", "print this", nil},
	}
}

// Exit codes (docs/limpet-hub.md). `run` exits with 0 to 3 for its plugin; ours begin at 64, as sysexits.h numbers them.
const (
	exitUsage       = 64
	exitInvalid     = 65 // the document holds mistakes
	exitNoFile      = 66 // a file, an agent, a check or a token is not there
	exitUnreachable = 69 // no hub answers
	exitFailed      = 70 // anything else
	exitAway        = 75 // the agent is not connected
	exitNotAllowed  = 77 // wrong key, unreadable file
)

var exitCodes = map[client.Kind]int{
	client.Refused: exitFailed, client.NotFound: exitNoFile, client.Invalid: exitInvalid, client.Away: exitAway,
	client.Unreachable: exitUnreachable, client.NoFile: exitNoFile, client.NotAllowed: exitNotAllowed,
}

// misuse is a command line that means nothing.
type misuse struct{ text, hint string }

func (m *misuse) Error() string { return m.text }

// exited is a command that ran to its end and has an exit code of its own.
type exited int

func (e exited) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// run is the program without its process.
func run(ctx context.Context, args []string, s streams) int {
	c, rest, err := find(args)
	if err == nil && c.run == nil {
		help(s.out)
		return 0
	}
	if err == nil {
		err = c.run(ctx, newCall(c, rest, s))
	}
	return explain(s.err, err)
}

// explain prints an error as one line, its hint as another, and gives the exit code.
func explain(w io.Writer, err error) int {
	var m *misuse
	var f *client.Fault
	var e exited
	text, hint, code := "", "", exitFailed
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return int(e)
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &m):
		text, hint, code = m.text, m.hint, exitUsage
	case errors.As(err, &f):
		text, hint, code = err.Error(), f.Hint, exitCodes[f.Kind]
	default:
		text = err.Error()
	}
	fmt.Fprintln(w, "error: "+oneLine(text))
	if hint != "" {
		fmt.Fprintln(w, "hint: "+oneLine(hint))
	}
	return code
}

func oneLine(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// find takes the command's words off the arguments.
func find(args []string) (command, []string, error) {
	if len(args) == 0 {
		return command{}, nil, &misuse{"no command given", "limpet-hub help lists them"}
	}
	switch args[0] {
	case "-h", "-help", "--help":
		args = []string{"help"}
	case "--version":
		args = []string{"version"}
	}
	for _, words := range []int{2, 1} {
		if len(args) < words {
			continue
		}
		for _, c := range commands() {
			if c.name == strings.Join(args[:words], " ") {
				return c, args[words:], nil
			}
		}
	}
	for _, c := range commands() {
		if first, _, two := strings.Cut(c.name, " "); two && first == args[0] {
			return command{}, nil, &misuse{args[0] + " needs another word", "limpet-hub help lists them: " + family(first)}
		}
	}
	return command{}, nil, &misuse{fmt.Sprintf("unknown command %q", args[0]), "limpet-hub help lists them"}
}

func family(first string) string {
	var names []string
	for _, c := range commands() {
		if strings.HasPrefix(c.name, first+" ") {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ", ")
}

func help(w io.Writer) {
	fmt.Fprint(w, "limpet-hub is where agents connect, and how you ask and tell them things.\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(t, "  limpet-hub %s\t%s\n", strings.TrimSpace(c.name+" "+c.args), c.summary)
	}
	_ = t.Flush()
	fmt.Fprint(w, `
Every command but serve finds the hub with --data DIR (the hub's own folder, on the same machine; default $LIMPET_HUB_DATA)
or with --hub URL --key-file F [--ca F]. Lists are printed for programs with --json.
An AGENT is a hostname, a fingerprint, or 4 characters or more of its beginning.

Exit codes: 0 done; run: 0 to 3 as its plugin; 64 wrong usage; 65 mistakes in checks.yaml; 66 not there; 69 no hub answers;
70 anything else; 75 the agent is not connected; 77 not allowed.
`)
}

func printVersion(_ context.Context, c *call) error {
	if err := c.parse(0); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "limpet-hub "+version)
	return nil
}

// call is one command line on its way.
type call struct {
	streams
	command command
	args    []string
	flags   *flag.FlagSet
	place   client.Place
	json    bool
}

func newCall(c command, args []string, s streams) *call {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return &call{streams: s, command: c, args: args, flags: fs}
}

// parse reads flags and words in any order, and wants exactly that many words.
func (c *call) parse(words int) error {
	var found []string
	for rest := c.args; ; {
		if err := c.flags.Parse(rest); errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(c.out, "limpet-hub %s %s\n%s\n", c.command.name, c.command.args, c.command.summary)
			c.flags.SetOutput(c.out)
			c.flags.PrintDefaults()
			return err
		} else if err != nil {
			return &misuse{err.Error(), c.usage()}
		}
		if c.flags.NArg() == 0 {
			break
		}
		found, rest = append(found, c.flags.Arg(0)), c.flags.Args()[1:]
	}
	if len(found) != words {
		return &misuse{fmt.Sprintf("%s takes %s, %d given", c.command.name, count(words, "word"), len(found)), c.usage()}
	}
	c.args = found
	return nil
}

func (c *call) usage() string {
	return "usage: " + strings.TrimSpace("limpet-hub "+c.command.name+" "+c.command.args)
}

// dial reads the flags that say where the hub is, and whatever the command added, and opens a client.
func (c *call) dial(words int) (*client.Client, error) {
	c.flags.StringVar(&c.place.Data, "data", os.Getenv("LIMPET_HUB_DATA"), "the hub's own `folder`, on this machine")
	c.flags.StringVar(&c.place.URL, "hub", "", "the hub's `URL`")
	c.flags.StringVar(&c.place.Key, "key-file", "", "`file` with the hub's admin key")
	c.flags.StringVar(&c.place.CA, "ca", "", "`file` with the CA of the hub's certificate (PEM)")
	c.flags.BoolVar(&c.json, "json", false, "print what the HTTP interface answers")
	if err := c.parse(words); err != nil {
		return nil, err
	}
	if c.place.URL == "" && c.place.Data == "" {
		return nil, &misuse{"which hub?", "give the hub's data folder with --data, or its address with --hub URL --key-file F"}
	}
	if c.place.URL != "" && c.place.Key == "" && c.place.Data == "" {
		return nil, &misuse{"--hub needs a key", "give a copy of the hub's admin.key with --key-file"}
	}
	return client.Open(c.place)
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// clean takes out of an agent's or plugin's text what would move a terminal's cursor or change its colours.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}

// age says how long something lies back.
func age(t time.Time) string {
	d := time.Since(t)
	switch {
	case t.IsZero():
		return "never"
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}
