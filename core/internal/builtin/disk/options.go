package disk

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// gib is what the limits of large disks are written in.
const gib = 1 << 30

// defaultLimits are for a box nobody configured: percentages that make sense for small disks, capped where a large one has
// plenty left.
func defaultLimits() limits {
	return limits{
		warn:      threshold.Free{Value: 10, Percent: true, Most: 20 * gib, Given: true},
		crit:      threshold.Free{Value: 5, Percent: true, Most: 10 * gib, Given: true},
		inodeWarn: threshold.Free{Value: 5, Percent: true, Given: true},
		inodeCrit: threshold.Free{Value: 2, Percent: true, Given: true},
	}
}

// limits are how much must be free of one filesystem.
type limits struct {
	warn, crit, inodeWarn, inodeCrit threshold.Free
}

func (l limits) given() bool {
	return l.warn.Given || l.crit.Given || l.inodeWarn.Given || l.inodeCrit.Given
}

// bytes turns sizes in units into bytes.
func (l limits) bytes(factor uint64) limits {
	for _, f := range []*threshold.Free{&l.warn, &l.crit} {
		if !f.Percent {
			f.Value *= float64(factor)
		}
	}
	return l
}

// named is one -p with the limits given before it.
type named struct {
	path   string
	limits limits
}

type options struct {
	limits         limits // for filesystems without -p
	paths          []named
	exclude        []string // -x: mount points or devices
	excludeType    []string // -X
	includeType    []string // -N
	include        []*regexp.Regexp
	ignore         []*regexp.Regexp
	all            bool // -A
	network        bool // --network
	exact          bool // -E
	errorsOnly     bool // -e
	byDevice       bool // -M
	ignoreReserved bool // -f
	inodePerf      bool // -P
	unit           string
	factor         uint64
	limited        bool // limits were given
	given          bool // anything was given
}

// units are what -u takes: the plugin's words, what it prints, and bytes.
var units = map[string]struct {
	print  string
	factor uint64
}{
	"bytes": {"B", 1},
	"kB":    {"kiB", 1 << 10}, "KB": {"kiB", 1 << 10}, "KiB": {"kiB", 1 << 10}, "kiB": {"kiB", 1 << 10},
	"MB": {"MiB", 1 << 20}, "MiB": {"MiB", 1 << 20},
	"GB": {"GiB", gib}, "GiB": {"GiB", gib},
	"TB": {"TiB", 1 << 40}, "TiB": {"TiB", 1 << 40},
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	o := options{factor: 1 << 20, given: len(args) > 0} // the plugin's sizes are MiB
	var set option.Set
	o.limitOptions(&set)
	o.selectOptions(&set)
	o.printOptions(&set)
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	o.limited = o.limits.given() || slices.ContainsFunc(o.paths, func(n named) bool { return n.limits.given() })
	fallback := defaultLimits()
	if o.limits.given() {
		fallback = o.limits.bytes(o.factor)
	}
	o.limits = fallback
	for i, n := range o.paths {
		if n.limits.given() {
			o.paths[i].limits = n.limits.bytes(o.factor)
		} else {
			o.paths[i].limits = fallback // limits given behind the path, or none at all
		}
	}
	return o, nil
}

func (o *options) limitOptions(set *option.Set) {
	inodes := func(f *threshold.Free) func(string) error {
		return func(text string) (err error) {
			if *f, err = threshold.ParseFree(text); err != nil {
				return err
			}
			if f.Value > 100 {
				return fmt.Errorf("%q is no percentage", text)
			}
			f.Percent = true
			return nil
		}
	}
	set.Value('w', "warning", threshold.IntoFree(&o.limits.warn))
	set.Value('c', "critical", threshold.IntoFree(&o.limits.crit))
	set.Value('W', "iwarning", inodes(&o.limits.inodeWarn))
	set.Value('K', "icritical", inodes(&o.limits.inodeCrit))
	set.Flag('C', "clear", func() { o.limits = limits{} })
}

func (o *options) selectOptions(set *option.Set) {
	add := func(list *[]string) func(string) error {
		return func(v string) error {
			if v == "" {
				return errors.New("value is empty")
			}
			*list = append(*list, v)
			return nil
		}
	}
	matching := func(list *[]*regexp.Regexp, prefix string) func(string) error {
		return func(v string) error {
			re, err := regexp.Compile(prefix + v)
			if err != nil {
				return err
			}
			*list = append(*list, re)
			return nil
		}
	}
	onePath := func(v string) error {
		if !absolute(v) {
			return fmt.Errorf("%q is no absolute path", v)
		}
		o.paths = append(o.paths, named{path.Clean(v), o.limits})
		return nil
	}
	set.Value('p', "path", onePath)
	set.Value(0, "partition", onePath)
	set.Value('x', "exclude_device", add(&o.exclude))
	set.Value('X', "exclude-type", add(&o.excludeType))
	set.Value('N', "include-type", add(&o.includeType))
	set.Value('r', "ereg-path", matching(&o.include, ""))
	set.Value('R', "eregi-path", matching(&o.include, "(?i)"))
	set.Value('i', "ignore-ereg-path", matching(&o.ignore, ""))
	set.Value('I', "ignore-eregi-path", matching(&o.ignore, "(?i)"))
	set.Flag('A', "all", func() { o.all = true })
	set.Flag('l', "local", func() { o.network = false })
	set.Flag(0, "network", func() { o.network = true })
	set.Flag('E', "exact-match", func() { o.exact = true })
}

func (o *options) printOptions(set *option.Set) {
	unit := func(name string) error {
		u, ok := units[name]
		if !ok {
			return fmt.Errorf("%q is none of bytes, kB, MB, GB, TB", name)
		}
		o.unit, o.factor = u.print, u.factor
		return nil
	}
	set.Value('u', "units", unit)
	set.Flag('k', "kilobytes", func() { _ = unit("kB") })
	set.Flag('m', "megabytes", func() { _ = unit("MB") })
	set.Flag('e', "errors-only", func() { o.errorsOnly = true })
	set.Flag('M', "mountpoint", func() { o.byDevice = true })
	set.Flag('f', "freespace-ignore-reserved", func() { o.ignoreReserved = true })
	set.Flag('P', "iperfdata", func() { o.inodePerf = true })
}
