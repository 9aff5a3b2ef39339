package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/agent"
	"github.com/limpet-monitoring/limpet/core/internal/builtin"
	"github.com/limpet-monitoring/limpet/core/internal/control"
	"github.com/limpet-monitoring/limpet/core/internal/local"
	"github.com/limpet-monitoring/limpet/core/internal/nrpe"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
	"github.com/limpet-monitoring/limpet/core/internal/syslog"
	"github.com/limpet-monitoring/limpet/core/internal/try"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
)

// Exit codes beside those of `try`.
const (
	exitFailed = 1
	exitUsage  = 2
)

const deregisterTime = 5 * time.Second // a hub that is slower is told nothing

const askTime = 2 * time.Second // docs/stub-contract.md, section 5

const usage = `limpet-core is run by limpet; these are the commands it lends to limpet:

  limpet try FILE [ARGS...]    run a check script just as the agent would, and show what the hub would see
  limpet import nrpe [FILE]    take over the commands of NRPE on this box as checks of its own
  limpet status [--json]       what this agent does (limpet puts its own part before it)
  limpet why CHECK             why a check is as it is, or does not run here
  limpet enrol [--token-file FILE]   show a new token to the hub: a new one, or one made anew; this box stays who it is
  limpet doctor [--json]       examine everything between this box and its hub, and say what to do
  limpet bundle [FILE]         write a support archive, without keys, tokens and passwords
  limpet buffer [--json] [--records]   what is kept on disk until the hub has it
  limpet version               versions of stub and core
`

// usageOf is what usage says of a command, "" for one that says more by itself: all of it may be a script's arguments.
func usageOf(word string) string {
	if word == "try" || word == "import" {
		return ""
	}
	for text := range strings.Lines(usage) {
		if strings.HasPrefix(text, "  limpet "+word+" ") {
			return text
		}
	}
	return ""
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	word, args := args[0], args[1:]
	if word == "patch" || word == "unpack" {
		return patch(ctx, word, args, os.Stdin, stderr)
	}
	if help := usageOf(word); help != "" && (slices.Contains(args, "--help") || slices.Contains(args, "-h")) {
		fmt.Fprint(stdout, help)
		return 0
	}
	layout, args, err := locate(word, args)
	if err != nil {
		return fail(stderr, err, "")
	}
	switch word {
	case "run":
		return serve(ctx, layout, args, stderr)
	case "status":
		return status(ctx, layout, args, stdout, stderr)
	case "why":
		return why(ctx, layout, args, stdout, stderr)
	case "deregister":
		return deregister(ctx, layout, args, stdout, stderr)
	case "enrol":
		return enrol(ctx, layout, args, os.Stdin, stdout, stderr)
	case "doctor":
		return examine(ctx, layout, args, stdout, stderr)
	case "bundle":
		return pack(ctx, layout, args, stdout, stderr)
	case "buffer":
		return showBuffer(layout, args, stdout, stderr)
	case "try":
		return tryOut(ctx, layout, args, stdout, stderr)
	case "import":
		return importChecks(ctx, layout, args, stdout, stderr)
	case "version":
		fmt.Fprintln(stdout, version)
		return 0
	case "help", "-h", "--help":
		fmt.Fprint(stdout, usage)
		return 0
	}
	fmt.Fprintf(stderr, "error: unknown command %q\nhint: limpet help lists the commands\n", word)
	return exitUsage
}

// locate takes --root DIR off the arguments. What follows a script's name belongs to the script: there only the front counts.
func locate(word string, args []string) (platforms.Layout, []string, error) {
	root := os.Getenv("LIMPET_ROOT")
	at := slices.Index(args, "--root")
	if at >= 0 && at+1 < len(args) && (at == 0 || word != "try") {
		root = args[at+1]
		args = slices.Delete(slices.Clone(args), at, at+2)
	}
	layout, err := platforms.Locate(root)
	return layout, args, err
}

