// Package closed is the check "closed": that nothing answers on ports where nothing should. It connects and sends nothing. There is no plugin of
// this kind but check_tcp with its states the other way round.
package closed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
)

// Limits.
const (
	maxPorts = 1024
	atOnce   = 32                      // connections
	silence  = 1500 * time.Millisecond // after which a port that says nothing counts as closed: a firewall drops
	maxShown = 20
)

type options struct {
	target   reach.Target
	ports    []int
	state    check.State // of an open port
	patience time.Duration
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	o := options{state: check.Critical, patience: silence}
	var set option.Set
	set.Value('p', "port", func(v string) error { return o.add(v) })
	set.Flag('W', "warn-only", func() { o.state = check.Warning })
	o.target.Options(&set)
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if len(o.ports) == 0 {
		return options{}, errors.New("-p PORTS is missing")
	}
	if o.target.Patience > 0 {
		o.patience = o.target.Patience
	}
	if o.target.Host == "" {
		o.target.Host = "127.0.0.1"
	}
	return o, o.target.Check()
}

// add reads "23,100-200".
func (o *options) add(list string) error {
	for part := range strings.SplitSeq(list, ",") {
		low, high, two := strings.Cut(part, "-")
		if !two {
			high = low
		}
		first, err := reach.Port(low)
		last, err2 := reach.Port(high)
		if err = errors.Join(err, err2); err != nil || last < first {
			return fmt.Errorf("%q is neither a port nor a range of ports", part)
		}
		if len(o.ports)+last-first >= maxPorts {
			return fmt.Errorf("more than %d ports", maxPorts)
		}
		for p := first; p <= last; p++ {
			o.ports = append(o.ports, p)
		}
	}
	return nil
}

// Run runs the check once.
func Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return check.Result{State: check.Unknown, Text: "CLOSED UNKNOWN - " + err.Error()}
	}
	ctx, cancel := o.target.Within(ctx)
	defer cancel()
	open, untold, err := o.tryAll(ctx)
	switch {
	case len(open) > 0:
		return check.Result{State: o.state, Text: fmt.Sprintf("CLOSED %s - open on %s: %s", o.state, o.target.Host, shown(open))}
	case err != nil:
		return check.Result{State: check.Unknown, Text: fmt.Sprintf("CLOSED UNKNOWN - %s: %s", o.target.Host, reach.Explain(err))}
	case untold > 0:
		return check.Result{State: check.Unknown, Text: fmt.Sprintf("CLOSED UNKNOWN - no time for %d of %d ports of %s", untold, len(o.ports), o.target.Host)}
	}
	return check.Result{State: check.OK, Text: fmt.Sprintf("CLOSED OK - none of %d ports of %s is open", len(o.ports), o.target.Host)}
}

// tryAll gives the ports that are open, how many there was no time for, and what hindered: a host that cannot be found has no closed port.
func (o options) tryAll(ctx context.Context) (open []int, untold int, err error) {
	var mu sync.Mutex // guards what is returned
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, port := range o.ports {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			isOpen, tryErr := o.try(ctx, port)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case isOpen:
				open = append(open, port)
			case ctx.Err() != nil:
				untold++
			case tryErr != nil:
				err = tryErr
			}
		})
	}
	wg.Wait()
	slices.Sort(open)
	return open, untold, err
}

// try says whether a port is open. An error is one that says nothing about the port.
func (o options) try(ctx context.Context, port int) (open bool, err error) {
	defer func() {
		if p := recover(); p != nil { // no registry stands above this goroutine
			err = fmt.Errorf("this is a bug of the agent: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	t := o.target
	t.Port = port
	conn, err := t.Dial(ctx, "tcp")
	if err == nil {
		conn.Close()
		return true, nil
	}
	if reach.IsTimeout(err) || isRefused(err) {
		return false, nil
	}
	return false, err
}

func shown(ports []int) string {
	var words []string
	for i, p := range ports {
		if i == maxShown {
			words = append(words, fmt.Sprintf("and %d more", len(ports)-maxShown))
			break
		}
		words = append(words, strconv.Itoa(p))
	}
	return strings.Join(words, ", ")
}
