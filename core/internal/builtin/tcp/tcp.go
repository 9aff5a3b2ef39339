// Package tcp is the check "tcp": whether a port answers, and as it should, by the options, text and perfdata of check_tcp.
package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
)

// more is how long further input is waited for once there was some.
const more = 2 * time.Second

// maxShown is what the first line quotes of an answer.
const maxShown = 400

// Run runs the check once.
func Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return check.Result{State: check.Unknown, Text: "TCP UNKNOWN - " + err.Error()}
	}
	ctx, cancel := o.target.Within(ctx)
	defer cancel()
	start := time.Now()
	conn, err := o.target.Dial(ctx, "tcp")
	if err != nil {
		return o.unreachable(err)
	}
	defer conn.Close()
	valid := ""
	if o.tls {
		secure, err := o.target.TLS(ctx, conn, o.name)
		if err != nil {
			return o.failed(fmt.Errorf("TLS: %w", err))
		}
		if o.days.Given {
			r := o.certificate(secure)
			if r.State != check.OK {
				return r
			}
			valid = r.Text
		}
		conn = secure
	}
	answer, matched, err := o.talk(ctx, conn)
	if err != nil {
		return o.failed(err)
	}
	took := time.Since(start)
	if len(o.expect) > 0 {
		took -= o.delay
	}
	r := o.judge(answer, matched, took)
	if valid != "" { // as the plugin: the certificate first, the rest on a line of its own
		r.Text, r.Long = valid, r.Text
	}
	return r
}

// unreachable is the result where no connection came about.
func (o options) unreachable(err error) check.Result {
	if reach.IsTimeout(err) {
		return o.failed(err)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return check.Result{State: check.Critical, Text: fmt.Sprintf("TCP CRITICAL - Invalid hostname, address or socket: %s (%s)", o.target.Host, reach.Explain(err))}
	}
	where := fmt.Sprintf("address %s and port %d", o.target.Host, o.target.Port)
	if strings.HasPrefix(o.target.Host, "/") {
		where = "file socket " + o.target.Host
	}
	return check.Result{State: o.refused, Text: fmt.Sprintf("connect to %s: %s", where, reach.Explain(err))}
}

func (o options) failed(err error) check.Result {
	if reach.IsTimeout(err) {
		return check.Result{State: check.Critical, Text: fmt.Sprintf("CRITICAL - Socket timeout after %g seconds", o.target.Seconds())}
	}
	return check.Result{State: check.Critical, Text: "TCP CRITICAL - " + reach.Explain(err)}
}

func (o options) certificate(c *tls.Conn) check.Result {
	chain := c.ConnectionState().PeerCertificates
	if len(chain) == 0 {
		return check.Result{State: check.Critical, Text: "CRITICAL - Cannot retrieve server certificate."}
	}
	state, text := o.days.Judge(chain[0], time.Now())
	return check.Result{State: state, Text: text}
}

// talk sends, and reads until what is expected has come, or nothing more does.
func (o options) talk(ctx context.Context, conn net.Conn) (answer string, matched bool, err error) {
	if o.send != "" {
		if _, err := io.WriteString(conn, o.send); err != nil {
			return "", false, err
		}
	}
	if len(o.expect) > 0 {
		if err := pause(ctx, o.delay); err != nil {
			return "", false, err
		}
		if answer, matched, err = o.read(ctx, conn); err != nil {
			return "", false, err
		}
	}
	if o.quit != "" {
		io.WriteString(conn, o.quit) // the answer is there; how the line ends is nobody's business
	}
	return answer, matched || len(o.expect) == 0, nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read reads until all is matched that can be, the other side ends, it says nothing more for a while, or the limit is reached.
func (o options) read(ctx context.Context, conn net.Conn) (answer string, matched bool, err error) {
	most := maxRead
	if o.most > 0 {
		most = o.most
	}
	var text []byte
	buf := make([]byte, 4096)
	for len(text) < most {
		if len(text) > 0 {
			quiet := time.Now().Add(more)
			if end, ok := ctx.Deadline(); !ok || quiet.Before(end) {
				conn.SetReadDeadline(quiet)
			}
		}
		n, err := conn.Read(buf)
		text = append(text, buf[:n]...)
		if o.match(string(text)) {
			return string(text), true, nil
		}
		if err != nil && len(text) == 0 && !errors.Is(err, io.EOF) {
			return "", false, err
		}
		if err != nil {
			break
		}
	}
	return string(text), false, nil
}

// match says whether what is expected is there.
func (o options) match(text string) bool {
	found := 0
	for _, e := range o.expect {
		if strings.Contains(text, e) {
			found++
		}
	}
	return found > 0 && (!o.all || found == len(o.expect))
}

func (o options) judge(answer string, matched bool, took time.Duration) check.Result {
	r := check.Result{State: o.limits.State(took.Seconds())}
	shown := reach.OneLine(answer, maxShown)
	switch {
	case !matched && len(answer) > 0:
		r.State = o.mismatch
		r.Text = fmt.Sprintf("TCP %s - Unexpected response from host/socket: %s", r.State, shown)
	case !matched:
		r.State = check.Critical
		r.Text = "TCP CRITICAL - No data received from host"
	default:
		r.Text = fmt.Sprintf("TCP %s - %.3f second response time on %s", r.State, took.Seconds(), o.where())
		if shown != "" && !o.hide && len(o.expect) > 0 {
			r.Text += " [" + shown + "]"
		}
	}
	r.Perfdata = []check.Perfdata{o.target.Time("time", o.limits, took)}
	return r
}

func (o options) where() string {
	if strings.HasPrefix(o.target.Host, "/") {
		return "socket " + o.target.Host
	}
	return fmt.Sprintf("%s port %d", o.target.Host, o.target.Port)
}
