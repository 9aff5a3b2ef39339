// Package config turns desired state as the hub sends it, within the limits that the box's owner wrote into the box file, into
// the set of checks that runs: whole or not at all. It is the one gate for executable content (DESIGN §2), and keeps the last
// known good document on disk.
//
// Take is pure but for what Rules ask. It runs nothing and fetches nothing; the box file is read elsewhere (platforms/boxfile).
package config

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/check/collector"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// Trust says whose word starts programs on this box.
type Trust string

// The values of `trust` in the box file, as Facts.trust reports them.
const (
	TrustHub    Trust = "hub"    // what the hub sends
	TrustSigned Trust = "signed" // only what the owner's offline site key has signed
)

// DefaultMaxChecks is how many checks one box takes: beyond it a document is a mistake.
const DefaultMaxChecks = wire.MaxChecks

// Box is what the owner of the box allows, from the box file.
type Box struct {
	Trust      Trust             // "" = TrustHub; what is neither counts as TrustSigned
	PluginDirs []string          // empty = plugin.DefaultDirs; else instead of them
	AllowArgs  map[string]string // plugin name → pattern that the whole argument line must match, see ArgLine
	Never      []string          // names of checks, plugins or builtins that never run here; * and ? match
	AllowRunAs []string          // users whom a check may name, "*" = any
	RunsAs     bool              // the box itself says whom plugins run as
	Macros     map[string]string // of the box, which win over a check's
	MaxChecks  int               // 0 = DefaultMaxChecks
	MinEvery   time.Duration     // 0 = check.MinEvery; a shorter interval is a problem
	MaxTimeout time.Duration     // 0 = check.MaxTimeout
	Collectors map[string]string // the owner's own collectors, see ParseLocal
	Inputs     map[string]int    // the owner's word on ports of inputs: "graphite", "statsd"; -1 = off, whatever the hub says
}

// Builtins is what comes with the agent (package builtin).
type Builtins interface {
	Defaults() []check.Check                // the checks that run with no configuration
	Names() []string                        // every builtin, sorted
	Valid(name string, args []string) error // whether the builtin reads these arguments
}

// Rules is all that Take decides by.
type Rules struct {
	Box      Box
	Builtins Builtins
	Plugins  func(name string) error // whether a plugin can be run here: plugin.Find; nil = not looked at
	Site     Site                    // what the fleet's owner has signed; nil = nothing
	Own      []check.Check           // the box's own checks; its owner put them there, so no trust is asked for
}

// Site is what the fleet's owner has signed (package catalog).
type Site interface {
	Signed(line string) error       // why this line (check.Check.Line) is not signed by the owner's offline keys; nil = it is
	Listed(name, hash string) error // why the catalog does not have this file under this name; nil = it does
}

// Set is what runs.
type Set struct {
	Revision uint64
	Checks   []check.Check // sorted by name, each valid
	// Collectors are those that are kept running, sorted by name, each valid; the owner's own have Local set.
	Collectors []collector.Spec
	// Graphite and StatsD are the ports of the loopback inputs, 0 = off.
	Graphite, StatsD int
	CPU              int      // percent of one processor that agent and plugins may take; 0 = the document does not say
	Notes            []string // one line each: what the owner should know although the set was taken ("check web: plugin check_http not found in ...")
}

// Take validates a whole document. Either problems is empty and the set can run as it is, or problems says, one line each (at most
// wire.MaxProblems), which check, what is wrong and what to do, and nothing of the document may run. nil means revision 0: the defaults alone;
// they never have problems, and those the box file's never list names are left out.
func Take(d *wire.Desired, r Rules) (s Set, problems []string) {
	t := taking{gate: newGate(r), names: map[string]bool{}}
	if limit := t.gate.maxChecks(); len(d.GetChecks()) > limit {
		return Set{}, []string{fmt.Sprintf("%d checks: this box takes at most %d", len(d.GetChecks()), limit)}
	}
	for _, w := range d.GetChecks() {
		t.add(w)
	}
	t.addOwn()
	t.addDefaults(d)
	t.addCollectors(d)
	if n := max(d.GetGraphitePort(), d.GetStatsdPort()); n > 65535 {
		t.problems = append(t.problems, fmt.Sprintf("inputs: %d is no port", n))
	}
	if len(t.problems) > 0 {
		return Set{}, bounded(t.problems)
	}
	slices.SortFunc(t.checks, func(a, b check.Check) int { return strings.Compare(a.Name, b.Name) })
	graphite, statsd := t.port("graphite", d.GetGraphitePort()), t.port("statsd", d.GetStatsdPort())
	return Set{Revision: d.GetRevision(), Checks: t.checks, Collectors: t.collectors, Graphite: graphite, StatsD: statsd, CPU: int(min(d.GetCpuPercent(), math.MaxInt32)), Notes: bounded(t.notes)}, nil
}

