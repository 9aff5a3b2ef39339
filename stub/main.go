// Command limpet is the stub: the service process of a box, which an update never replaces. It finds
// the core that the record names, hashes it, starts it from the hashed descriptor, watches it, and
// starts it again when it dies or hangs. It is also the command a person types; what it does not
// know itself it hands to the core, verified first.
//
// It opens no socket and parses nothing that came from the network: a short-lived child of this same
// binary (`limpet verify`) reads the signed metadata. The supervisor's state belongs to one
// goroutine. What stub and core promise each other is docs/stub-contract.md.
package main

import (
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms"
)

// version is set when a release is built.
var version = "dev"

// contract is the version of docs/stub-contract.md that this stub speaks.
const contract = 1

const platform = runtime.GOOS + "-" + runtime.GOARCH

func main() {
	confineVerifier(os.Args[1:], os.Stdout)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process around it: arguments in, exit code out.
func run(args []string, stdout, stderr io.Writer) int {
	err := command(args, stdout, stderr)
	if err == nil {
		return exitDone
	}
	return explain(stderr, err)
}

func command(args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, os.Getenv("LIMPET_ROOT"))
	if err != nil {
		return err
	}
	switch c.name {
	case "", "help", "-h", "--help":
		io.WriteString(stdout, "limpet watches this box.\n\n"+usage+lent)
		return nil
	case "version", "--version":
		io.WriteString(stdout, "limpet "+version+" (contract 1, "+platform+")\n")
		return nil
	case "verify":
		return verify(c.args, stdout)
	}
	if help := usageOf(c.name); help != "" && (slices.Contains(c.args, "--help") || slices.Contains(c.args, "-h")) {
		io.WriteString(stdout, help)
		return nil
	}
	l, err := platforms.Locate(c.root)
	if err != nil {
		return err
	}
	switch c.name {
	case "run":
		if len(c.args) > 0 {
			return misuse("run takes no argument but --root DIR, not " + c.args[0])
		}
		return supervise(l, stderr)
	case "status":
		return status(l, c.args, stdout)
	case "uninstall":
		return uninstall(l, c.args)
	case "upgrade-stub":
		return upgradeStub(l, c.args)
	case "history":
		if len(c.args) > 0 {
			return misuse("history takes no argument but --root DIR, not " + line(c.args[0]))
		}
		return history(l, stdout)
	case "why":
		if len(c.args) == 0 {
			return why(l, stdout)
		}
	}
	if _, ours := localCommands[c.name]; ours {
		return local(l, c, stdout)
	}
	return handOver(l, c)
}

// usageOf is the line of usage that is about a command, "" for one that is not limpet's own.
func usageOf(name string) string {
	for text := range strings.Lines(usage) {
		if words := strings.Fields(text[:min(len(text), explained)]); len(words) > 1 && (words[1] == name || len(words) == 4 && words[2] == "|" && words[3] == name) {
			return text
		}
	}
	return ""
}

// explained is the column from which a line of usage says what the command does.
const explained = 38

const usage = `  limpet run [--root DIR]             the service process: starts the core and keeps it running
  limpet status [--root DIR] [--json] what runs, and how it is
  limpet why [CHECK]                  why this box is not on the newest release; why a check is as it is
  limpet history                      what became of each release here
  limpet look [--wait]                look for a newer release now
  limpet hold | resume                stop updating; go on
  limpet pin VERSION                  run exactly that release
  limpet follow [CHANNEL]             end a pin; follow a channel
  limpet rollback [VERSION]           go back to the release before, or to that one, and stay there
  limpet unbar HASH                   let a release try again that failed here
  limpet upgrade-stub [VERSION]       replace limpet itself, by hand; --back: the one before
  limpet uninstall [--purge]          take limpet off this box; --purge: key and fingerprint, too
  limpet version                      the version of this program
  limpet help                         this text
`

const lent = `
Every other command is the core's, which is verified first and runs with your rights:

  limpet try ./check_x.sh             run a plugin just as the agent would
  limpet import nrpe                  take over the commands of NRPE as checks of this box
  limpet enrol [--token-file FILE]    show the hub a new token: one of a hub made anew, say
  limpet doctor [--json]              what stands between this box and its hub, and what to do
  limpet bundle [FILE]                a support archive without keys, tokens and passwords
  limpet buffer [--records]           what is kept on disk until the hub has it

--root DIR keeps everything below one folder; LIMPET_ROOT does the same. limpet COMMAND --help tells more.
`
