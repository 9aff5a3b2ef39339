// Package service is the check "service": whether Windows services run as they should. On other systems there are none: the check "systemd" is for Linux.
package service

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

const (
	maxNames = 200
	maxShown = 10
)

// states are a service's, as sc.exe writes them in small letters.
var states = []string{"stopped", "start_pending", "stop_pending", "running", "continue_pending", "pause_pending", "paused"}

type options struct {
	names   []string // or patterns; none: every service that starts by itself
	exclude []string
	state   string
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	o := options{state: "running"}
	var set option.Set
	into := func(list *[]string) func(string) error {
		return func(v string) error {
			if _, err := path.Match(v, ""); err != nil || v == "" || len(*list) >= maxNames {
				return fmt.Errorf("%q is no service's name", v)
			}
			*list = append(*list, strings.ToLower(v))
			return nil
		}
	}
	set.Value('n', "name", into(&o.names))
	set.Value('x', "exclude", into(&o.exclude))
	set.Value('s', "state", func(v string) error {
		if !slices.Contains(states, v) {
			return fmt.Errorf("%q is none of %s", v, strings.Join(states, ", "))
		}
		o.state = v
		return nil
	})
	return o, set.Parse(args)
}

// found is one service.
type found struct {
	name, title, state string
	automatic          bool // starts with the system, without being triggered or delayed to nothing
}

// errNone: this system has no such services.
var errNone = errors.New("only Windows has services of this kind; for Linux there is the check systemd")

// Run runs the check once.
func Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err == nil {
		var list []found
		if list, err = services(ctx, o); err == nil {
			return o.judge(list)
		}
	}
	return check.Result{State: check.Unknown, Text: "SERVICE UNKNOWN - " + err.Error()}
}

// wants says whether a service is judged.
func (o options) wants(f found) bool {
	if matches(o.exclude, f.name) {
		return false
	}
	return len(o.names) == 0 && f.automatic || matches(o.names, f.name)
}

func (o options) judge(list []found) check.Result {
	var r check.Result
	var bad, lines []string
	n := 0
	for _, f := range list {
		if !o.wants(f) {
			continue
		}
		n++
		text := fmt.Sprintf("%s is %s", f.name, f.state)
		lines = append(lines, text+" ("+f.title+")")
		if f.state == o.state {
			continue
		}
		state := check.Critical
		if strings.HasSuffix(f.state, "_pending") {
			state = check.Warning
		}
		r.State = threshold.Worst(r.State, state)
		bad = append(bad, text)
	}
	for _, name := range o.names {
		if !strings.ContainsAny(name, "*?[") && !slices.ContainsFunc(list, func(f found) bool { return strings.EqualFold(f.name, name) }) {
			r.State = check.Critical
			bad = append(bad, name+" does not exist")
		}
	}
	text := fmt.Sprintf("%d services are %s", n, o.state)
	if len(bad) > 0 {
		if more := len(bad) - maxShown; more > 0 {
			bad = append(bad[:maxShown], fmt.Sprintf("and %d more", more))
		}
		text = strings.Join(bad, ", ")
	}
	r.Text = fmt.Sprintf("SERVICE %s - %s", r.State, text)
	r.Long = strings.Join(lines[:min(len(lines), maxNames)], "\n")
	r.Perfdata = []check.Perfdata{threshold.Pair{}.Perf("services", float64(n), "", 0, float64(len(list)))}
	return r
}

func matches(patterns []string, name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok || p == name
	})
}
