package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

const (
	resolveTime = 5 * time.Second
	lineTime    = 20 * time.Second
	mostSkew    = time.Minute // more, and results stand in the wrong place of every plot
)

// lines goes to each hub that the box file names, as a session would; with several, one that is well is enough.
func (p *patient) lines(ctx context.Context, k known) {
	if len(p.box.Hubs) == 0 {
		p.skip("line", "no hub is named")
		return
	}
	before, well := len(p.report.Findings), false
	for _, word := range p.box.Hubs {
		at := len(p.report.Findings)
		p.line(ctx, k, word)
		well = well || !slices.ContainsFunc(p.report.Findings[at:], func(f Finding) bool { return f.Verdict == Problem || f.Verdict == Skipped })
	}
	for i := before; well && i < len(p.report.Findings); i++ {
		if f := &p.report.Findings[i]; f.Verdict == Problem {
			f.Verdict = Warning // the agent goes to another one
		}
	}
}

// line goes the way a session goes: name, proxy, connection, TLS, the hub's own proof.
func (p *patient) line(ctx context.Context, k known, word string) {
	hub, err := url.Parse(word)
	if err != nil || hub.Hostname() == "" || hub.Scheme != "https" {
		p.skip("line", "no hub is named")
		return
	}
	port := hub.Port()
	if port == "" {
		port = "443"
	}
	addr := net.JoinHostPort(hub.Hostname(), port)
	via, err := p.proxy(addr)
	if err != nil {
		p.bad("proxy", "write proxy = http://HOST:PORT into the box file, or proxy = direct; what proxy_password_file names must be readable", "%v", err)
		return
	}
	name := OK
	if via == nil {
		if name = p.resolve(ctx, hub.Hostname()); name == Problem {
			p.skip("line", "without an address of the hub")
			return
		}
	}
	route, ok := p.connect(ctx, k, addr, via)
	if !ok {
		return
	}
	if name == OK && (route.Rung == dial.RungLast || route.Rung == dial.RungHub) {
		p.warn("DNS", "mend hub = in the box file, or the name in DNS", "%s has no address that is the hub's; the agent goes by an address it remembers, %s", hub.Hostname(), route.Address)
	}
	p.handshake(ctx, k, addr)
}

// proxy says which one is on the way to the hub, nil for none.
func (p *patient) proxy(addr string) (*url.URL, error) {
	box := p.box
	box.CA = "" // is looked at with TLS
	way, err := dial.FromBox(box)
	if err != nil {
		return nil, err
	}
	find := http.ProxyFromEnvironment
	switch way.Proxy {
	case "":
	case "none":
		p.good("proxy", "none: the box file says so")
		return nil, nil
	default:
		u, err := url.Parse(way.Proxy)
		if err != nil || u.Scheme != "http" || u.Hostname() == "" {
			return nil, errors.New("proxy in the box file is not of the form http://host:port")
		}
		find = http.ProxyURL(u)
	}
	via, err := find(&http.Request{URL: &url.URL{Scheme: "https", Host: addr}})
	switch {
	case err != nil:
		return nil, errors.New("the environment's proxy is not of the form http://host:port")
	case via == nil:
		p.good("proxy", "none is named (HTTPS_PROXY in the service's environment may differ from yours)")
	default:
		p.good("proxy", "%s", via.Redacted())
	}
	return via, nil
}

// resolve says how the hub's name does: Warning where an address is remembered for one that has none.
func (p *patient) resolve(ctx context.Context, host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		p.good("DNS", "the hub is named by its address")
		return OK
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(found) > 0 {
		p.good("DNS", "%s is %v", host, found[0])
		return OK
	}
	text, do := "no address", "look at /etc/resolv.conf and ask it: getent hosts "+host
	var failed *net.DNSError
	switch {
	case errors.As(err, &failed) && failed.IsNotFound:
		text, do = "there is no such name", "mend hub = in the box file, or the name in DNS"
	case errors.As(err, &failed) && failed.IsTimeout, ctx.Err() != nil:
		text, do = "the resolver does not answer", "look at /etc/resolv.conf, and whether UDP and TCP port 53 pass to what it names"
	case err != nil:
		text = err.Error()
	}
	if rememberedAddress(p.o.Layout.Addresses(), host) {
		p.warn("DNS", do, "%s: %s; the agent goes by an address it remembers", host, text)
		return Warning
	}
	p.bad("DNS", do, "%s: %s", host, text)
	return Problem
}

