package logfile

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

const maxPatterns = 32

type options struct {
	path     string
	patterns []*regexp.Regexp // any of them
	not      []*regexp.Regexp // none of them
	limits   threshold.Pair   // of lines found since the run before
	sticky   time.Duration    // how long a state stays after the last line found
	begin    bool             // the first run reads the file from its beginning
	missing  bool             // a file that is not there is no fault
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	var o options
	var set option.Set
	fold := ""
	var find, leave []string
	keep := func(list *[]string) func(string) error {
		return func(v string) error {
			if *list = append(*list, v); len(*list) > maxPatterns {
				return fmt.Errorf("more than %d patterns", maxPatterns)
			}
			return nil
		}
	}
	set.Value('F', "file", func(v string) error {
		if o.path = v; !filepath.IsAbs(v) {
			return fmt.Errorf("%q is no absolute path", v)
		}
		return nil
	})
	set.Value('q', "query", keep(&find))
	set.Value('x', "exclude", keep(&leave))
	set.Flag('i', "ignore-case", func() { fold = "(?i)" })
	set.Value('w', "warning", threshold.Into(&o.limits.Warn))
	set.Value('c', "critical", threshold.Into(&o.limits.Crit))
	set.Value(0, "sticky", func(v string) (err error) {
		o.sticky, err = time.ParseDuration(v)
		if err == nil && (o.sticky < 0 || o.sticky > 7*24*time.Hour) {
			err = fmt.Errorf("%s is not between 0 and a week", v)
		}
		return err
	})
	set.Flag(0, "from-start", func() { o.begin = true })
	set.Flag(0, "missing-ok", func() { o.missing = true })
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if o.path == "" || len(find) == 0 {
		return options{}, errors.New("-F FILE and -q PATTERN are needed")
	}
	var err error
	if o.patterns, err = compile(fold, find); err != nil {
		return options{}, err
	}
	if o.not, err = compile(fold, leave); err != nil {
		return options{}, err
	}
	if !o.limits.Set() {
		o.limits.Crit = threshold.Above(0)
	}
	return o, nil
}

func compile(fold string, list []string) (all []*regexp.Regexp, err error) {
	for _, text := range list {
		p, err := regexp.Compile(fold + text)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// wants says whether a line is found.
func (o options) wants(line []byte) bool {
	for _, p := range o.not {
		if p.Match(line) {
			return false
		}
	}
	for _, p := range o.patterns {
		if p.Match(line) {
			return true
		}
	}
	return false
}
