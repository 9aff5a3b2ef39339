// Package dial is the way out: it turns a hub's or a mirror's name into a connection, and keeps
// trying where others would be stranded.
//
// A connection is tried by the rungs of a ladder: the addresses the system's resolver gives, then the
// address that worked last, then those the hub gave at the last session. A rung fails when nothing
// there answers or when what answers cannot prove the name it was asked for; TLS always verifies the
// name, whatever the address came from. Coming again, with backoff, is the caller's (see Backoff).
//
// The package owns the file that remembers addresses, and nothing else. It does not know what travels
// over a connection, does not fetch, and does not retry.
package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"
)

// Deadlines of one attempt.
const (
	resolveTimeout = 5 * time.Second  // a resolver that is silent longer is out
	connectTimeout = 8 * time.Second  // one address, TCP and the proxy's answer
	tlsTimeout     = 10 * time.Second // one address, TLS handshake
	stagger        = 300 * time.Millisecond
	maxAddresses   = 8 // of one rung; the rest is left out
)

// Rung says by which means a connection found its address.
type Rung string

// The rungs, in the order tried.
const (
	RungResolver Rung = "resolver"  // the system's resolver, or an address in the URL itself
	RungLast     Rung = "last"      // the address that worked last for this name
	RungHub      Rung = "hub-given" // one that the hub gave at the last session
	RungProxy    Rung = "proxy"     // the proxy resolves
)

// Options say how to go out. The zero value is usable: system resolver, proxy from the environment,
// the system's certificates.
type Options struct {
	// Proxy is the box file's word: "" takes the environment's (HTTPS_PROXY, HTTP_PROXY, NO_PROXY),
	// "none" goes directly, anything else is the proxy's URL (http://[user:password@]host:port).
	Proxy string
	// HubCA is the hub's own CA as PEM, from its trust document. Where it is set, only it vouches
	// for TLS, and the dates of certificates do not count: Route.Skew reports them.
	HubCA string
	// ExtraCA are further authorities as PEM (a box file's "ca"), beside the system's.
	ExtraCA string
	// TimeFloor and Built are times that are surely past: TLS is verified at the latest of them and
	// the clock.
	TimeFloor, Built time.Time
	// Memory names the file in which addresses are remembered; "" remembers in memory alone. A file
	// that cannot be read or written costs only its rungs.
	Memory string
	// Examine reads what Memory names and writes nothing there: for one who only looks.
	Examine bool
	// Connect is how long one address has to answer, and a resolver where that is less than its own 5 s; 0 = 8 s. Less finds a way again sooner after a short outage, and
	// shuts out what is farther away than half of it.
	Connect time.Duration
	// Unverified accepts any certificate: only for what is checked by its hash.
	Unverified bool
	// Resolve, Now and Log replace the system's resolver, the clock and the log.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	Now     func() time.Time
	Log     *slog.Logger
}

// Route says how the latest connection came about.
type Route struct {
	Rung    Rung
	Address string        // ip:port, or the proxy's host:port
	Proxy   string        // host:port of the proxy, or ""
	Skew    time.Duration // how far the clock lies outside the certificate's dates: negative = before them, 0 = inside
}

// Dialer makes connections. Its methods may be called by several goroutines.
type Dialer struct {
	o     Options
	proxy func(*http.Request) (*url.URL, error)
	hubCA []*x509.Certificate
	roots *x509.CertPool // nil = the system's

	mu     sync.Mutex // guards memory and route
	memory memory
	route  Route
}

// New checks the options and reads what was remembered. Errors: a proxy URL that is none of ours, a
// CA without a certificate in it.
func New(o Options) (*Dialer, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Connect == 0 {
		o.Connect = connectTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Resolve == nil {
		o.Resolve = resolve
	}
	d := &Dialer{o: o}
	var err error
	if d.proxy, err = proxyFunc(o.Proxy); err != nil {
		return nil, err
	}
	if o.HubCA != "" {
		if d.hubCA, err = parseCA(o.HubCA); err != nil {
			return nil, fmt.Errorf("read the hub's CA: %w", err)
		}
	}
	if o.ExtraCA != "" {
		if d.roots, err = extendedPool(o.ExtraCA); err != nil {
			return nil, fmt.Errorf("read the box's CA: %w", err)
		}
	}
	d.memory = readMemory(o.Memory, o.Log)
	if o.Examine {
		d.o.Memory = ""
	}
	return d, nil
}

// Route says how the latest successful connection came about; its zero value, that there was none.
func (d *Dialer) Route() Route {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.route
}

// Learn keeps the addresses ("ip:port") under which the hub says it can be reached, for the third
// rung of connections to host. What is not an address is passed over; at most 8 are kept.
func (d *Dialer) Learn(host string, addresses []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.memory.setGiven(host, addresses) {
		d.memory.write(d.o.Memory, d.o.Log)
	}
}

// DialContext makes a plain connection to host:port by the ladder, through the proxy where there is
// one. network must be tcp.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := func(_ context.Context, c net.Conn) (net.Conn, error) { return c, nil }
	return d.climb(ctx, network, addr, plain)
}

