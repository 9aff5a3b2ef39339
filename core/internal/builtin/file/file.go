// Package file is the check "file": how old and how large files are, and how many there are, by the options, text and perfdata of check_file_age.
// It opens no file. A file system that does not answer is told and never waited for beyond the check's time.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/patience"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Limits of what is looked at and told.
const (
	maxFiles = 100_000 // looked at in one run
	maxTold  = 20      // named in the long output
)

type options struct {
	path      string
	pattern   string // of names, with a folder
	recursive bool
	age, size threshold.Pair // seconds, bytes
	count     threshold.Pair
	missingOK bool
	folder    bool // count what is in a folder
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	var o options
	var set option.Set
	named := func(v string) error {
		if o.path != "" {
			return errors.New("one file, or one folder with -d and --pattern")
		}
		if !filepath.IsAbs(v) {
			return fmt.Errorf("%q is no absolute path", v)
		}
		o.path = v
		return nil
	}
	set.Value('f', "file", named)
	set.Value('d', "dir", func(v string) error { o.folder = true; return named(v) })
	set.Value(0, "pattern", func(v string) error {
		o.pattern = v
		_, err := filepath.Match(v, "")
		return err
	})
	set.Flag(0, "recursive", func() { o.recursive = true })
	set.Value('w', "warning-age", threshold.Into(&o.age.Warn))
	set.Value('c', "critical-age", threshold.Into(&o.age.Crit))
	set.Value('W', "warning-size", threshold.Into(&o.size.Warn))
	set.Value('C', "critical-size", threshold.Into(&o.size.Crit))
	set.Value(0, "count", threshold.IntoPair(&o.count))
	set.Flag('i', "ignore-missing", func() { o.missingOK = true })
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if o.path == "" {
		return options{}, errors.New("-f FILE or -d FOLDER is missing")
	}
	if !o.folder && (o.pattern != "" || o.recursive || o.count.Set()) {
		return options{}, errors.New("--pattern, --recursive and --count are for a folder (-d)")
	}
	if !o.folder && !o.age.Set() { // as the plugin
		o.age = threshold.Pair{Warn: threshold.Above(240), Crit: threshold.Above(600)}
	}
	// A plain number is the smallest size, as with the plugin: a file that is smaller alarms.
	o.size.Warn, o.size.Crit = atLeast(o.size.Warn), atLeast(o.size.Crit)
	return o, nil
}

func atLeast(r threshold.Range) threshold.Range {
	if !r.Set() || strings.ContainsAny(r.String(), ":@~") {
		return r
	}
	low, err := threshold.Parse(r.String() + ":")
	if err != nil {
		return r
	}
	return low
}

// Check runs the check.
type Check struct {
	looks patience.Calls[found]
}

// New gives a check.
func New() *Check { return &Check{} }

// entry is one file.
type entry struct {
	path string
	age  float64 // seconds
	size int64
}

// found is what one look gave.
type found struct {
	entries []entry
	cut     bool // there are more than maxFiles
}

// Run runs it once.
func (c *Check) Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return check.Result{State: check.Unknown, Text: "FILE_AGE UNKNOWN: " + err.Error()}
	}
	ctx, cancel := patience.Within(ctx, 0)
	defer cancel()
	f, err := c.looks.Do(ctx, o.path, func() (found, error) { return o.look(ctx, time.Now()) })
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.missingOK:
		return check.Result{Text: fmt.Sprintf("FILE_AGE OK: %s doesn't exist, but ignore-missing was set", o.path)}
	case errors.Is(err, fs.ErrNotExist):
		return check.Result{State: check.Critical, Text: "FILE_AGE CRITICAL: File not found - " + o.path}
	case err != nil:
		return check.Result{State: check.Critical, Text: "FILE_AGE CRITICAL: " + err.Error()}
	case o.folder:
		return o.judgeFolder(f)
	}
	return o.judgeFile(f.entries[0])
}

