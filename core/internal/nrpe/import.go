package nrpe

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/imported"
)

// Env is where an import takes place.
type Env struct {
	Stdout, Stderr io.Writer
	Dir            string // state/imported
	// Reload has the running agent take the checks; its error is for people, and means that they run once an agent does.
	Reload func(context.Context) error
}

// Usual are the places where NRPE's configuration lies, the first that exists counts.
var Usual = []string{"/etc/nagios/nrpe.cfg", "/usr/local/nagios/etc/nrpe.cfg", "/etc/nrpe.cfg", "/etc/nrpe/nrpe.cfg", "/etc/icinga/nrpe.cfg",
	"/usr/local/etc/nrpe.cfg", "/opt/nagios/etc/nrpe.cfg"}

const agentName = "nrpe"

const usage = `limpet import nrpe [FILE] [--dry-run] [--every [NAME=]1m] [--check 'NAME=COMMAND!ARG1!ARG2'] [--remove]

Makes checks of this box's own from the commands of NRPE: they run beside it, from now on. It changes
nothing of NRPE's. Called again it takes over what has changed.

  FILE             NRPE's configuration; without: /etc/nagios/nrpe.cfg, or where else it usually lies
  --dry-run        say what would be done, and do nothing
  --every 5m       how often they run (1m); --every NAME=5m: one of them; both are kept
  --check N=C!A!B  a check N of a command C with arguments, as NRPE's server asks for it; kept, --check N= drops it
  --remove         take the checks away again

Exit codes: 0 done, 1 it failed, 2 wrong usage.
`

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

type options struct {
	file        string
	dry, remove bool
	every       map[string]time.Duration
	wishes      map[string]string
}

func parse(args []string) (options, error) {
	o := options{every: map[string]time.Duration{}, wishes: map[string]string{}}
	f := flag.NewFlagSet("import nrpe", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&o.dry, "dry-run", false, "")
	f.BoolVar(&o.remove, "remove", false, "")
	f.Func("every", "", o.setEvery)
	f.Func("check", "", o.setCheck)
	for len(args) > 0 {
		if err := f.Parse(args); err != nil {
			return o, err
		}
		args = f.Args()
		if len(args) > 0 {
			if o.file != "" {
				return o, fmt.Errorf("import nrpe: one file, not %q and %q", o.file, args[0])
			}
			o.file, args = args[0], args[1:]
		}
	}
	return o, nil
}

func (o *options) setEvery(text string) error {
	name, text, named := strings.Cut(text, "=")
	if !named {
		name, text = "", name
	}
	d, err := time.ParseDuration(text)
	if err == nil && (d < check.MinEvery || d > check.MaxEvery) {
		err = fmt.Errorf("an interval is %s to %s", check.MinEvery, check.MaxEvery)
	}
	o.every[name] = d
	return err
}

func (o *options) setCheck(text string) error {
	name, request, ok := strings.Cut(text, "=")
	if !ok || !check.ValidName(name) {
		return errors.New("it is like NAME=COMMAND!ARG1!ARG2, where NAME is letters, digits, '.', '_' or '-'")
	}
	o.wishes[name] = request
	return nil
}

// Main runs `limpet import nrpe` with the arguments after these words and returns the exit code.
func Main(ctx context.Context, args []string, e Env) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(e.Stdout, usage)
		return 0
	}
	if err != nil {
		return complain(e.Stderr, exitUsage, err, "limpet import nrpe --help")
	}
	before, err := imported.Load(e.Dir, agentName)
	if err != nil {
		fmt.Fprintln(e.Stderr, "warning:", err)
	}
	if o.remove {
		return e.remove(ctx, o, before)
	}
	if o.file == "" {
		if o.file = find(); o.file == "" {
			return complain(e.Stderr, exitFailed, errors.New("there is no configuration of NRPE in any of its usual places"), "name it: limpet import nrpe FILE")
		}
	}
	if full, err := filepath.Abs(o.file); err == nil {
		o.file = full
	}
	d, err := read(o.file)
	if err != nil {
		return complain(e.Stderr, exitFailed, fmt.Errorf("read NRPE's configuration: %w", err), "")
	}
	p, err := d.convert(o.choice(before))
	if err != nil {
		return complain(e.Stderr, exitFailed, err, "")
	}
	e.tell(o, before, p)
	if o.dry {
		return 0
	}
	if err := imported.Save(e.Dir, agentName, imported.File{From: o.file, Checks: p.checks}); err != nil {
		return complain(e.Stderr, exitFailed, err, "it is for who runs limpet, mostly root")
	}
	e.reload(ctx, fmt.Sprintf("%d checks run from now on, beside NRPE; at the hub they stand under this box", len(p.checks)))
	return 0
}

