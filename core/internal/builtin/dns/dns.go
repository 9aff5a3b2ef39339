// Package dns is the check "dns": whether a name is found, by the options, text and perfdata of check_dns. Without a name it climbs the ladder by
// which the agent finds its hub, so that "DNS is broken" arrives as itself and not as a hub that is away. It asks servers by itself and starts no program.
package dns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

// maxShown is what the first line says of answers.
const maxShown = 300

// Hub is how the agent finds its hub: the host it dials, and the rung of the ladder that the present session stands on ("" = there is none).
type Hub struct{ Host, Rung string }

// Check runs the check.
type Check struct {
	hub    func() Hub
	config string // resolv.conf
}

// New gives a check. hub may be nil.
func New(hub func() Hub) *Check { return &Check{hub, "/etc/resolv.conf"} }

// Run runs it once.
func (c *Check) Run(ctx context.Context, args []string) check.Result {
	o, err := parseOptions(args)
	if err != nil {
		return unknown(err)
	}
	var hub Hub
	if o.target.Host == "" {
		if c.hub != nil {
			hub = c.hub()
		}
		if o.ladder = true; hub.Host == "" {
			return unknown(errors.New("-H NAME is missing, and this agent knows no hub yet"))
		}
		o.target.Host = hub.Host
	}
	ctx, cancel := o.target.Within(ctx)
	defer cancel()
	servers, err := c.servers(o)
	_, of := o.question()
	switch {
	case o.ladder: // where the servers are not known, as on Windows, there is the system's resolver alone
		return o.climb(ctx, servers, hub)
	case err == nil:
		return o.lookUp(ctx, servers)
	case of[0] == "A" || of[0] == "AAAA":
		return o.bySystemAlone(ctx)
	}
	return unknown(err)
}

// servers are those to ask, each with its port.
func (c *Check) servers(o options) ([]string, error) {
	if o.server != "" {
		return []string{o.at(o.server)}, nil
	}
	list, err := nameservers(c.config)
	if err != nil {
		return nil, fmt.Errorf("the servers of this system are not known, name one with -s: %w", err)
	}
	for i, s := range list {
		list[i] = o.at(s)
	}
	return list, nil
}

// nameservers reads resolv.conf(5).
func nameservers(path string) ([]string, error) {
	const most = 64 << 10
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []string
	for lines := bufio.NewScanner(io.LimitReader(f, most)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if _, err := netip.ParseAddr(words[1]); err == nil && len(list) < 8 {
			list = append(list, words[1])
		}
	}
	if len(list) == 0 {
		return []string{"127.0.0.1"}, nil // as resolv.conf(5) says
	}
	return list, nil
}

// lookUp asks the servers in their order until one answers, and judges that answer, as the plugin does.
func (o options) lookUp(ctx context.Context, servers []string) check.Result {
	name, of := o.question()
	start := time.Now()
	var problems []string
	for i, server := range servers {
		part, cancel := context.WithTimeout(ctx, share(ctx, len(servers)-i))
		r, err := askAll(part, server, name, of)
		cancel()
		if err != nil && i < len(servers)-1 {
			problems = append(problems, fmt.Sprintf("server %s %s", server, explain(r, err)))
			continue
		}
		result := o.judge(server, r, err, time.Since(start))
		result.Problems = append(problems, result.Problems...)
		return result
	}
	return unknown(errors.New("there is no server to ask"))
}

// bySystemAlone looks an address up where the system's servers are not known.
func (o options) bySystemAlone(ctx context.Context) check.Result {
	start := time.Now()
	list, err := net.DefaultResolver.LookupNetIP(ctx, map[string]string{"": "ip", "A": "ip4", "AAAA": "ip6"}[o.kind], o.target.Host)
	var r reply
	var failed *net.DNSError
	if errors.As(err, &failed) && failed.IsNotFound {
		r.code, err = 3, nil
	}
	for _, a := range list {
		r.answers = append(r.answers, a.Unmap().String())
	}
	return o.judge("of the system", r, err, time.Since(start))
}

// judge makes the result of one server's answer.
func (o options) judge(server string, r reply, err error, took time.Duration) check.Result {
	critical := func(format string, args ...any) check.Result {
		return check.Result{State: check.Critical, Text: "DNS CRITICAL - " + fmt.Sprintf(format, args...)}
	}
	host := o.target.Host
	server = strings.TrimSuffix(server, ":53")
	if o.none && err == nil && r.code == 3 {
		r.code, r.answers = 0, []string{"NXDOMAIN"}
	} else if o.none && err == nil && r.code == 0 {
		return critical("Domain '%s' was found by the server: '%s'", host, reach.OneLine(strings.Join(r.answers, ","), maxShown))
	}
	switch {
	case err != nil && reach.IsTimeout(err):
		return critical("no answer from server %s for %s", server, host)
	case err != nil:
		return critical("server %s: %s", server, explain(r, err))
	case r.code == 3:
		return critical("Domain '%s' was not found by the server %s", host, server)
	case r.code != 0:
		return critical("server %s %s for %s", server, explain(r, nil), host)
	case len(r.answers) == 0:
		return critical("'%s' has no such record at server %s", host, server)
	case o.authoritative && !r.authoritative:
		return critical("server %s is not authoritative for %s", server, host)
	}
	slices.Sort(r.answers)
	text := reach.OneLine(strings.Join(r.answers, ","), maxShown)
	if len(o.expect) > 0 && !o.expected(r.answers) {
		return critical("expected '%s' but got '%s'", strings.Join(o.expect, ","), text)
	}
	state := o.limits.State(took.Seconds())
	perf := o.limits.Perf("time", reach.Round(took), "s", 0, math.NaN())
	return check.Result{
		State: state, Text: fmt.Sprintf("DNS %s: %.3f seconds response time. %s returns %s", state, took.Seconds(), host, text),
		Perfdata: []check.Perfdata{perf},
	}
}

