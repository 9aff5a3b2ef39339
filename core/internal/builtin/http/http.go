// Package http is the check "http": whether a web server answers, and as it should, by the options, text and perfdata of check_http. It speaks
// HTTP/1.1, one request on a connection of its own, and remembers nothing.
package http

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// maxRedirects is how many are followed.
const maxRedirects = 15

// Run runs the check once.
func Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return check.Result{State: check.Unknown, Text: "HTTP UNKNOWN - " + err.Error()}
	}
	ctx, cancel := o.target.Within(ctx)
	defer cancel()
	if o.days.Given {
		return o.certificate(ctx)
	}
	for range maxRedirects {
		a, err := o.ask(ctx)
		if err != nil {
			return o.failed(err)
		}
		next, err := o.redirected(a)
		if err != nil {
			return check.Result{State: check.Unknown, Text: "HTTP UNKNOWN - " + err.Error()}
		}
		if next == nil {
			return o.judge(a)
		}
		if next.url() == o.url() && next.target == o.target {
			return check.Result{State: check.Critical, Text: "HTTP CRITICAL - redirection creates an infinite loop - " + o.url()}
		}
		o = *next
	}
	return check.Result{State: check.Warning, Text: fmt.Sprintf("HTTP WARNING - maximum redirection depth %d exceeded - %s", maxRedirects, o.url())}
}

func (o options) url() string {
	scheme, port := "http", 80
	if o.tls {
		scheme, port = "https", 443
	}
	if o.target.Port == port {
		return fmt.Sprintf("%s://%s%s", scheme, o.host, o.path)
	}
	return fmt.Sprintf("%s://%s:%d%s", scheme, o.host, o.target.Port, o.path)
}

// failed is the result where no answer came.
func (o options) failed(err error) check.Result {
	if reach.IsTimeout(err) {
		return check.Result{State: check.Critical, Text: fmt.Sprintf("CRITICAL - Socket timeout after %g seconds", o.target.Seconds())}
	}
	return check.Result{State: check.Critical, Text: fmt.Sprintf("HTTP CRITICAL - %s (%s)", reach.Explain(err), o.target.Address())}
}

// certificate judges the server's certificate alone, as the plugin's -C.
func (o options) certificate(ctx context.Context) check.Result {
	conn, err := o.target.Dial(ctx, "tcp")
	if err != nil {
		return o.failed(err)
	}
	defer conn.Close()
	c, err := o.target.TLS(ctx, conn, o.name)
	if err != nil {
		return o.failed(err)
	}
	chain := c.ConnectionState().PeerCertificates
	if len(chain) == 0 {
		return check.Result{State: check.Critical, Text: "CRITICAL - Cannot retrieve server certificate."}
	}
	state, text := o.days.Judge(chain[0], time.Now())
	return check.Result{State: state, Text: text}
}

// judge makes the result of an answer.
func (o options) judge(a *answer) check.Result {
	var r check.Result
	var pieces []string
	worse := func(s check.State, text string) {
		r.State = threshold.Worst(r.State, s)
		if text != "" {
			pieces = append(pieces, text)
		}
	}
	if expected, ok := o.statusAsExpected(a); !ok {
		r.State = check.Critical
		r.Text = fmt.Sprintf("HTTP CRITICAL - Invalid HTTP response received from host on port %d: %s", o.target.Port, a.line)
		return r
	} else if expected != "" {
		worse(check.OK, fmt.Sprintf("Status line output matched %q", expected))
	} else {
		worse(o.statusState(a.code), a.line)
	}
	if o.maxAge > 0 {
		worse(o.judgeAge(a))
	}
	o.judgeContent(a, worse)
	o.judgeSize(a, worse)
	worse(o.limits.State(a.took.Seconds()), "")
	r.Text = fmt.Sprintf("HTTP %s: %s - %d bytes in %.3f second response time", r.State, strings.Join(pieces, " - "), a.bytes, a.took.Seconds())
	r.Perfdata = o.perfdata(a)
	if a.cut {
		r.Problems = append(r.Problems, fmt.Sprintf("the answer is longer than %d bytes: what follows was not looked at", maxKept))
	}
	return r
}