// find is NRPE's configuration where it usually lies, or "".
func find() string {
	for _, path := range Usual {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

func (e Env) remove(ctx context.Context, o options, before imported.File) int {
	for _, c := range before.Checks {
		fmt.Fprintf(e.Stdout, "- %s\n", c.Name)
	}
	if o.dry {
		return 0
	}
	if err := imported.Remove(e.Dir, agentName); err != nil {
		return complain(e.Stderr, exitFailed, err, "")
	}
	e.reload(ctx, "the checks from NRPE run no more")
	return 0
}

// reload has the agent take what was written.
func (e Env) reload(ctx context.Context, done string) {
	if err := e.Reload(ctx); err != nil {
		fmt.Fprintf(e.Stdout, "\nThis holds once limpet runs here (%v).\n", err)
		return
	}
	fmt.Fprintf(e.Stdout, "\n%s.\n", strings.ToUpper(done[:1])+done[1:])
}

// choice joins what is said now with what was said at the import before.
func (o options) choice(before imported.File) choice {
	c := choice{every: map[string]time.Duration{"": defaultEvery}, root: os.Geteuid() == 0}
	if u, err := user.Current(); err == nil {
		c.self = u.Username
	}
	common := everyOf(before.Checks)
	if common > 0 {
		c.every[""] = common
	}
	for _, old := range before.Checks {
		if d, err := time.ParseDuration(old.Every); err == nil && d != common {
			c.every[old.Name] = d
		}
		if _, said := o.wishes[old.Name]; !said && old.Request != "" && checkName(old.Request) != old.Name {
			c.wishes = append(c.wishes, wish{old.Name, old.Request})
		}
	}
	for name, d := range o.every {
		c.every[name] = d
	}
	for name, request := range o.wishes {
		if request != "" {
			c.wishes = append(c.wishes, wish{name, request})
		}
	}
	slices.SortFunc(c.wishes, func(a, b wish) int { return strings.Compare(a.name, b.name) })
	return c
}

// everyOf is the interval that most checks have, 0 for none.
func everyOf(checks []imported.Check) time.Duration {
	count := map[string]int{}
	most := ""
	for _, c := range checks {
		if count[c.Every]++; count[c.Every] > count[most] {
			most = c.Every
		}
	}
	d, err := time.ParseDuration(most)
	if err != nil {
		return 0
	}
	return d
}

// tell says what becomes of each command.
func (e Env) tell(o options, before imported.File, p plan) {
	fmt.Fprintf(e.Stdout, "from %s:\n", o.file)
	old := map[string]imported.Check{}
	for _, c := range before.Checks {
		old[c.Name] = c
	}
	for _, c := range p.checks {
		mark := "+"
		if was, ok := old[c.Name]; ok {
			mark = "="
			if !same(was, c) {
				mark = "~"
			}
		}
		delete(old, c.Name)
		fmt.Fprintf(e.Stdout, "%s %-24s %s\n", mark, c.Name, describe(c))
	}
	for _, c := range before.Checks {
		if _, gone := old[c.Name]; gone {
			fmt.Fprintf(e.Stdout, "- %s\n", c.Name)
		}
	}
	list(e.Stdout, "not carried over:", p.troubles)
	list(e.Stdout, "notes:", p.notes)
}

func list(w io.Writer, title string, all []trouble) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, t := range all {
		fmt.Fprintf(w, "  %s: %s\n", t.at, t.why)
	}
}

func describe(c imported.Check) string {
	line := strings.Join(c.Command, " ")
	if len(c.Command) == 3 && c.Command[1] == "-c" {
		line = c.Command[2]
	}
	return fmt.Sprintf("%s  (every %s, %s at most%s)", line, short(c.Every), short(c.Timeout), as(c.User))
}

func as(name string) string {
	if name == "" {
		return ""
	}
	return ", as " + name
}

// short writes "1m" for Go's "1m0s".
func short(d string) string {
	if strings.HasSuffix(d, "m0s") {
		d = strings.TrimSuffix(d, "0s")
	}
	if strings.HasSuffix(d, "h0m") {
		d = strings.TrimSuffix(d, "0m")
	}
	return d
}

func same(a, b imported.Check) bool {
	return a.Name == b.Name && slices.Equal(a.Command, b.Command) && a.Every == b.Every && a.Timeout == b.Timeout && a.User == b.User && a.Group == b.Group && a.Request == b.Request
}

func complain(w io.Writer, exit int, err error, hint string) int {
	fmt.Fprintln(w, "error:", err)
	if hint != "" {
		fmt.Fprintln(w, "hint:", hint)
	}
	return exit
}
