// Package ping is the check "ping": whether a host answers ICMP echo requests, how fast, and how many get lost, by the options, text and perfdata
// of check_ping. It needs no rights where the system lets this process have ICMP sockets of its own, else those to a raw socket.
package ping

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Limits.
const (
	defaultPackets = 5
	maxPackets     = 20
	between        = 200 * time.Millisecond // packets
	patience       = time.Second            // for the last answer, or three times what others took
)

// limit is RTA in milliseconds and loss in percent, as "100,20%".
type limit struct {
	rta, loss float64
	given     bool
}

type options struct {
	target     reach.Target
	warn, crit limit
	packets    int
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	o := options{packets: defaultPackets}
	var set option.Set
	set.Value('p', "packets", func(v string) (err error) {
		if o.packets, err = strconv.Atoi(v); err != nil || o.packets < 1 || o.packets > maxPackets {
			return fmt.Errorf("%q is no number from 1 to %d", v, maxPackets)
		}
		return nil
	})
	o.target.Options(&set)
	set.Value('w', "warning", into(&o.warn))
	set.Value('c', "critical", into(&o.crit))
	set.Flag('L', "link", func() {})
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	return o, o.target.Check()
}

// into reads "RTA,LOSS%".
func into(l *limit) func(string) error {
	return func(text string) error {
		rta, loss, two := strings.Cut(text, ",")
		var err, err2 error
		l.rta, err = threshold.Number(rta)
		l.loss, err2 = threshold.Number(strings.TrimSuffix(loss, "%"))
		if !two || errors.Join(err, err2) != nil || l.rta < 0 || l.loss < 0 || l.loss > 100 {
			return fmt.Errorf("%q is not of the form RTA,LOSS%% (milliseconds, percent)", text)
		}
		l.given = true
		return nil
	}
}

// Run runs the check once.
func Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return unknown(err)
	}
	ctx, cancel := o.target.Within(ctx)
	defer cancel()
	address, err := o.resolve(ctx)
	if err != nil {
		return check.Result{State: check.Critical, Text: fmt.Sprintf("PING CRITICAL - %s: %s", o.target.Host, reach.Explain(err))}
	}
	socket, err := open(address.Is6())
	if err != nil {
		return unknown(err)
	}
	defer socket.Close()
	times, sendErr := o.exchange(ctx, socket, address)
	if len(times) == 0 && sendErr != nil {
		return check.Result{State: check.Critical, Text: fmt.Sprintf("CRITICAL - %s (%s)", reach.Explain(sendErr), o.target.Host)}
	}
	return o.judge(times)
}

// resolve finds an address of the host. There is no port to race for, so the first counts.
func (o options) resolve(ctx context.Context) (netip.Addr, error) {
	if a, err := netip.ParseAddr(o.target.Host); err == nil {
		return a.Unmap(), nil
	}
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip"+o.target.Family, o.target.Host)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range list { // as ping does: IPv4 first unless told otherwise
		if a.Unmap().Is4() {
			return a.Unmap(), nil
		}
	}
	return list[0], nil
}

// judge makes the result of the round trips that came back.
func (o options) judge(times []time.Duration) check.Result {
	loss := math.Floor(float64(o.packets-len(times)) / float64(o.packets) * 100)
	rta := math.NaN()
	if len(times) > 0 {
		var sum time.Duration
		for _, t := range times {
			sum += t
		}
		rta = math.Round((sum/time.Duration(len(times))).Seconds()*1e6) / 1e3
	}
	state := check.OK
	switch {
	case len(times) == 0, o.crit.broken(rta, loss):
		state = check.Critical
	case o.warn.broken(rta, loss):
		state = check.Warning
	}
	r := check.Result{State: state, Text: fmt.Sprintf("PING %s - Packet loss = %g%%", state, loss)}
	if len(times) > 0 {
		r.Text += fmt.Sprintf(", RTA = %2.2f ms", rta)
	}
	r.Perfdata = []check.Perfdata{
		{Label: "rta", Value: rta, Unit: "ms", Warn: o.warn.text(o.warn.rta), Crit: o.crit.text(o.crit.rta), Min: 0, Max: math.NaN()},
		{Label: "pl", Value: loss, Unit: "%", Warn: o.warn.text(o.warn.loss), Crit: o.crit.text(o.crit.loss), Min: 0, Max: math.NaN()},
	}
	return r
}

// broken says whether a limit is reached.
func (l limit) broken(rta, loss float64) bool { return l.given && (loss >= l.loss || rta >= l.rta) }

func (l limit) text(v float64) string {
	if !l.given {
		return ""
	}
	return threshold.Format(v)
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "PING UNKNOWN - " + err.Error()}
}