// look asks the file system. It may hang, so it runs in a goroutine of its own.
func (o options) look(ctx context.Context, now time.Time) (found, error) {
	if !o.folder {
		info, err := os.Stat(o.path)
		if err != nil {
			return found{}, err
		}
		return found{entries: []entry{entryOf(o.path, info, now)}}, nil
	}
	if info, err := os.Stat(o.path); err != nil {
		return found{}, err
	} else if !info.IsDir() {
		return found{}, fmt.Errorf("%s is no folder", o.path)
	}
	var f found
	seen := 0
	err := filepath.WalkDir(o.path, func(path string, d fs.DirEntry, err error) error {
		if seen++; seen > maxFiles {
			f.cut = true
			return fs.SkipAll
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case path == o.path:
			return err
		case err != nil && d != nil && d.IsDir() && o.recursive:
			return err
		case err != nil:
			return nil // it went meanwhile
		case d.IsDir():
			if !o.recursive {
				return fs.SkipDir
			}
			return nil
		}
		if ok, _ := filepath.Match(o.pattern, d.Name()); o.pattern != "" && !ok || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			f.entries = append(f.entries, entryOf(path, info, now))
		}
		return nil
	})
	return f, err
}

func entryOf(path string, info fs.FileInfo, now time.Time) entry {
	return entry{path, math.Floor(now.Sub(info.ModTime()).Seconds()), info.Size()}
}

func (o options) state(e entry) check.State {
	return threshold.Worst(o.age.State(e.age), o.size.State(float64(e.size)))
}

// judgeFile speaks as the plugin does.
func (o options) judgeFile(e entry) check.Result {
	state := o.state(e)
	size := check.Perfdata{Label: "size", Value: float64(e.size), Unit: "B", Warn: "0", Crit: "0", Min: 0, Max: math.NaN()}
	if o.size.Warn.Set() {
		size.Warn = strings.TrimSuffix(o.size.Warn.String(), ":")
	}
	if o.size.Crit.Set() {
		size.Crit = strings.TrimSuffix(o.size.Crit.String(), ":")
	}
	return check.Result{
		State: state, Text: fmt.Sprintf("FILE_AGE %s: %s is %.0f seconds old and %d bytes", state, e.path, e.age, e.size),
		Perfdata: []check.Perfdata{o.age.Perf("age", e.age, "s", math.NaN(), math.NaN()), size},
	}
}

// judgeFolder judges each file by age and size, and how many there are.
func (o options) judgeFolder(f found) check.Result {
	var none threshold.Pair
	oldest, newest, total := 0.0, math.Inf(1), 0.0
	bad := 0
	var lines []string
	r := check.Result{State: o.count.State(float64(len(f.entries)))}
	for _, e := range f.entries {
		oldest, newest, total = max(oldest, e.age), min(newest, e.age), total+float64(e.size)
		if s := o.state(e); s != check.OK {
			r.State = threshold.Worst(r.State, s)
			if bad++; bad <= maxTold {
				lines = append(lines, fmt.Sprintf("%s: %s is %.0f seconds old and %d bytes", s, e.path, e.age, e.size))
			}
		}
	}
	if more := bad - maxTold; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	what := "files"
	if o.pattern != "" {
		what = "files " + o.pattern
	}
	text := fmt.Sprintf("%d %s in %s", len(f.entries), what, o.path)
	if bad > 0 {
		text += fmt.Sprintf(", %d of them too old, too new, too small or too large", bad)
	}
	r.Text, r.Long = fmt.Sprintf("FILE_AGE %s: %s", r.State, text), strings.Join(lines, "\n")
	r.Perfdata = []check.Perfdata{o.count.Perf("files", float64(len(f.entries)), "", 0, math.NaN()), none.Perf("size", total, "B", 0, math.NaN())}
	if len(f.entries) > 0 {
		r.Perfdata = append(r.Perfdata, o.age.Perf("oldest", oldest, "s", math.NaN(), math.NaN()), none.Perf("newest", newest, "s", math.NaN(), math.NaN()))
	}
	if f.cut {
		r.State = threshold.Worst(r.State, check.Unknown)
		r.Problems = append(r.Problems, fmt.Sprintf("more than %d files: the others were not looked at", maxFiles))
	}
	return r
}