// expected says whether one of the answers is one of those expected (addresses, networks or names); with -L, whether each of both is.
func (o options) expected(answers []string) bool {
	fit := func(e, a string) bool { return fits(e, strings.TrimSuffix(a, ".")) }
	met := func(a string) bool { return slices.ContainsFunc(o.expect, func(e string) bool { return fit(e, a) }) }
	if !o.all {
		return slices.ContainsFunc(answers, met)
	}
	for _, a := range answers {
		if !met(a) {
			return false
		}
	}
	for _, e := range o.expect {
		if !slices.ContainsFunc(answers, func(a string) bool { return fit(e, a) }) {
			return false
		}
	}
	return true
}

func fits(expected, got string) bool {
	if strings.EqualFold(expected, got) {
		return true
	}
	address, err := netip.ParseAddr(got)
	if err != nil {
		return false
	}
	if network, err := netip.ParsePrefix(expected); err == nil {
		return network.Contains(address)
	}
	same, err := netip.ParseAddr(expected)
	return err == nil && same == address
}

// rung is what came of one step of the ladder.
type rung struct {
	name, text string
	broken     bool
	took       time.Duration
}

// lower are the rungs that a session stands on only where the resolver has failed (updater/dial).
var lower = map[string]bool{string(dial.RungLast): true, string(dial.RungHub): true}

// climb tries each way by which this box finds a name, and says of each what came of it.
func (o options) climb(ctx context.Context, servers []string, hub Hub) check.Result {
	rungs := []rung{o.bySystem(ctx, len(servers)+1)}
	for i, server := range servers {
		rungs = append(rungs, o.byServer(ctx, server, len(servers)-i))
	}
	var r check.Result
	var lines, broken []string
	for i, one := range rungs {
		state := check.OK
		if one.broken && i == 0 {
			state = check.Critical
		} else if one.broken {
			state = check.Warning
		}
		if one.broken {
			broken = append(broken, one.name+" "+one.text)
		}
		r.State = threshold.Worst(r.State, state)
		lines = append(lines, fmt.Sprintf("%s %s in %.3f s", one.name, one.text, one.took.Seconds()))
		perf := threshold.Pair{}.Perf(label(i, one.name), reach.Round(one.took), "s", 0, math.NaN())
		if one.broken {
			perf.Value = math.NaN()
		}
		if i == 0 {
			r.State = threshold.Worst(r.State, o.limits.State(one.took.Seconds()))
			perf.Warn, perf.Crit = o.limits.Warn.String(), o.limits.Crit.String()
		}
		r.Perfdata = append(r.Perfdata, perf)
	}
	text := fmt.Sprintf("%s: %s", o.target.Host, strings.Join(broken, "; "))
	if len(broken) == 0 {
		text = fmt.Sprintf("%.3f seconds response time. %s %s", rungs[0].took.Seconds(), o.target.Host, rungs[0].text)
	}
	if lower[hub.Rung] {
		r.State = threshold.Worst(r.State, check.Warning)
		text += "; the session with the hub came about by " + hub.Rung
	}
	r.Text = fmt.Sprintf("DNS %s: %s", r.State, reach.OneLine(text, 2*maxShown))
	r.Long = strings.Join(lines, "\n")
	return r
}

func label(i int, name string) string {
	if i == 0 {
		return "time"
	}
	return "time_" + strings.TrimPrefix(name, "server ")
}

// bySystem looks the name up as every program of this box does: hosts file, search list and all.
func (o options) bySystem(ctx context.Context, parts int) rung {
	ctx, cancel := context.WithTimeout(ctx, share(ctx, parts))
	defer cancel()
	start := time.Now()
	one := rung{name: "the system's resolver"}
	list, err := net.DefaultResolver.LookupHost(ctx, o.target.Host)
	one.took = time.Since(start)
	if err != nil {
		var notFound *net.DNSError
		one.text, one.broken = "says "+strings.ToLower(reach.Explain(err)), true
		if errors.As(err, &notFound) && notFound.IsTimeout {
			one.text = "does not answer"
		}
		return one
	}
	slices.Sort(list)
	one.text = "returns " + strings.Join(list, ",")
	return one
}

// byServer asks one of the system's servers. A name that is in the hosts file alone is unknown to it, which is no fault of the server's.
func (o options) byServer(ctx context.Context, server string, parts int) rung {
	ctx, cancel := context.WithTimeout(ctx, share(ctx, parts))
	defer cancel()
	one := rung{name: "server " + strings.TrimSuffix(server, ":53")}
	name, of := o.question()
	start := time.Now()
	r, err := askAll(ctx, server, name, of)
	one.took = time.Since(start)
	switch {
	case err != nil, r.code != 0 && r.code != 3:
		one.text, one.broken = explain(r, err), true
	case len(r.answers) == 0:
		one.text = explain(r, nil)
	default:
		slices.Sort(r.answers)
		one.text = "returns " + strings.Join(r.answers, ",")
	}
	return one
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "DNS UNKNOWN - " + err.Error()}
}