// rememberedAddress says whether dial's file has a line for a host.
func rememberedAddress(file, host string) bool {
	data, err := fsys.Read(fsys.Disk{}, file, 64<<10)
	return err == nil && strings.Contains(string(data), host)
}

// dialer goes out as the session does.
func (p *patient) dialer(k known, unverified bool) (*dial.Dialer, error) {
	o, err := dial.FromBox(p.box)
	if err != nil {
		return nil, err
	}
	o.HubCA, o.Built, o.Unverified = k.ca, p.past, unverified
	o.Memory, o.Examine = p.o.Layout.Addresses(), true
	return dial.New(o)
}

// connect reaches the hub, as the session does, and has its certificate proved.
func (p *patient) connect(ctx context.Context, k known, addr string, via *url.URL) (dial.Route, bool) {
	ctx, cancel := context.WithTimeout(ctx, lineTime)
	defer cancel()
	d, err := p.dialer(k, k.ok && len(k.keys) == 0) // before the trust document came a token's hash vouches, not TLS
	if err != nil {
		p.bad("TLS", "mend ca = in the box file: it names PEM certificates", "%v", err)
		return dial.Route{}, false
	}
	plain, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		p.unreached(addr, via, err)
		return dial.Route{}, false
	}
	plain.Close()
	p.good("connection", "%s answers at %s", addr, d.Route().Address)
	c, err := d.DialTLSContext(ctx, "tcp", addr)
	if err != nil {
		p.unproven(addr, err)
		return dial.Route{}, false
	}
	defer c.Close()
	p.good("TLS", "the hub's certificate is for %s", addr)
	if skew := d.Route().Skew; skew != 0 {
		p.warn("time", "set the clock", "the clock lies %s outside the dates of the hub's certificate", skew.Abs().Round(time.Minute))
	}
	return d.Route(), true
}

func (p *patient) unreached(addr string, via *url.URL, err error) {
	var failed net.Error
	switch {
	case errors.Is(err, dial.ErrProxy):
		do := "ask whoever runs the proxy to let CONNECT " + addr + " pass"
		if strings.Contains(err.Error(), "407") {
			do = "give name and password: proxy = http://NAME:PASSWORD@HOST:PORT, or proxy_password_file"
		}
		p.bad("proxy", do, "%v", err)
	case via != nil:
		p.bad("proxy", "look whether the proxy runs, and mend proxy = in the box file", "the proxy cannot be reached: %v", err)
	case errors.As(err, &failed) && failed.Timeout() || errors.Is(err, context.DeadlineExceeded):
		p.bad("connection", "a firewall between may drop it: let TCP to "+addr+" pass out", "%s does not answer: %v", addr, err)
	default:
		p.bad("connection", "look whether the hub runs (systemctl status limpet-hub there), and port and name in hub =", "%v", err)
	}
}

// unproven says why the hub's certificate is not believed.
func (p *patient) unproven(addr string, err error) {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case p.clock:
		p.bad("TLS", "set the clock first", "%v", err)
	case errors.As(err, &record):
		p.bad("TLS", "hub = names another port than the hub's, or a proxy answers in its place", "%s does not speak TLS", addr)
	case errors.As(err, &host):
		p.bad("TLS", "name the hub in hub = as its certificate does", "%v", host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		p.bad("TLS", "look at the clock of this box and of the hub, and renew the hub's certificate", "%v", invalid)
	case errors.As(err, &unknown), errors.As(err, &invalid), strings.Contains(err.Error(), "certificate"):
		p.bad("TLS", "something between may break TLS open (give its authority with ca = in the box file); or the hub was made anew: enrol again with a new token",
			"the certificate is not the trusted hub's: %v", err)
	default:
		p.bad("TLS", "look whether something between speaks only older TLS than 1.3", "%v", err)
	}
}
