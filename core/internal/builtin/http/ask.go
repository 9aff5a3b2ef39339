package http

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
)

// Limits of an answer.
const (
	maxKept    = 4 << 20 // bytes of the body that are looked through
	maxHeaders = 64 << 10
)

// answer is what a server said.
type answer struct {
	line    string // "HTTP/1.1 200 OK"
	code    int
	headers http.Header
	body    string
	bytes   int64 // of the whole answer, as it came
	cut     bool  // there was more
	took    time.Duration
	phases  phases
}

// phases are where the time went. resolve is a part of connect.
type phases struct {
	resolve, connect, secure, send, first, transfer time.Duration
}

func (a *answer) rawHeaders() string {
	var b strings.Builder
	a.headers.Write(&b)
	return a.line + "\r\n" + b.String()
}

// counted counts what comes over a connection.
type counted struct {
	net.Conn
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n += int64(n)
	return n, err
}

// ask makes one request. There is no transport in between: each byte and each phase is counted here.
func (o options) ask(ctx context.Context) (*answer, error) {
	a := &answer{}
	start := time.Now()
	conn, err := o.connect(ctx, a)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	in := &counted{Conn: conn}
	connected := time.Now()
	request, err := o.newRequest(ctx)
	if err != nil {
		return nil, err
	}
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	sent := time.Now()
	a.phases.send = sent.Sub(connected)
	limited := &io.LimitedReader{R: in, N: maxHeaders}
	reader := bufio.NewReader(limited)
	if _, err := reader.Peek(1); err != nil {
		return nil, err
	}
	first := time.Now()
	a.phases.first = first.Sub(sent)
	if err := a.read(reader, limited, request, o.noBody); err != nil {
		return nil, err
	}
	a.phases.transfer = time.Since(first)
	a.bytes, a.took = in.n, time.Since(start)
	return a, nil
}

// read reads status, headers and body.
func (a *answer) read(reader *bufio.Reader, limited *io.LimitedReader, request *http.Request, noBody bool) error {
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		return fmt.Errorf("invalid HTTP response: %w", err)
	}
	defer response.Body.Close()
	a.line = strings.TrimSpace(reach.OneLine(response.Proto+" "+response.Status, 200))
	a.code, a.headers = response.StatusCode, response.Header
	if noBody {
		return nil
	}
	limited.N = maxKept + maxHeaders
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKept+1))
	if len(body) > maxKept {
		body, a.cut = body[:maxKept], true
	}
	a.body = string(body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return nil
}

// connect brings the connection about, with TLS where it is asked for.
func (o options) connect(ctx context.Context, a *answer) (net.Conn, error) {
	begun := time.Now()
	target := o.target
	if _, err := netip.ParseAddr(target.Host); err != nil { // by hand, so that its time is known
		if _, err := net.DefaultResolver.LookupNetIP(ctx, "ip"+target.Family, target.Host); err != nil {
			return nil, err
		}
		a.phases.resolve = time.Since(begun)
	}
	conn, err := target.Dial(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	a.phases.connect = time.Since(begun)
	if !o.tls {
		return conn, nil
	}
	begun = time.Now()
	secure := tls.Client(conn, &tls.Config{ServerName: o.name, InsecureSkipVerify: !o.verify, MinVersion: tls.VersionTLS10, NextProtos: []string{"http/1.1"}})
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	a.phases.secure = time.Since(begun)
	return secure, nil
}

func (o options) newRequest(ctx context.Context) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, o.method, "http://host"+o.path, strings.NewReader(o.body))
	if err != nil {
		return nil, err
	}
	r.Header = o.headers.Clone()
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	} else if r.Host = o.host; o.target.Port != map[bool]int{false: 80, true: 443}[o.tls] {
		r.Host = net.JoinHostPort(o.host, strconv.Itoa(o.target.Port))
	}
	r.Close = true
	return r, nil
}

// redirected gives what to ask next, nil when this answer is the one to judge.
func (o options) redirected(a *answer) (*options, error) {
	sticky := strings.HasPrefix(o.follow, "sticky")
	if a.code < 300 || a.code >= 400 || a.code == http.StatusNotModified || !sticky && o.follow != "follow" {
		return nil, nil
	}
	location := a.headers.Get("Location")
	base := &url.URL{Scheme: map[bool]string{false: "http", true: "https"}[o.tls], Host: o.target.Address(), Path: "/"}
	if parsed, err := url.Parse(o.path); err == nil {
		base = base.ResolveReference(parsed)
	}
	to, err := base.Parse(location)
	if err != nil || location == "" || to.Scheme != "http" && to.Scheme != "https" || to.Hostname() == "" {
		return nil, fmt.Errorf("could not parse redirect location %q", reach.OneLine(location, 200))
	}
	next := o
	next.tls, next.path = to.Scheme == "https", to.RequestURI()
	if to.Host != base.Host {
		next.host = to.Hostname()
		next.name = next.host
		next.headers = o.headers.Clone()
		next.headers.Del("Authorization") // meant for the first host
		if !sticky {
			next.target.Host = next.host
		}
		if o.follow != "stickyport" {
			next.target.Port = map[bool]int{false: 80, true: 443}[next.tls]
			if p, err := reach.Port(to.Port()); err == nil {
				next.target.Port = p
			}
		}
	}
	next.method, next.body = "GET", ""
	if o.method == "HEAD" {
		next.method = "HEAD"
	}
	return &next, nil
}
