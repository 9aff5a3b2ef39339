package dial

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxProxyAnswer bounds the header of a proxy's answer, in bytes.
const maxProxyAnswer = 16 << 10

// ErrProxy is the cause when a proxy answered, and refused.
var ErrProxy = errors.New("the proxy refused")

func proxyFunc(word string) (func(*http.Request) (*url.URL, error), error) {
	switch word {
	case "":
		return http.ProxyFromEnvironment, nil
	case "none":
		return nil, nil
	}
	u, err := url.Parse(word)
	if err != nil {
		return nil, errors.New("read proxy: not a URL") // the cause would print a password
	}
	if err := checkProxy(u); err != nil {
		return nil, err
	}
	return http.ProxyURL(u), nil
}

func checkProxy(u *url.URL) error {
	if u.Scheme != "http" || u.Hostname() == "" {
		return fmt.Errorf("read proxy: %s is not of the form http://host:port", u.Redacted())
	}
	return nil
}

// proxyFor is the proxy on the way to addr, or nil.
func (d *Dialer) proxyFor(addr string) (*url.URL, error) {
	if d.proxy == nil {
		return nil, nil
	}
	via, err := d.proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: addr}})
	if err != nil || via == nil {
		return nil, err
	}
	return via, checkProxy(via)
}

// throughProxy asks the proxy for a tunnel; the proxy resolves the name.
func (d *Dialer) throughProxy(ctx context.Context, network, addr string, via *url.URL, done finish) (net.Conn, error) {
	port := via.Port()
	if port == "" {
		port = "80"
	}
	targets, err := d.resolved(ctx, via.Hostname(), port)
	if err != nil {
		return nil, fmt.Errorf("dial %s through proxy: %w", addr, err)
	}
	tunnel := func(ctx context.Context, c net.Conn) (net.Conn, error) {
		if err := askTunnel(ctx, c, addr, via.User); err != nil {
			return nil, err
		}
		return done(ctx, c)
	}
	c, at, err := race(ctx, target{network, d.o.Connect, tunnel}, targets[:min(len(targets), maxAddresses)])
	if err != nil {
		return nil, fmt.Errorf("dial %s through proxy %s: %w", addr, via.Host, err)
	}
	host, _, _ := net.SplitHostPort(addr)
	d.arrived(host, Route{Rung: RungProxy, Address: at, Proxy: via.Host}, c)
	return c, nil
}

func askTunnel(ctx context.Context, c net.Conn, addr string, user *url.Userinfo) error {
	deadline := time.Now().Add(connectTimeout)
	if at, ok := ctx.Deadline(); ok && at.Before(deadline) {
		deadline = at
	}
	c.SetDeadline(deadline)
	defer c.SetDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	var ask strings.Builder
	fmt.Fprintf(&ask, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", addr, addr)
	if user != nil {
		password, _ := user.Password()
		pair := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		fmt.Fprintf(&ask, "Proxy-Authorization: Basic %s\r\n", pair)
	}
	ask.WriteString("\r\n")
	if _, err := io.WriteString(c, ask.String()); err != nil {
		return fmt.Errorf("ask proxy: %w", err)
	}
	return readTunnel(c)
}

// readTunnel reads the proxy's answer byte by byte, so that nothing of what follows it is taken away
// from the tunnel: the peer of a TLS client is silent until it is spoken to, but not every peer is.
func readTunnel(c net.Conn) error {
	limited := io.LimitReader(c, maxProxyAnswer)
	r := bufio.NewReaderSize(oneByte{limited}, 16)
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return fmt.Errorf("read the proxy's answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s", ErrProxy, answer.Status)
	}
	return nil
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(b []byte) (int, error) { return o.r.Read(b[:min(len(b), 1)]) }
