// Package reach is what the checks over a network share: the options that name a host, connecting within the time there is, the words for what
// went wrong, and how long a certificate still holds. It judges nothing but certificates.
package reach

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/patience"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// DefaultPatience is how long a plugin waits where -t says nothing.
const DefaultPatience = 10 * time.Second

// Target is a host and how to reach it.
type Target struct {
	Host     string
	Port     int
	Family   string        // "", "4" or "6": appended to a network's name
	Patience time.Duration // -t
}

// Options adds -H, -p, -4, -6 and -t.
func (t *Target) Options(set *option.Set) {
	set.Value('H', "hostname", func(v string) error {
		if v == "" || strings.ContainsAny(v, " \t\r\n\x00") {
			return fmt.Errorf("%q is no host", v)
		}
		t.Host = v
		return nil
	})
	set.Value('p', "port", func(v string) (err error) {
		t.Port, err = Port(v)
		return err
	})
	set.Flag('4', "use-ipv4", func() { t.Family = "4" })
	set.Flag('6', "use-ipv6", func() { t.Family = "6" })
	set.Value('t', "timeout", func(v string) error {
		v, _, _ = strings.Cut(v, ":") // check_x -t SECONDS:STATE
		n, err := threshold.Number(v)
		if err != nil || n <= 0 || n > check.MaxTimeout.Seconds() {
			return fmt.Errorf("%q is no number of seconds up to %.0f", v, check.MaxTimeout.Seconds())
		}
		t.Patience = time.Duration(n * float64(time.Second))
		return nil
	})
}

// Port reads the number of a port.
func Port(v string) (int, error) {
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port", v)
	}
	return int(n), nil
}

// Check says whether a host is named that the family allows.
func (t Target) Check() error {
	if t.Host == "" {
		return errors.New("-H HOST is missing")
	}
	if a, err := netip.ParseAddr(t.Host); err == nil && (t.Family == "4" && !a.Unmap().Is4() || t.Family == "6" && a.Unmap().Is4()) {
		return fmt.Errorf("%s is no address of IPv%s", t.Host, t.Family)
	}
	return nil
}

// Within is the time a run has.
func (t Target) Within(ctx context.Context) (context.Context, context.CancelFunc) {
	return patience.Within(ctx, t.most())
}

func (t Target) most() time.Duration {
	if t.Patience > 0 {
		return t.Patience
	}
	return DefaultPatience
}

// Seconds is that time as perfdata gives it for a maximum.
func (t Target) Seconds() float64 { return t.most().Seconds() }

// Address is host and port.
func (t Target) Address() string { return net.JoinHostPort(t.Host, strconv.Itoa(t.Port)) }

// Dial connects: network is "tcp" or "udp". A host that begins with a slash is a unix socket. The connection ends with ctx.
func (t Target) Dial(ctx context.Context, network string) (net.Conn, error) {
	network, address := network+t.Family, t.Address()
	if strings.HasPrefix(t.Host, "/") {
		network, address = "unix", t.Host
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return bound{conn, stop}, nil
}

// bound is a connection that ends with a context.
type bound struct {
	net.Conn
	stop func() bool
}

func (b bound) Close() error {
	b.stop()
	return b.Conn.Close()
}

// TLS begins TLS on a connection. As with the plugins no certificate is judged here; those who want that ask Verify.
func (t Target) TLS(ctx context.Context, conn net.Conn, name string) (*tls.Conn, error) {
	if name == "" && net.ParseIP(t.Host) == nil {
		name = t.Host
	}
	c := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10})
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// IsTimeout says whether an error is that time is over.
func IsTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// Explain is an error's cause in a plugin's words.
func Explain(err error) string {
	var dns *net.DNSError
	var errno syscall.Errno
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "Name or service not known"
	case errors.As(err, &dns) && dns.IsTimeout:
		return "DNS does not answer"
	case errors.As(err, &dns):
		return "DNS: " + dns.Err
	case errors.As(err, &errno):
		return upper(errno.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "Connection closed by the other side"
	}
	return upper(err.Error())
}

func upper(text string) string {
	return strings.ToUpper(text[:min(1, len(text))]) + text[min(1, len(text)):]
}

// Time gives perfdata of a time in seconds, as plugins do: to the microsecond, from 0 to what a run has.
func (t Target) Time(label string, limits threshold.Pair, d time.Duration) check.Perfdata {
	return limits.Perf(label, Round(d), "s", 0, t.Seconds())
}

// Round is a time in seconds, to the microsecond.
func Round(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e6 }

// OneLine makes text from a network fit for a result's first line.
func OneLine(text string, most int) string {
	text = check.EscapeString(strings.TrimRight(text, "\r\n"))
	if len(text) > most {
		text = text[:most] + "..."
	}
	text = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ").Replace(text)
	return strings.ReplaceAll(text, "|", "¦") // what follows a bar would be perfdata
}
