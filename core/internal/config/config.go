// Package config turns desired state as the hub sends it, within the limits that the box's owner wrote into the box file, into
// the set of checks that runs: whole or not at all. It is the one gate for executable content (DESIGN §2), and keeps the last
// known good document on disk.
//
// Take is pure. It runs nothing and fetches nothing; the box file is read elsewhere.
package config

import (
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// Trust says whose word starts programs on this box.
type Trust string

// The values of `trust` in the box file, as Facts.trust reports them.
const (
	TrustHub    Trust = "hub"    // what the hub sends
	TrustSigned Trust = "signed" // only what the owner's offline site key has signed
)

// Box is what the owner of the box allows, from the box file.
type Box struct {
	Trust      Trust             // "" = TrustHub
	PluginDirs []string          // empty = plugin.DefaultDirs; else instead of them
	AllowArgs  map[string]string // plugin name → pattern that the whole argument line must match, see ArgLine
	Never      []string          // names of checks, plugins or builtins that never run here; * and ? match
	MaxChecks  int               // 0 = DefaultMaxChecks
	MinEvery   time.Duration     // 0 = check.MinEvery; a shorter interval is a problem
	MaxTimeout time.Duration     // 0 = check.MaxTimeout
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
}

// Set is what runs.
type Set struct {
	Revision uint64
	Checks   []check.Check // sorted by name, each valid
	Notes    []string      // one line each: what the owner should know although the set was taken ("check web: plugin check_http not found in ...")
}

// Take validates a whole document. Either problems is empty and the set can run as it is, or problems says, one line each,
// which check, what is wrong and what to do, and nothing of the document may run. nil means revision 0: the defaults alone.
func Take(d *wire.Desired, r Rules) (s Set, problems []string) { panic("written next") }

// Changes says what differs between two sets, by check name, each sorted.
type Changes struct{ Added, Changed, Removed []string }

// Diff compares two sets.
func Diff(old, new Set) Changes { panic("written next") }

// Store keeps the last known good document in one file (state/desired). One goroutine uses it.
type Store struct{}

// OpenStore names the file; it need not exist. Its folder must.
func OpenStore(path string) *Store { panic("written next") }

// Load returns the document saved last, or nil when there is none. A file that is damaged is moved aside to PATH.bad and
// reported as an error along with a nil document: the agent then runs the defaults and asks the hub again.
func (s *Store) Load() (*wire.Desired, error) { panic("written next") }

// Save writes the document durably before it returns.
func (s *Store) Save(d *wire.Desired) error { panic("written next") }
