// Package collector says what a collector is: a long-running program of somebody else's (collectd, telegraf, fluentd, fluent-bit, otelcol,
// diamond, any command) that an agent configures, starts and keeps running. It holds the words (Spec), what is known of each kind, and the
// templates of configuration texts. It is a leaf: it runs nothing, reads no file, and knows no wire format. docs/collectors.md is for people.
package collector

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// Limits of a collector. What is beyond them is refused, never clipped.
const (
	MaxConfig      = 256 << 10 // bytes of a configuration text, before it is expanded
	MaxCollectors  = 32        // on one box
	MinMemory      = 8 << 20   // bytes: less, and nothing starts
	MinHealthEvery = 5 * time.Second
	MaxHealthEvery = time.Hour
	// DefaultHealthEvery is used where a health command stands without an interval.
	DefaultHealthEvery = 30 * time.Second
)

// Command is the kind of a collector of which nothing is known but what its Spec says.
const Command = "command"

// Kind is what is known of one kind: where its program is, and which arguments run it in the foreground and test a configuration.
// `{{.Config}}` in them is the configuration's file.
type Kind struct {
	Program string   // looked for in the system's program folders
	File    string   // what its configuration file is called
	Run     []string // arguments to run it with
	Test    []string // arguments with which it reads its configuration, says what is wrong, and ends; nil = it cannot
	// Stumble is put behind the configuration for the test, where the program can only be had to read it by starting: its parser stops there, and
	// says Passes of that line (%d), if nothing before stopped it (docs/decisions/087).
	Stumble, Passes string
	// Whole says that the test is a run of the same command that ends when it has read its configuration: arguments of the spec's own stand in it, too, because
	// they may name what the configuration uses (plugins, parsers). Apart are those with which it would run on, or end before it has read anything.
	Whole bool
	Apart []string
	// Leads says that the program ends by itself what it has started: asked to end is its own process alone. fluentd's manual wants signals for its
	// supervisor only; diamond waits for ever for a queue whose process got the signal, too.
	Leads bool
}

// kinds by name. The arguments are those of the programs' own manuals.
var kinds = map[string]Kind{
	"collectd": {
		Leads: true, Whole: true, Program: "collectd", File: "collectd.conf", Run: []string{"-f", "-C", "{{.Config}}"}, Test: []string{"-f", "-C", "{{.Config}}"},
		Stumble: "</limpet>", Passes: "line %d near `/'",
	},
	"telegraf": {
		Leads: true, Program: "telegraf", File: "telegraf.conf", Run: []string{"--config", "{{.Config}}"},
		Test: []string{"config", "check", "--config", "{{.Config}}"},
	},
	"fluentd": {
		// A worker without a supervisor knows no --dry-run: it would take its ports and work.
		Leads: true, Whole: true, Apart: []string{"--no-supervisor", "--under-supervisor"},
		Program: "fluentd", File: "fluent.conf", Run: []string{"-c", "{{.Config}}"}, Test: []string{"--dry-run", "-c", "{{.Config}}"},
	},
	"fluent-bit": {
		// Its supervisor would start a test that fails again and again; in the background it ends before it reads.
		Leads: true, Whole: true, Apart: []string{"--supervisor", "-d", "--daemon"},
		Program: "fluent-bit", File: "fluent-bit.conf", Run: []string{"-c", "{{.Config}}"}, Test: []string{"--dry-run", "-c", "{{.Config}}"},
	},
	"otelcol": {
		Leads: true, Whole: true, Program: "otelcol", File: "otelcol.yaml", Run: []string{"--config=file:{{.Config}}"}, Test: []string{"validate", "--config=file:{{.Config}}"},
	},
	"diamond": {
		// Without --skip-change-user it wants a user and a group named in its configuration, and ends where there are none.
		Leads: true, Program: "diamond", File: "diamond.conf",
		Run: []string{"--foreground", "--skip-pidfile", "--skip-change-user", "--log-stdout", "--configfile", "{{.Config}}"},
	},
	Command: {File: "config"},
}

// TestWith is the words of its test command for arguments of a spec's own.
func (k Kind) TestWith(args []string) []string {
	words := slices.Clone(k.Test)
	if k.Whole {
		words = append(words, slices.DeleteFunc(slices.Clone(args), func(a string) bool { return slices.Contains(k.Apart, a) })...)
	}
	return words
}

