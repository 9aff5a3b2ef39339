// Package systemd is the check "systemd": whether units run as they should. It asks systemd over its own socket, or the system bus, in the few words
// of D-Bus that this needs (docs/decisions/080), and starts no program. There is no plugin of this kind in the Monitoring Plugins.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/patience"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Limits.
const (
	maxUnits = 200    // named in the options
	maxRead  = 50_000 // units
	maxShown = 10     // in the first line
	patient  = 10 * time.Second
)

// The ways to systemd: its own socket is for root, and works without a bus.
const (
	privateSocket = "/run/systemd/private"
	busSocket     = "/run/dbus/system_bus_socket"
)

type options struct {
	units    []string // names or patterns; none: those that failed are looked for
	exclude  []string
	state    string         // what "active" must be, "" = active
	limits   threshold.Pair // how many failed units
	inactive bool           // a unit that is not there, or not active, is no fault; only a failed one
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	o := options{}
	var set option.Set
	into := func(list *[]string) func(string) error {
		return func(v string) error {
			if _, err := path.Match(v, ""); err != nil || v == "" || len(v) > 255 || len(*list) >= maxUnits {
				return fmt.Errorf("%q is no unit's name", v)
			}
			if !strings.ContainsAny(v, ".*?[") {
				v += ".service"
			}
			*list = append(*list, v)
			return nil
		}
	}
	set.Value('u', "unit", into(&o.units))
	set.Value('x', "exclude", into(&o.exclude))
	set.Value('s', "state", func(v string) error {
		if !slices.Contains([]string{"active", "inactive", "failed", "activating", "deactivating", "reloading"}, v) {
			return fmt.Errorf("%q is no state of a unit", v)
		}
		o.state = v
		return nil
	})
	set.Flag('i', "inactive-ok", func() { o.inactive = true })
	set.Value('w', "warning", threshold.Into(&o.limits.Warn))
	set.Value('c', "critical", threshold.Into(&o.limits.Crit))
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if !o.limits.Set() {
		o.limits.Crit = threshold.Above(0)
	}
	if len(o.units) == 0 && (o.state != "" || o.inactive) {
		return options{}, errors.New("-s and -i are about units named with -u")
	}
	return o, nil
}

// unit is what systemd says of one.
type unit struct {
	name, description, load, active, sub string
}

// Check runs the check.
type Check struct {
	private, bus string
}

// New gives a check.
func New() *Check { return &Check{privateSocket, busSocket} }

// Run runs it once.
func (c *Check) Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return unknown(err)
	}
	ctx, cancel := patience.Within(ctx, patient)
	defer cancel()
	list, err := c.list(ctx, o)
	if err != nil {
		return unknown(err)
	}
	if len(o.units) == 0 {
		return o.judgeFailed(list)
	}
	return o.judgeNamed(list)
}

// list asks for the units that the options are about.
func (c *Check) list(ctx context.Context, o options) ([]unit, error) {
	l, destination, end, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var body writer
	member, signature := "ListUnitsByPatterns", "asas"
	switch {
	case len(o.units) == 0:
		body.texts([]string{"failed"})
		body.texts(nil)
	case slices.ContainsFunc(o.units, isPattern):
		body.texts(nil)
		body.texts(o.units)
	default: // these are also told of units that are not loaded
		member, signature = "ListUnitsByNames", "as"
		body.texts(o.units)
	}
	r, err := l.call(destination, "/org/freedesktop/systemd1", member, "org.freedesktop.systemd1.Manager", signature, body.b)
	if err != nil {
		return nil, fmt.Errorf("ask systemd: %w", err)
	}
	return readUnits(r)
}

func isPattern(name string) bool { return strings.ContainsAny(name, "*?[") }

// readUnits reads a(ssssssouso).
func readUnits(r *reader) ([]unit, error) {
	end := int(r.uint32())
	r.align(8)
	if end += r.at; end > len(r.b) {
		return nil, errMessage
	}
	var list []unit
	for r.at < end && r.err == nil {
		r.align(8)
		u := unit{name: r.text(), description: r.text(), load: r.text(), active: r.text(), sub: r.text()}
		r.text() // followed
		r.text() // its path
		r.uint32()
		r.text()
		r.text()
		if list = append(list, u); len(list) > maxRead {
			return nil, fmt.Errorf("more than %d units", maxRead)
		}
	}
	return list, r.err
}

