package dns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

type options struct {
	target        reach.Target // for -t; Host is the name asked for, Port the server's
	server        string       // -s, "" = those of the system
	kind          string       // -q
	expect        []string     // -a: one of the answers must be one of them
	all           bool         // -L: every answer, and every one of -a
	none          bool         // -n: there must be no such name
	authoritative bool         // -A
	limits        threshold.Pair
	ladder        bool
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parseOptions(args)
	return err
}

func parseOptions(args []string) (options, error) {
	var o options
	var set option.Set
	o.target.Options(&set)
	set.Value('s', "server", func(v string) error {
		if v == "" || strings.ContainsAny(v, " /\x00") {
			return fmt.Errorf("%q is no server", v)
		}
		o.server = v
		return nil
	})
	set.Value('q', "querytype", func(v string) error {
		o.kind = strings.ToUpper(v)
		if kinds[o.kind] == 0 {
			return fmt.Errorf("%q is none of A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT", v)
		}
		return nil
	})
	set.Value('a', "expected-address", func(v string) error {
		for one := range strings.SplitSeq(v, ",") {
			o.expect = append(o.expect, strings.TrimSuffix(one, "."))
		}
		return nil
	})
	set.Flag('L', "all", func() { o.all = true })
	set.Flag('n', "expect-nxdomain", func() { o.none = true })
	set.Flag('A', "expect-authority", func() { o.authoritative = true })
	set.Flag(0, "ladder", func() { o.ladder = true })
	set.Value('w', "warning", threshold.Into(&o.limits.Warn))
	set.Value('c', "critical", threshold.Into(&o.limits.Crit))
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	slices.Sort(o.expect)
	if o.target.Port == 0 {
		o.target.Port = 53
	}
	if o.server == "" && o.authoritative {
		return options{}, errors.New("-A needs a server (-s)")
	}
	if o.none && len(o.expect) > 0 {
		return options{}, errors.New("-n and -a exclude each other")
	}
	if o.ladder && o.server != "" {
		return options{}, errors.New("--ladder asks all servers of this box, so -s has no use")
	}
	return o, nil
}

// question is the name and the kinds of records to ask for: addresses of both kinds unless told otherwise. An address is asked for backwards.
func (o options) question() (string, []string) {
	a, err := netip.ParseAddr(o.target.Host)
	switch {
	case err == nil && (o.kind == "" || o.kind == "PTR"):
		return reverse(a), []string{"PTR"}
	case o.kind == "":
		return o.target.Host, []string{"A", "AAAA"}
	}
	return o.target.Host, []string{o.kind}
}

// reverse is the name under which an address has its name (RFC 1035, 3.5; RFC 3596, 2.5).
func reverse(a netip.Addr) string {
	var b strings.Builder
	bytes := a.Unmap().AsSlice()
	slices.Reverse(bytes)
	for _, x := range bytes {
		if a.Unmap().Is4() {
			fmt.Fprintf(&b, "%d.", x)
		} else {
			fmt.Fprintf(&b, "%x.%x.", x&15, x>>4)
		}
	}
	if a.Unmap().Is4() {
		return b.String() + "in-addr.arpa"
	}
	return b.String() + "ip6.arpa"
}

func (o options) at(server string) string { return net.JoinHostPort(server, fmt.Sprint(o.target.Port)) }