// Kinds are the names of all kinds, sorted.
func Kinds() []string {
	var names []string
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Spec is one collector as it is wanted. Args, Config, Test and Health are templates (Parse).
type Spec struct {
	Name        string   // unique on an agent; as a check's name
	Kind        string   // one of Kinds
	Program     string   // absolute, or a bare name that is looked for; "" = the kind's own
	Args        []string // behind the kind's own
	Config      string   // text of its configuration; "" = none
	File        string   // what the configuration's file is called; "" = the kind's own
	Test        []string // arguments that test the configuration, instead of the kind's own
	Health      []string // a command, its program first, that ends with 0 while the collector is well; nil = none
	HealthEvery time.Duration
	Memory      int64 // bytes that it may use with all it starts; 0 = no limit
	// Local is a configuration file of the box's owner that is used as it is, instead of Config. Only the box file sets it.
	Local string
}

// KindOf is what is known of the spec's kind.
func (s Spec) KindOf() Kind { return kinds[s.Kind] }

// Validate says what is wrong with a spec, the first thing found, as a sentence for people without the collector's name.
func (s Spec) Validate() error {
	if !check.ValidName(s.Name) || s.Name[0] == '.' || s.Name[0] == '-' {
		return fmt.Errorf("name %.80q: a collector's name is 1 to %d letters, digits, '.', '_' or '-', and begins with none of the latter two", s.Name, check.MaxName)
	}
	kind, known := kinds[s.Kind]
	switch {
	case !known:
		return fmt.Errorf("kind %.80q: there are %s", s.Kind, strings.Join(Kinds(), ", "))
	case s.Program == "" && kind.Program == "":
		return errors.New("kind command needs a program")
	case s.Program != "" && !ValidProgram(s.Program):
		return fmt.Errorf("program %.80q: an absolute path, or a file name that is looked for in the system's program folders", s.Program)
	case s.File != "" && !check.ValidFile(s.File):
		return fmt.Errorf("file %.80q: a bare file name", s.File)
	case s.Config == "" && s.Local == "" && s.Kind != Command:
		return errors.New("it has no config")
	case len(s.Config) > MaxConfig:
		return fmt.Errorf("config has %d bytes, the limit is %d", len(s.Config), MaxConfig)
	case s.Memory != 0 && s.Memory < MinMemory:
		return fmt.Errorf("memory %d: at least %d bytes", s.Memory, MinMemory)
	case len(s.Health) > 0 && !ValidProgram(s.Health[0]):
		return fmt.Errorf("health %.80q: its program first, an absolute path or a file name", s.Health[0])
	case len(s.Health) > 0 && (s.HealthEvery < MinHealthEvery || s.HealthEvery > MaxHealthEvery):
		return fmt.Errorf("health_every %s: from %s to %s", s.HealthEvery, MinHealthEvery, MaxHealthEvery)
	}
	return s.validateTemplates()
}

func (s Spec) validateTemplates() error {
	for _, list := range []struct {
		what string
		args []string
	}{{"args", s.Args}, {"test", s.Test}, {"health", s.Health}} {
		if err := validArgs(list.args); err != nil {
			return fmt.Errorf("%s: %w", list.what, err)
		}
	}
	if _, err := Parse(s.Config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

func validArgs(args []string) error {
	if len(args) > check.MaxArgs {
		return fmt.Errorf("%d arguments, the limit is %d", len(args), check.MaxArgs)
	}
	for _, a := range args {
		switch _, err := Parse(a); {
		case len(a) > check.MaxArg:
			return fmt.Errorf("an argument of %d bytes, the limit is %d", len(a), check.MaxArg)
		case strings.ContainsRune(a, 0):
			return errors.New("an argument holds a NUL")
		case err != nil:
			return fmt.Errorf("%.80q: %w", a, err)
		}
	}
	return nil
}

// ValidProgram says whether a word can name a program: an absolute, clean path, or a bare file name.
func ValidProgram(s string) bool {
	if strings.HasPrefix(s, "/") {
		return s != "/" && path.Clean(s) == s && len(s) <= 1024 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
	}
	return check.ValidFile(s)
}