// DialTLSContext makes a verified TLS 1.3 connection to host:port by the ladder. The connection is a
// *tls.Conn whose handshake is done. network must be tcp.
func (d *Dialer) DialTLSContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	config := d.TLSConfig(host)
	return d.climb(ctx, network, addr, func(ctx context.Context, c net.Conn) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, tlsTimeout)
		defer cancel()
		secure := tls.Client(c, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		return secure, nil
	})
}

// HTTPTransport is a transport whose connections all come from this dialer: one idle connection at
// most, small buffers. Each call makes a new one.
func (d *Dialer) HTTPTransport() *http.Transport {
	return &http.Transport{
		DialContext:           d.DialContext,
		DialTLSContext:        d.DialTLSContext,
		MaxIdleConns:          1,
		IdleConnTimeout:       30 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		WriteBufferSize:       4 << 10,
		ReadBufferSize:        16 << 10,
	}
}

// finish turns a TCP connection into what was asked for.
type finish func(ctx context.Context, c net.Conn) (net.Conn, error)

// climb tries the rungs in order. The error of a ladder on which every rung failed is that of the
// first one: it is about the name that was asked for; the others are told in its text.
func (d *Dialer) climb(ctx context.Context, network, addr string, done finish) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	via, err := d.proxyFor(addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	if via != nil {
		return d.throughProxy(ctx, network, addr, via, done)
	}
	var failures []error
	tried := map[string]bool{}
	for _, rung := range []Rung{RungResolver, RungLast, RungHub} {
		targets, err := d.targets(ctx, rung, host, port)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		if targets = untried(targets, tried); len(targets) == 0 {
			continue
		}
		c, at, err := race(ctx, target{network, d.o.Connect, done}, targets)
		if err == nil {
			d.arrived(host, Route{Rung: rung, Address: at}, c)
			return c, nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", rung, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("dial %s: %w", addr, errors.Join(failures...))
}

func untried(targets []string, tried map[string]bool) []string {
	var left []string
	for _, t := range targets[:min(len(targets), maxAddresses)] {
		if !tried[t] {
			tried[t] = true
			left = append(left, t)
		}
	}
	return left
}

// targets are the addresses of one rung.
func (d *Dialer) targets(ctx context.Context, rung Rung, host, port string) ([]string, error) {
	d.mu.Lock()
	last, given := d.memory.last[host], d.memory.given[host]
	d.mu.Unlock()
	switch rung {
	case RungResolver:
		return d.resolved(ctx, host, port)
	case RungLast:
		if last == "" {
			return nil, nil
		}
		return []string{net.JoinHostPort(last, port)}, nil
	default:
		return given, nil
	}
}

func (d *Dialer) resolved(ctx context.Context, host, port string) ([]string, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []string{net.JoinHostPort(ip.String(), port)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(resolveTimeout, d.o.Connect))
	defer cancel()
	addrs, err := d.o.Resolve(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", host, err)
	}
	targets := make([]string, 0, len(addrs))
	for _, a := range addrs {
		targets = append(targets, net.JoinHostPort(a.Unmap().String(), port))
	}
	return targets, nil
}

func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// arrived notes a success: the route, and the address for the second rung.
func (d *Dialer) arrived(host string, route Route, c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		route.Skew = d.skew(secure.ConnectionState())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.route = route
	if route.Proxy != "" {
		return
	}
	ip, _, err := net.SplitHostPort(route.Address)
	if err == nil && d.memory.setLast(host, ip) {
		d.memory.write(d.o.Memory, d.o.Log)
	}
}