// serve is the agent itself. Its log goes to stderr, which the stub made a file.
func serve(ctx context.Context, layout platforms.Layout, args []string, stderr io.Writer) int {
	standby := ""
	switch {
	case len(args) == 2 && args[0] == "--standby" && control.ValidNonce(args[1]):
		standby = args[1]
	case len(args) > 0:
		fmt.Fprintf(stderr, "error: run does not know %q\n", args)
		return exitUsage
	}
	token := os.Getenv("LIMPET_TOKEN")
	os.Unsetenv("LIMPET_TOKEN")
	stub, err := control.Take()
	if err != nil {
		return fail(stderr, err, "start the agent with limpet run")
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // not Ignore: plugins would inherit that
	platforms.NameProcess("limpet-core")
	if err := platforms.AdoptOrphans(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		fmt.Fprintln(stderr, "warning:", err)
	}
	platforms.MuteChildren()
	plugin.WatchOrphans()
	if err := platforms.DumpNothing(); err != nil {
		fmt.Fprintln(stderr, "warning:", err)
	}
	var handler slog.Handler = slog.NewTextHandler(stderr, nil)
	if layout.Root == "" { // an installed box, not one below a folder of its own
		handler = syslog.Handler(handler, platforms.CoreName)
	}
	log := slog.New(handler)
	log.Info("core starts", "version", version, "pid", os.Getpid(), "standby", standby != "")
	err = agent.Run(ctx, agent.Options{Layout: layout, Version: version, Built: builtTime(), Stub: stub, Token: token, Standby: standby, Log: log})
	if err != nil {
		log.Error("core ends", "err", err)
		return exitFailed
	}
	log.Info("core ends")
	return 0
}

// builtTime is built as a time, zero for a core that does not know.
func builtTime() time.Time {
	seconds, err := strconv.ParseInt(built, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// deregister has the running core tell the hub that this box goes; `limpet uninstall` calls it.
func deregister(ctx context.Context, layout platforms.Layout, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		fmt.Fprintf(stderr, "error: deregister does not know %q\n", args)
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(ctx, deregisterTime)
	defer cancel()
	answer, err := local.Ask(ctx, layout.Socket(), "deregister")
	if err != nil {
		return fail(stderr, err, "limpet-hub agent forget takes the box out of the hub's list")
	}
	stdout.Write(answer)
	return 0
}

// status asks the running core. It prints nothing where none answers: limpet says that.
func status(ctx context.Context, layout platforms.Layout, args []string, stdout, stderr io.Writer) int {
	asJSON, part := false, false
	for _, a := range args {
		switch a {
		case "--json":
			asJSON = true
		case "--part":
			part = true
		default:
			fmt.Fprintf(stderr, "error: status does not know %q\n", a)
			return exitUsage
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	question := "status"
	if part {
		question = agent.PartQuestion
	}
	answer, err := local.Ask(ctx, layout.Socket(), question)
	if err != nil && part { // the core that runs may be older than this file
		answer, err = local.Ask(ctx, layout.Socket(), "status")
	}
	if err != nil {
		return fail(stderr, err, "")
	}
	var s agent.Status
	if err := json.Unmarshal(answer, &s); err != nil {
		return fail(stderr, fmt.Errorf("read the core's answer: %w", err), "")
	}
	if part {
		answer = s.Fit()
	}
	if asJSON {
		fmt.Fprintf(stdout, "%s\n", answer)
		return 0
	}
	s.Print(stdout, time.Now())
	return 0
}

// why asks the running core about one check; without one `limpet why` is limpet's own.
func why(ctx context.Context, layout platforms.Layout, args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 || !check.ValidName(args[0]) {
		fmt.Fprintln(stderr, "error: why is asked about one check\nhint: limpet why CHECK; limpet status lists them")
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answer, err := local.Ask(ctx, layout.Socket(), agent.WhyQuestion+" "+args[0])
	if err != nil {
		return fail(stderr, err, "limpet status says whether the agent runs")
	}
	stdout.Write(answer)
	return 0
}

func tryOut(ctx context.Context, layout platforms.Layout, args []string, stdout, stderr io.Writer) int {
	box, _, err := boxfile.Read(layout.BoxFile())
	if err != nil {
		fmt.Fprintln(stderr, "warning:", err)
	}
	known := builtin.New(builtin.Env{})
	return try.Main(ctx, args, try.Env{
		Stdout: stdout, Stderr: stderr, Runner: agent.RunnerOf(box), Builtins: known.Names(),
		Builtin: func(ctx context.Context, c check.Check, t check.Trigger, due time.Time, out func(bool, []byte)) check.Result {
			return agent.RunBuiltin(ctx, known, c, t, due, out)
		},
	})
}

// importChecks takes over the checks of another agent on this box.
func importChecks(ctx context.Context, layout platforms.Layout, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && (args[0] == "--help" || args[0] == "-h") {
		args = []string{"nrpe", "--help"}
	}
	if len(args) == 0 || args[0] != "nrpe" {
		fmt.Fprintln(stderr, "error: import takes over from one kind of agent\nhint: limpet import nrpe [FILE]")
		return exitUsage
	}
	return nrpe.Main(ctx, args[1:], nrpe.Env{Stdout: stdout, Stderr: stderr, Dir: layout.Imported(), Reload: func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		_, err := local.Ask(ctx, layout.Socket(), "reload")
		return err
	}})
}

func fail(stderr io.Writer, err error, hint string) int {
	fmt.Fprintln(stderr, "error:", check.Shown(err.Error())) // which may quote a hub, or a file
	if hint != "" {
		fmt.Fprintln(stderr, "hint:", hint)
	}
	return exitFailed
}
