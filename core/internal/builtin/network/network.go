// Package network is the check "net": what the network interfaces carry, lose and whether their link is up. It has no matching
// plugin.
package network

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/history"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Limits.
const (
	maxInterfaces = 64   // told of one box; what is beyond is counted
	maxRead       = 4096 // interfaces read; a box full of containers has some hundreds
	maxShown      = 6    // in the first line
)

// Limits of a box nobody configured: errors per second. Drops have none: they are normal where a box hears what is not for it.
const (
	defaultWarn = 10
	defaultCrit = 100
)

// boring are interfaces not told unless named with -i: they are made by containers, virtual machines and the kernel itself,
// and what they carry goes through the others.
var boring = option.Patterns{
	"lo", "lo0", "veth*", "docker*", "br-*", "virbr*", "vnet*", "tap*", "cni*", "flannel*", "cali*", "cilium*", "lxc*", "lxd*",
	"fw*", "dummy*", "ifb*", "sit0", "gre0", "gretap0", "erspan0", "tunl0", "ip6tnl0", "ip_vti0", "ip6_vti0", "nlmon*",
	"gif0", "stf0", "awdl*", "llw*", "utun*", "anpi*", "ap1", "p2p*", "pflog*", "Loopback*",
}

type options struct {
	errors, drops threshold.Pair // per second
	interfaces    option.Choice
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	var o options
	var set option.Set
	set.Value('w', "warning", threshold.Into(&o.errors.Warn))
	set.Value('c', "critical", threshold.Into(&o.errors.Crit))
	set.Value(0, "drops", threshold.IntoPair(&o.drops))
	set.Value('i', "interface", o.interfaces.Include.Into(""))
	set.Value('x', "exclude", o.interfaces.Exclude.Into(""))
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if !o.errors.Set() {
		o.errors = threshold.Pair{Warn: threshold.Above(defaultWarn), Crit: threshold.Above(defaultCrit)}
	}
	return o, nil
}

// wants says whether an interface is told.
func (o options) wants(name string) bool {
	return o.interfaces.Wants(name, !boring.Match(name))
}

// counters is what an interface did since it was made.
type counters struct {
	name                  string
	rx, tx, errors, drops uint64 // bytes, bytes, packets both ways, packets both ways
	link                  link
}

// link is the state of an interface's link.
type link uint8

const (
	linkUnknown link = iota // not told by the system, as for tunnels
	linkUp
	linkDown
)

func (l link) String() string { return [...]string{"state unknown", "up", "down"}[l] }

// Check runs the check; it keeps its own earlier samples.
type Check struct {
	sampler
	past history.History[[]counters]
}

// New gives a check that reads procfs and sysfs where they are mounted (Linux).
func New(proc, sys string) *Check { return &Check{sampler: newSampler(proc, sys)} }

// Run runs it once.
func (c *Check) Run(_ context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return unknown(err)
	}
	list, err := c.sample(o.wants)
	if err != nil {
		return unknown(err)
	}
	now := time.Now()
	before, age, ok := c.past.Previous(now)
	c.past.Add(now, list, 0)
	if !ok {
		up, err := c.uptime()
		if err != nil || up < time.Second {
			up = time.Second
		}
		r := judge(o, nil, list, up)
		r.Text += "; averages since boot, this is the first run"
		return r
	}
	return judge(o, before, list, age)
}

// rates is what an interface did per second. NaN: it is new, so nothing is known yet.
type rates struct {
	rx, tx, errors, drops float64
}

// judge makes the result of two samples. before is nil when the later one is to be taken as counted from zero.
func judge(o options, before, now []counters, age time.Duration) check.Result {
	var r check.Result
	var texts, lines []string
	for _, c := range now[:min(len(now), maxInterfaces)] {
		v := since(before, c, age)
		state := threshold.Worst(o.errors.State(v.errors), o.drops.State(v.drops))
		if c.link == linkDown && len(o.interfaces.Include) > 0 {
			state = check.Critical
		}
		r.State = threshold.Worst(r.State, state)
		text := fmt.Sprintf("%s %s rx %s tx %s", c.name, c.link, rate(v.rx), rate(v.tx))
		lost := fmt.Sprintf("%s errors/s, %s drops/s", number(v.errors), number(v.drops))
		lines = append(lines, text+", "+lost)
		if state != check.OK {
			texts = slices.Insert(texts, 0, text+", "+lost+" ("+state.String()+")")
		} else {
			texts = append(texts, text)
		}
		r.Perfdata = append(r.Perfdata, perfdata(o, c, v)...)
	}
	for _, name := range o.missing(now) {
		r.State = check.Critical
		texts = slices.Insert(texts, 0, name+" does not exist (CRITICAL)")
		lines = append(lines, name+" does not exist")
	}
	if more := len(now) - maxInterfaces; more > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("%d more interfaces than %d are not told", more, maxInterfaces))
	}
	if len(texts) == 0 {
		texts = []string{"no interface to check"}
	}
	if more := len(texts) - maxShown; more > 0 {
		texts = append(texts[:maxShown], fmt.Sprintf("%d more", more))
	}
	r.Text = fmt.Sprintf("NET %s - %s", r.State, strings.Join(texts, "; "))
	r.Long = strings.Join(lines, "\n")
	return r
}

// missing lists what -i names exactly and is not there.
func (o options) missing(now []counters) (names []string) {
	for _, name := range o.interfaces.Include {
		if !strings.ContainsAny(name, `*?[\`) && !slices.ContainsFunc(now, func(c counters) bool { return c.name == name }) {
			names = append(names, name)
		}
	}
	return names
}

func since(before []counters, c counters, age time.Duration) rates {
	var b counters
	if before != nil {
		i := slices.IndexFunc(before, func(b counters) bool { return b.name == c.name })
		if i < 0 {
			return rates{math.NaN(), math.NaN(), math.NaN(), math.NaN()}
		}
		b = before[i]
	}
	per := func(before, now uint64) float64 {
		if now < before { // the interface was made anew
			return 0
		}
		return math.Round(float64(now-before)/age.Seconds()*1e3) / 1e3
	}
	return rates{per(b.rx, c.rx), per(b.tx, c.tx), per(b.errors, c.errors), per(b.drops, c.drops)}
}

func perfdata(o options, c counters, v rates) []check.Perfdata {
	var none threshold.Pair
	nan := math.NaN()
	list := []check.Perfdata{
		none.Perf(c.name+"_rx", v.rx, "B/s", 0, nan), none.Perf(c.name+"_tx", v.tx, "B/s", 0, nan),
		o.errors.Perf(c.name+"_errors", v.errors, "/s", 0, nan), o.drops.Perf(c.name+"_drops", v.drops, "/s", 0, nan),
	}
	if c.link != linkUnknown {
		up := 0.0
		if c.link == linkUp {
			up = 1
		}
		list = append(list, none.Perf(c.name+"_link", up, "", 0, 1))
	}
	return list
}

func rate(v float64) string {
	if math.IsNaN(v) {
		return "unknown"
	}
	return threshold.Bytes(v) + "/s"
}

func number(v float64) string {
	if math.IsNaN(v) {
		return "unknown"
	}
	return threshold.Format(v)
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "NET UNKNOWN - " + err.Error()}
}
