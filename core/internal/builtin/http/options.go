package http

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

type options struct {
	target  reach.Target // Host = the address to connect to
	host    string       // the virtual host
	path    string
	tls     bool
	name    string // for TLS
	verify  bool
	limits  threshold.Pair // seconds
	method  string
	body    string
	headers http.Header
	status  []string // -e
	header  string   // -d
	text    string   // -s
	pattern *regexp.Regexp
	flags   string // of the pattern
	invert  bool
	noBody  bool
	least   int64   // -m: bytes of the whole answer, 0 = no limit
	most    int64   // -m LEAST:MOST
	maxAge  float64 // -M, seconds; 0 = not judged
	days    reach.Days
	follow  string // -f
	phases  bool   // -E
}

// redirects are what -f takes.
var redirects = []string{"ok", "warning", "critical", "follow", "sticky", "stickyport"}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	o := options{path: "/", headers: http.Header{"User-Agent": {"limpet (check http)"}}, follow: "ok"}
	var set option.Set
	address := ""
	set.Value('H', "hostname", func(v string) error { o.host = v; return nil })
	set.Value('I', "IP-address", func(v string) error { address = v; return nil })
	o.target.Options(&set)
	set.Value('w', "warning", threshold.Into(&o.limits.Warn))
	set.Value('c', "critical", threshold.Into(&o.limits.Crit))
	pattern := ""
	o.requestOptions(&set)
	o.answerOptions(&set, &pattern)
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if pattern != "" {
		var err error
		if o.pattern, err = regexp.Compile(o.flags + pattern); err != nil {
			return options{}, err
		}
	}
	return o, o.finish(address)
}

// finish fills in what the options leave open.
func (o *options) finish(address string) error {
	host, port, found := strings.Cut(o.host, ":")
	if _, err := netip.ParseAddr(o.host); err != nil && found { // -H name:port
		o.host = host
		n, err := reach.Port(port)
		if err != nil {
			return err
		}
		if o.target.Port == 0 {
			o.target.Port = n
		}
	}
	o.target.Host = address
	if address == "" {
		o.target.Host = o.host
	}
	if o.host == "" {
		o.host = address
	}
	if o.host == "" {
		return errors.New("-H HOST or -I ADDRESS is missing")
	}
	if strings.ContainsAny(o.host+o.target.Host, " \t\r\n\x00/") {
		return fmt.Errorf("%q is no host", o.host)
	}
	if o.target.Port == 0 {
		o.target.Port = 80
		if o.tls {
			o.target.Port = 443
		}
	}
	if o.name == "" {
		o.name = o.host
	}
	if o.method == "" {
		o.method = "GET"
		if o.body != "" {
			o.method = "POST"
		}
	}
	return o.target.Check()
}

// requestOptions are those that make the request.
func (o *options) requestOptions(set *option.Set) {
	set.Value('u', "url", func(v string) error {
		if !strings.HasPrefix(v, "/") {
			v = "/" + v
		}
		if _, err := url.ParseRequestURI(v); err != nil {
			return fmt.Errorf("%q is no path", v)
		}
		o.path = v
		return nil
	})
	set.Flag('S', "ssl", func() { o.tls = true })
	set.Flag(0, "sni", func() {}) // always
	set.Flag(0, "verify-cert", func() { o.verify = true })
	set.Value('j', "method", func(v string) error {
		if v == "" || strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return fmt.Errorf("%q is no method", v)
		}
		o.method = v
		return nil
	})
	set.Value('P', "post", func(v string) error {
		o.body = v
		if o.headers.Get("Content-Type") == "" {
			o.headers.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return nil
	})
	set.Value('T', "content-type", func(v string) error { return o.set("Content-Type", v) })
	set.Value('A', "useragent", func(v string) error { return o.set("User-Agent", v) })
	set.Value('k', "header", func(v string) error {
		name, value, ok := strings.Cut(v, ":")
		if !ok {
			return fmt.Errorf("%q is not of the form NAME: VALUE", v)
		}
		return o.set(strings.TrimSpace(name), strings.TrimSpace(value))
	})
	set.Value('a', "authorization", func(v string) error {
		user, password, _ := strings.Cut(v, ":")
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(user, password)
		o.headers.Set("Authorization", r.Header.Get("Authorization"))
		return nil
	})
}

func (o *options) set(name, value string) error {
	if name == "" || strings.ContainsAny(name+value, "\r\n\x00") || strings.ContainsAny(name, " \t:") {
		return fmt.Errorf("%q is no header", name+": "+value)
	}
	o.headers.Set(name, value)
	return nil
}

// answerOptions are those that judge the answer.
func (o *options) answerOptions(set *option.Set, pattern *string) {
	set.Value('e', "expect", func(v string) error { o.status = strings.Split(v, ","); return nil })
	set.Value('d', "header-string", func(v string) error { o.header = v; return nil })
	set.Value('s', "string", func(v string) error { o.text = v; return nil })
	set.Flag('l', "linespan", func() { o.flags += "(?s)" })
	set.Value('r', "regex", func(v string) error { *pattern = v; return nil })
	set.Value(0, "ereg", func(v string) error { *pattern = v; return nil })
	set.Value('R', "eregi", func(v string) error { *pattern = v; o.flags += "(?i)"; return nil })
	set.Flag(0, "invert-regex", func() { o.invert = true })
	set.Flag('N', "no-body", func() { o.noBody = true })
	set.Value('m', "pagesize", func(v string) (err error) {
		least, most, two := strings.Cut(v, ":")
		if o.least, err = strconv.ParseInt(least, 10, 32); err == nil && two {
			o.most, err = strconv.ParseInt(most, 10, 32)
		}
		if err != nil || o.least < 0 || o.most < 0 {
			return fmt.Errorf("%q is not of the form LEAST[:MOST] in bytes", v)
		}
		return nil
	})
	set.Value('M', "max-age", func(v string) (err error) {
		o.maxAge, err = age(v)
		return err
	})
	set.Value('C', "certificate", func(v string) error {
		o.tls = true
		return reach.IntoDays(&o.days)(v)
	})
	set.Value('f', "onredirect", func(v string) error {
		if !slices.Contains(redirects, v) {
			return fmt.Errorf("%q is none of %s", v, strings.Join(redirects, ", "))
		}
		o.follow = v
		return nil
	})
	set.Flag('E', "extended-perfdata", func() { o.phases = true })
}

// age reads "90", "10m", "3h" or "2d" as seconds.
func age(text string) (float64, error) {
	units := map[string]float64{"s": 1, "m": 60, "h": 3600, "d": 86400}
	factor := 1.0
	number := text
	for unit, f := range units {
		if n, ok := strings.CutSuffix(text, unit); ok {
			number, factor = n, f
		}
	}
	v, err := threshold.Number(number)
	if err != nil || v <= 0 {
		return 0, fmt.Errorf("%q is no age such as 90, 10m, 3h or 2d", text)
	}
	return v * factor, nil
}
