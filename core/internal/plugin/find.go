package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// MaxListed bounds List: a directory with more is no plugin directory.
const MaxListed = 1024

// ErrNotFound: no plugin directory has a file of this name.
var ErrNotFound = errors.New("not found")

// DefaultDirs lists the directories where this operating system's packages put Nagios plugins, whether they exist or not.
func DefaultDirs() []string { return slices.Clone(defaultDirs) }

// Find returns the absolute path of the plugin with this bare file name in the first of dirs that has it. A symbolic link is
// followed, and what it leads to must hold the same rules: a regular file, executable, and, when this process is root, file and
// folder changeable by root alone. Where no directory has it the error wraps ErrNotFound; otherwise it says what is wrong with the file.
func Find(dirs []string, name string) (string, error) {
	if !check.ValidFile(name) {
		return "", fmt.Errorf("plugin %q: a plugin is named by its bare file name", name)
	}
	for _, dir := range dirs {
		if !filepath.IsAbs(dir) {
			continue
		}
		for _, ending := range endings(name) {
			path := filepath.Join(dir, name+ending)
			if _, err := os.Lstat(path); err == nil {
				return path, examine(path)
			} else if !errors.Is(err, fs.ErrNotExist) && ending == "" && !isNotDir(err) {
				return "", fmt.Errorf("plugin %s: %w", name, err)
			}
		}
	}
	return "", fmt.Errorf("plugin %s %w in %s", name, ErrNotFound, strings.Join(dirs, ", "))
}

// List returns the names of all plugins found in dirs, sorted, each once, at most MaxListed.
func List(dirs []string) []string {
	var names []string
	for _, dir := range dirs {
		if len(names) > MaxListed {
			break
		}
		entries, err := readSome(dir)
		if err != nil {
			continue
		}
		for _, name := range entries {
			if check.ValidFile(name) && examine(filepath.Join(dir, name)) == nil {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), MaxListed)]
}

// readSome reads a bounded part of a directory.
func readSome(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(4 * MaxListed)
}

// examine says why a file must not run as a plugin, or nil.
func examine(path string) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("plugin %s: its link leads nowhere: %w", path, err)
	}
	info, err := os.Stat(target)
	switch {
	case err != nil:
		return fmt.Errorf("plugin %s: %w", path, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("plugin %s is no regular file", path)
	case !executable(target, info):
		return fmt.Errorf("plugin %s is not executable: chmod +x %s", path, target)
	}
	for _, p := range []string{target, filepath.Dir(target), filepath.Dir(path)} {
		if why := changeable(p); why != "" {
			return fmt.Errorf("plugin %s refused: the agent runs as root, and %s", path, why)
		}
	}
	return nil
}

// Runner runs checks of kind plugin from the box's plugin directories.
type Runner struct {
	Dirs    []string          // searched in order; empty = DefaultDirs
	Dir     string            // working directory of runs whose check names none, "" = the root directory
	Env     []string          // for every run, NAME=VALUE
	Output  int64             // as in Spec
	RunAs   map[string]string // whom a plugin runs as; "" = all others; none = the agent's own user
	Nice    int               // as in Spec
	Rlimits Rlimits           // as in Spec
	Macros  map[string]string // the box's own, see Macros
	Slots   *Slots            // nil = none
	Known   *Known            // of these Dirs; nil = every run looks
	Spent   *atomic.Int64     // as in Spec
	// Catalog opens a plugin of the catalog, verified by the descriptor that it gives; nil = there is none.
	Catalog func(name, hash string) (*os.File, error)
}

// Run finds c.Plugin, or takes c.Command, and runs it. A plugin that is not there, or that may not run, is a result of state Unknown.
func (r Runner) Run(ctx context.Context, c check.Check, t check.Trigger, due time.Time, out Output) check.Result {
	if len(c.Command) > 0 {
		return r.runOwn(ctx, c, t, due, out)
	}
	path, file, err := r.program(c)
	if err != nil {
		return refused(c, t, due, err)
	}
	if file != nil {
		defer file.Close()
	}
	return r.run(ctx, c, path, file, t, due, out)
}

func refused(c check.Check, t check.Trigger, due time.Time, err error) check.Result {
	return check.Result{Check: c.Name, State: check.Unknown, Text: err.Error(), Due: due, Start: time.Now(), Exit: -1, Trigger: t}
}

// RunFile is Run for a plugin that was found already.
func (r Runner) RunFile(ctx context.Context, c check.Check, path string, t check.Trigger, due time.Time, out Output) check.Result {
	return r.run(ctx, c, path, nil, t, due, out)
}

func (r Runner) run(ctx context.Context, c check.Check, path string, file *os.File, t check.Trigger, due time.Time, out Output) check.Result {
	macros := Macros(c, path, r.Macros)
	s := r.spec(c, path, check.Expand(c.Args, macros), t, due)
	s.File, s.User, s.Macros = file, cmp.Or(c.User, r.RunAs[c.Plugin], r.RunAs[""]), macros
	return Run(ctx, s, out)
}

// spec is a run as this box makes all of its own.
func (r Runner) spec(c check.Check, path string, args []string, t check.Trigger, due time.Time) Spec {
	return Spec{
		Check: c.Name, Path: path, Args: args, Env: r.Env, Dir: cmp.Or(c.Dir, r.Dir), Timeout: c.Timeout, Output: r.Output,
		User: c.User, Group: c.Group, Nice: r.Nice, Rlimits: r.Rlimits, Slots: r.Slots, Spent: r.Spent, Trigger: t, Due: due,
	}
}

// Macros are those of one run, by name: what every run has (HOSTNAME, HOSTADDRESS, SERVICEDESC, USER1 = the plugin's directory), the check's
// own, and the box's, which win.
func Macros(c check.Check, path string, box map[string]string) map[string]string {
	m := map[string]string{"SERVICEDESC": c.Name}
	if path != "" {
		m["USER1"] = filepath.Dir(path)
	}
	for name, value := range boxMacros() {
		m[name] = value
	}
	maps.Copy(m, c.Macros)
	maps.Copy(m, box)
	return m
}

// program is the file to run: one of the box's own, or one of the catalog, opened.
func (r Runner) program(c check.Check) (path string, file *os.File, err error) {
	if c.Hash == "" {
		path, err = r.Find(c.Plugin)
		return path, nil, err
	}
	if r.Catalog == nil {
		return "", nil, fmt.Errorf("plugin %s of the catalog: there is no catalog here", c.Plugin)
	}
	if file, err = r.Catalog(c.Plugin, c.Hash); err != nil {
		return "", nil, err
	}
	return file.Name(), file, nil
}

// Ready says why a check's plugin cannot be run now, as far as a look at the file tells; nil = it may well.
func (r Runner) Ready(c check.Check) error {
	if c.Plugin == "" {
		return nil
	}
	_, file, err := r.program(c)
	if file != nil {
		file.Close()
	}
	return err
}

// Find is Find in the runner's directories; where there is no such plugin the error says what to do.
func (r Runner) Find(name string) (string, error) {
	now := time.Now()
	if path := r.Known.get(name, now); path != "" {
		return path, nil
	}
	dirs := r.Dirs
	if len(dirs) == 0 {
		dirs = defaultDirs
	}
	path, err := Find(dirs, name)
	if err == nil {
		r.Known.put(name, path, now)
	}
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("%w: %s", err, installHint)
	}
	return path, err
}
