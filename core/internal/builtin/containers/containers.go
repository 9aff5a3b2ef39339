// Package containers is the check "containers": whether containers run, and are healthy, asked of Docker (or Podman, which speaks the same) or of
// containerd over their local sockets. It starts no program and changes nothing. There is no plugin of this kind in the Monitoring Plugins.
package containers

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/patience"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Limits.
const (
	maxRead       = 16 << 20 // bytes of an answer
	maxContainers = 10_000
	maxShown      = 10
	maxLines      = 200
	patient       = 10 * time.Second
)

// usual are the sockets that engines listen on.
var usual = []string{"/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock"}

// container is what an engine says of one.
type container struct {
	name, image string
	state       string // running, exited, paused, restarting, created, dead, removing, stopped, unknown
	health      string // healthy, unhealthy, starting, "" = not looked at
	exit        int    // with exited and stopped; -1 = not told
	note        string // as the engine puts it: "Up 3 hours"
}

// Run runs the check once.
func Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return unknown(err)
	}
	ctx, cancel := patience.Within(ctx, patient)
	defer cancel()
	if o.socket == "" {
		i := slices.IndexFunc(usual, func(s string) bool { _, err := os.Stat(s); return err == nil })
		if i < 0 {
			return unknown(errors.New("there is no socket of Docker, Podman or containerd; name one with -s"))
		}
		o.socket = usual[i]
	}
	list, err := o.list(ctx)
	if err != nil {
		return check.Result{State: check.Critical, Text: fmt.Sprintf("CONTAINERS CRITICAL - %s: %s", o.socket, reach.Explain(err))}
	}
	return o.judge(list)
}

// list asks the engine.
func (o options) list(ctx context.Context) ([]container, error) {
	if o.engine == "containerd" || o.engine == "" && strings.Contains(o.socket, "containerd") {
		return o.containerd(ctx)
	}
	return o.docker(ctx)
}

func (o options) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", o.socket)
}

// judge makes the result.
func (o options) judge(list []container) check.Result {
	var r check.Result
	var bad, lines []string
	running, all := 0, 0
	for _, c := range list {
		if !o.wants(c.name) {
			continue
		}
		all++
		if c.state == "running" {
			running++
		}
		state := o.stateOf(c)
		text := describe(c)
		if state != check.OK {
			r.State = threshold.Worst(r.State, state)
			bad = append(bad, text)
		}
		if c.image != "" { // containerd has none of what Docker starts by it
			text += ", " + c.image
		}
		lines = append(lines, fmt.Sprintf("%s: %s", state, text))
	}
	for _, name := range o.names {
		if !strings.ContainsAny(name, "*?[") && !slices.ContainsFunc(list, func(c container) bool { return c.name == name }) {
			r.State = check.Critical
			bad = append(bad, name+" does not exist")
		}
	}
	r.State = threshold.Worst(r.State, o.count.State(float64(running)))
	text := fmt.Sprintf("%d of %d containers running", running, all)
	if len(bad) > 0 {
		if more := len(bad) - maxShown; more > 0 {
			bad = append(bad[:maxShown], fmt.Sprintf("and %d more", more))
		}
		text += ": " + strings.Join(bad, ", ")
	}
	r.Text = fmt.Sprintf("CONTAINERS %s - %s", r.State, reach.OneLine(text, 1000))
	r.Long = strings.Join(lines[:min(len(lines), maxLines)], "\n")
	r.Perfdata = []check.Perfdata{
		o.count.Perf("running", float64(running), "", 0, float64(all)), threshold.Pair{}.Perf("containers", float64(all), "", 0, math.NaN()),
	}
	return r
}

func describe(c container) string {
	text := c.name + " is " + c.state
	switch {
	case c.health != "" && c.state == "running":
		text += " and " + c.health
	case (c.state == "exited" || c.state == "stopped") && c.exit >= 0:
		text += fmt.Sprintf(" with exit code %d", c.exit)
	}
	if c.note != "" {
		text += " (" + c.note + ")"
	}
	return text
}

// stateOf judges one container. One that somebody named must run; of the others only what is ill is told, since ended ones lie about everywhere.
func (o options) stateOf(c container) check.State {
	named := len(o.names) > 0
	switch c.state {
	case "running":
		switch c.health {
		case "unhealthy":
			return check.Critical
		case "starting":
			if named {
				return check.Warning
			}
		}
		return check.OK
	case "restarting", "dead", "unknown":
		return check.Critical
	case "paused", "removing":
		return check.Warning
	case "exited", "stopped":
		if !named || o.stopped && c.exit == 0 {
			return check.OK
		}
		return check.Critical
	}
	if named { // created
		return check.Critical
	}
	return check.OK
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "CONTAINERS UNKNOWN - " + err.Error()}
}
