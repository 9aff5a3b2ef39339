// Package imported keeps the checks that were taken over from another agent on this box: the box's own, run beside that agent. It owns the
// files below state/imported, one for each agent they came from (docs/import-nrpe.md has the format). What may run is decided in
// core/internal/config; where the checks come from is the business of who writes them.
package imported

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// Limits of one file.
const (
	maxFile   = 4 << 20 // bytes
	MaxChecks = 1000
)

// format is the format's name and version.
const format = "limpet imported 1"

// File is what one import brought.
type File struct {
	Format string  `json:"format"`
	From   string  `json:"from"` // the file it was read from
	Checks []Check `json:"checks"`
}

// Check is one check that was taken over. Times are Go's: "1m0s".
type Check struct {
	Name    string   `json:"name"`
	Command []string `json:"command"`
	Every   string   `json:"every"`
	Timeout string   `json:"timeout"`
	User    string   `json:"user,omitempty"`
	Group   string   `json:"group,omitempty"`
	Request string   `json:"request,omitempty"` // what the other agent's server would ask for it, where that is not its name
}

// path is the file of the checks from one agent.
func path(dir, agent string) string { return filepath.Join(dir, agent+".json") }

// Load reads what was imported from one agent. Where nothing was it is an empty File.
func Load(dir, agent string) (File, error) {
	var f File
	b, err := fsys.Read(fsys.Disk{}, path(dir, agent), maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	if err == nil && f.Format != format {
		err = fmt.Errorf("its format is %.40q, not %q", f.Format, format)
	}
	if err == nil && len(f.Checks) > MaxChecks {
		err = fmt.Errorf("%d checks, at most %d", len(f.Checks), MaxChecks)
	}
	if err != nil {
		return File{}, fmt.Errorf("read imported checks %s: %w", path(dir, agent), err)
	}
	return f, nil
}

// Save writes what was imported from one agent, durably and whole.
func Save(dir, agent string, f File) error {
	f.Format = format
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("encode imported checks: %w", err)
	}
	if err := (fsys.Disk{}).MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("save imported checks: %w", err)
	}
	if err := fsys.WriteNew(fsys.Disk{}, path(dir, agent), append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("save imported checks: %w", err)
	}
	return nil
}

// Remove forgets what was imported from one agent.
func Remove(dir, agent string) error {
	if err := (fsys.Disk{}).Remove(path(dir, agent)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove imported checks: %w", err)
	}
	return nil
}

// agents are those that checks can be taken over from.
var agents = []string{"nrpe"}

// Checks reads all that was imported. What cannot be read is left out and told.
func Checks(dir string) (list []check.Check, problems []error) {
	for _, agent := range agents {
		f, err := Load(dir, agent)
		if err != nil {
			problems = append(problems, err)
		}
		for _, c := range f.Checks {
			one, err := c.Check()
			if err != nil {
				problems = append(problems, fmt.Errorf("imported check %s: %w", c.Name, err))
				continue
			}
			list = append(list, one)
		}
	}
	return list, problems
}

// Check is what runs.
func (c Check) Check() (check.Check, error) {
	every, err := time.ParseDuration(c.Every)
	if err != nil {
		return check.Check{}, err
	}
	timeout, err := time.ParseDuration(c.Timeout)
	if err != nil {
		return check.Check{}, err
	}
	one := check.Check{Name: c.Name, Command: c.Command, Every: every, Timeout: timeout, User: c.User, Group: c.Group}
	return one, one.Validate()
}