// taking is one document on its way through.
type taking struct {
	gate     gate
	names    map[string]bool
	checks   []check.Check
	problems []string
	notes    []string

	collectors []collector.Spec
}

func (t *taking) add(w *wire.Check) {
	c, err := wire.ToCheck(w)
	if err != nil {
		t.problems = append(t.problems, err.Error())
		return
	}
	if t.names[c.Name] {
		t.problems = append(t.problems, fmt.Sprintf("check %s: the name is there twice; a box can have it once", c.Name))
		return
	}
	t.names[c.Name] = true
	problems, note := t.gate.pass(c)
	for _, p := range problems {
		t.problems = append(t.problems, fmt.Sprintf("check %s: %s", c.Name, p))
	}
	if note != "" {
		t.notes = append(t.notes, fmt.Sprintf("check %s: %s", c.Name, note))
	}
	t.checks = append(t.checks, c)
}

// addOwn adds the box's own checks. A check of the document by the same name stands in their place (docs/decisions/082); one that cannot run is
// left out and told, never a reason to reject what the hub wants.
func (t *taking) addOwn() {
	for _, c := range t.gate.rules.Own {
		if why := t.notOwn(c); why != "" {
			t.notes = append(t.notes, fmt.Sprintf("own check %s: left out, %s", c.Name, why))
			continue
		}
		t.names[c.Name] = true
		t.checks = append(t.checks, c)
	}
}

// notOwn says why one of the box's own checks does not run, or "".
func (t *taking) notOwn(c check.Check) string {
	if word := t.gate.never(c); word != "" {
		return "the box file says never = " + word
	}
	if err := c.Validate(); err != nil {
		return err.Error()
	}
	switch {
	case t.names[c.Name]:
		return "the hub has one by that name"
	case len(t.checks) >= t.gate.maxChecks():
		return fmt.Sprintf("this box takes at most %d checks", t.gate.maxChecks())
	}
	return ""
}

// addDefaults adds the default checks that the document neither replaces nor turns off.
func (t *taking) addDefaults(d *wire.Desired) {
	defaults := t.gate.rules.Builtins.Defaults()
	var known []string
	for _, c := range defaults {
		known = append(known, c.Name)
	}
	for _, name := range d.GetDisable() {
		if !slices.Contains(known, name) {
			t.notes = append(t.notes, fmt.Sprintf("disable: there is no default check %.80q%s", name, didYouMean(name, known)))
		}
	}
	if d.GetNoDefaults() {
		return
	}
	for _, c := range defaults {
		if t.names[c.Name] || slices.Contains(d.GetDisable(), c.Name) {
			continue
		}
		if word := t.gate.never(c); word != "" {
			t.notes = append(t.notes, fmt.Sprintf("default check %s: left out, the box file says never = %s", c.Name, word))
			continue
		}
		t.checks = append(t.checks, c)
	}
}

// About says whether a line of Take's, a problem or a note, is about the check of this name.
func About(line, name string) bool {
	for _, before := range []string{"check ", "own check ", "default check "} {
		if rest, ok := strings.CutPrefix(line, before+name); ok && strings.HasPrefix(rest, ": ") {
			return true
		}
	}
	return false
}

// bounded keeps a report within what the wire takes, and says how much is left out.
func bounded(lines []string) []string {
	if len(lines) <= wire.MaxProblems {
		return lines
	}
	more := len(lines) - wire.MaxProblems + 1
	return append(lines[:wire.MaxProblems-1:wire.MaxProblems-1], fmt.Sprintf("and %d more", more))
}

// Changes says what differs between two sets, by check name, each sorted.
type Changes struct{ Added, Changed, Removed []string }

// Diff compares two sets.
func Diff(old, new Set) Changes {
	before := make(map[string]check.Check, len(old.Checks))
	for _, c := range old.Checks {
		before[c.Name] = c
	}
	var d Changes
	for _, c := range new.Checks {
		was, ok := before[c.Name]
		delete(before, c.Name)
		switch {
		case !ok:
			d.Added = append(d.Added, c.Name)
		case !was.Equal(c):
			d.Changed = append(d.Changed, c.Name)
		}
	}
	for name := range before {
		d.Removed = append(d.Removed, name)
	}
	slices.Sort(d.Added)
	slices.Sort(d.Changed)
	slices.Sort(d.Removed)
	return d
}

// matches is a name against an entry of the never list.
func matches(pattern, name string) bool {
	if pattern == name {
		return true
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