// statusAsExpected says which of -e the status line holds, "" without -e.
func (o options) statusAsExpected(a *answer) (expected string, ok bool) {
	if len(o.status) == 0 {
		return "", true
	}
	for _, e := range o.status {
		if strings.Contains(a.line, e) {
			return strings.Join(o.status, ","), true
		}
	}
	return "", false
}

// statusState judges a status as the plugin does without -e.
func (o options) statusState(code int) check.State {
	switch {
	case code >= 500 || code < 100:
		return check.Critical
	case code >= 400:
		return check.Warning
	case code >= 300 && o.follow == "warning":
		return check.Warning
	case code >= 300 && o.follow == "critical":
		return check.Critical
	}
	return check.OK
}

// judgeAge judges how old the document says that it is.
func (o options) judgeAge(a *answer) (check.State, string) {
	modified, err := http.ParseTime(a.headers.Get("Last-Modified"))
	if a.headers.Get("Last-Modified") == "" {
		return check.Critical, "Document modification date unknown"
	}
	if err != nil {
		return check.Critical, "Document modification date unparsable"
	}
	now := time.Now()
	if date, err := http.ParseTime(a.headers.Get("Date")); err == nil {
		now = date // the server's clock, not ours
	}
	old := now.Sub(modified)
	switch {
	case old < -30*time.Second:
		return check.Critical, fmt.Sprintf("Document modification date is %d seconds in the future", int(-old.Seconds()))
	case old.Seconds() > o.maxAge && old > 48*time.Hour:
		return check.Critical, fmt.Sprintf("Last modified %.1f days ago", old.Hours()/24)
	case old.Seconds() > o.maxAge:
		s := int(old.Seconds())
		return check.Critical, fmt.Sprintf("Last modified %d:%02d:%02d ago", s/3600, s/60%60, s%60)
	}
	return check.OK, ""
}

// judgeContent looks for what must be in headers and body.
func (o options) judgeContent(a *answer, worse func(check.State, string)) {
	where := fmt.Sprintf("on '%s'", o.url())
	if o.header != "" && !strings.Contains(a.rawHeaders(), o.header) {
		worse(check.Critical, fmt.Sprintf("header '%s' not found %s", reach.OneLine(o.header, 30), where))
	}
	if o.text != "" && !strings.Contains(a.body, o.text) {
		worse(check.Critical, fmt.Sprintf("string '%s' not found %s", reach.OneLine(o.text, 30), where))
	}
	if o.pattern == nil {
		return
	}
	switch found := o.pattern.MatchString(a.body); {
	case found && o.invert:
		worse(check.Critical, "pattern found")
	case !found && !o.invert:
		worse(check.Critical, "pattern not found")
	}
}

func (o options) judgeSize(a *answer, worse func(check.State, string)) {
	switch {
	case o.most > 0 && a.bytes > o.most:
		worse(check.Warning, fmt.Sprintf("page size %d too large", a.bytes))
	case o.least > 0 && a.bytes < o.least:
		worse(check.Warning, fmt.Sprintf("page size %d too small", a.bytes))
	}
}

func (o options) perfdata(a *answer) []check.Perfdata {
	size := check.Perfdata{Label: "size", Value: float64(a.bytes), Unit: "B", Min: 0, Max: math.NaN()}
	if o.least > 0 {
		size.Warn, size.Crit = fmt.Sprint(o.least), "0"
	}
	list := []check.Perfdata{o.target.Time("time", o.limits, a.took), size}
	if !o.phases {
		return list
	}
	phase := func(label string, d time.Duration) {
		p := o.target.Time(label, threshold.Pair{}, d)
		p.Min = math.NaN()
		list = append(list, p)
	}
	phase("time_connect", a.phases.connect)
	if o.tls {
		phase("time_ssl", a.phases.secure)
	}
	phase("time_headers", a.phases.send)
	phase("time_firstbyte", a.phases.first)
	phase("time_transfer", a.phases.transfer)
	phase("time_dns", a.phases.resolve)
	return list
}