// dial finds a way to systemd.
func (c *Check) dial(ctx context.Context) (l *line, destination string, end func(), err error) {
	private, err := open(ctx, c.private)
	if err == nil {
		if l, err = newLine(private); err == nil {
			return l, "", func() { private.Close() }, nil
		}
		private.Close()
	}
	bus, busErr := open(ctx, c.bus)
	if busErr != nil {
		return nil, "", nil, explain(err, busErr)
	}
	if l, err = newLine(bus); err == nil {
		_, err = l.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "Hello", "org.freedesktop.DBus", "", nil)
	}
	if err != nil {
		bus.Close()
		return nil, "", nil, fmt.Errorf("log in to the system bus: %w", err)
	}
	return l, "org.freedesktop.systemd1", func() { bus.Close() }, nil
}

func open(ctx context.Context, socket string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	return conn, nil
}

func explain(private, bus error) error {
	if errors.Is(private, fs.ErrNotExist) && errors.Is(bus, fs.ErrNotExist) {
		if _, err := os.Stat("/run/systemd/system"); err != nil {
			return errors.New("this system is not run by systemd")
		}
	}
	return fmt.Errorf("no way to systemd: %w", errors.Join(private, bus))
}

// judgeFailed makes the result of a look for units that failed.
func (o options) judgeFailed(list []unit) check.Result {
	list = slices.DeleteFunc(list, func(u unit) bool { return matches(o.exclude, u.name) })
	n := float64(len(list))
	r := check.Result{State: o.limits.State(n), Perfdata: []check.Perfdata{o.limits.Perf("failed", n, "", 0, math.NaN())}}
	text := "no unit has failed"
	if len(list) > 0 {
		var words, lines []string
		for _, u := range list {
			words = append(words, u.name)
			lines = append(lines, u.name+": "+u.description)
		}
		text = fmt.Sprintf("%d failed: %s", len(list), shown(words, ", "))
		r.Long = strings.Join(lines[:min(len(lines), maxUnits)], "\n")
	}
	r.Text = fmt.Sprintf("SYSTEMD %s - %s", r.State, text)
	return r
}

// judgeNamed makes the result of units that were asked for by name or pattern.
func (o options) judgeNamed(list []unit) check.Result {
	var r check.Result
	var bad, good, lines []string
	counts := map[string]float64{}
	for _, name := range o.units {
		if !slices.ContainsFunc(list, func(u unit) bool { return matches([]string{name}, u.name) }) {
			list = append(list, unit{name: name, load: "not-found", active: "inactive", sub: "dead"})
		}
	}
	for _, u := range list {
		if matches(o.exclude, u.name) {
			continue
		}
		counts[u.active]++
		text := fmt.Sprintf("%s is %s (%s)", u.name, u.active, u.sub)
		if u.load == "not-found" {
			text = u.name + " does not exist"
		} else if u.load != "loaded" {
			text += ", " + u.load
		}
		if s := o.stateOf(u); s != check.OK {
			r.State = threshold.Worst(r.State, s)
			bad = append(bad, text)
		} else {
			good = append(good, text)
		}
		lines = append(lines, text)
	}
	r.Text = fmt.Sprintf("SYSTEMD %s - %s", r.State, shown(append(bad, good...), ", "))
	r.Long = strings.Join(lines[:min(len(lines), maxUnits)], "\n")
	for _, state := range []string{"active", "inactive", "failed"} {
		r.Perfdata = append(r.Perfdata, threshold.Pair{}.Perf(state, counts[state], "", 0, math.NaN()))
	}
	return r
}

// stateOf judges one unit. One on its way up is a warning: it may stay there.
func (o options) stateOf(u unit) check.State {
	wanted := "active"
	if o.state != "" {
		wanted = o.state
	}
	switch {
	case u.active == wanted && (u.load != "not-found" || o.state != ""):
		return check.OK
	case u.active == "reloading" && wanted == "active":
		return check.OK
	case o.inactive && u.active == "inactive":
		return check.OK
	case u.active == "activating" && wanted == "active":
		return check.Warning
	}
	return check.Critical
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok || p == name
	})
}

func shown(words []string, between string) string {
	if more := len(words) - maxShown; more > 0 {
		words = append(slices.Clone(words[:maxShown]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, between)
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "SYSTEMD UNKNOWN - " + err.Error()}
}
