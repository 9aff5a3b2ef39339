// Package cert is the check "cert": how long certificates still hold, of a server or in files, and whether this box would believe them. Text and
// limits are those of check_http -C.
package cert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/option"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/patience"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Limits.
const (
	maxFile  = 1 << 20 // bytes of a file of certificates
	maxCerts = 256     // told in one result
)

// Limits in days of a check that has none.
const (
	defaultWarn = 30
	defaultCrit = 14
)

type options struct {
	target reach.Target
	name   string
	files  []string // paths or patterns
	days   reach.Days
	verify bool
}

// Valid says whether the check takes these arguments.
func Valid(args []string) error {
	_, err := parse(args)
	return err
}

func parse(args []string) (options, error) {
	o := options{days: reach.Days{Warn: defaultWarn, Crit: defaultCrit}}
	var set option.Set
	o.target.Options(&set)
	set.Value('C', "certificate", reach.IntoDays(&o.days))
	set.Value('D', "days", reach.IntoDays(&o.days))
	set.Value(0, "sni", func(v string) error { o.name = v; return nil })
	set.Flag(0, "verify", func() { o.verify = true })
	set.Value('f', "file", func(v string) error {
		if _, err := filepath.Match(v, ""); err != nil || !filepath.IsAbs(v) {
			return fmt.Errorf("%q is no absolute path", v)
		}
		o.files = append(o.files, v)
		return nil
	})
	if err := set.Parse(args); err != nil {
		return options{}, err
	}
	if len(o.files) > 0 {
		if o.target.Host != "" {
			return options{}, errors.New("-H and -f exclude each other")
		}
		return o, nil
	}
	if o.target.Port == 0 {
		o.target.Port = 443
	}
	return o, o.target.Check()
}

// Check runs the check.
type Check struct {
	reads patience.Calls[[]found]
}

// found is one certificate and where it was found.
type found struct {
	where string
	cert  *x509.Certificate
}

// New gives a check.
func New() *Check { return &Check{} }

// Run runs it once.
func (c *Check) Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return check.Result{State: check.Unknown, Text: "CERT UNKNOWN - " + err.Error()}
	}
	ctx, cancel := o.target.Within(ctx)
	defer cancel()
	if len(o.files) > 0 {
		list, err := c.reads.Do(ctx, strings.Join(o.files, ", "), func() ([]found, error) { return read(o.files) })
		if err != nil {
			return check.Result{State: check.Critical, Text: "CERT CRITICAL - " + err.Error()}
		}
		return judge(o, list, time.Now())
	}
	state, err := o.handshake(ctx)
	if err != nil && reach.IsTimeout(err) {
		return check.Result{State: check.Critical, Text: fmt.Sprintf("CERT CRITICAL - Socket timeout after %g seconds", o.target.Seconds())}
	}
	if err != nil {
		return check.Result{State: check.Critical, Text: "CERT CRITICAL - " + reach.Explain(err)}
	}
	r := judge(o, []found{{o.target.Address(), state.PeerCertificates[0]}}, time.Now())
	o.trust(&r, state)
	return r
}

func (o options) handshake(ctx context.Context) (tls.ConnectionState, error) {
	conn, err := o.target.Dial(ctx, "tcp")
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	c, err := o.target.TLS(ctx, conn, o.name)
	if err != nil {
		return tls.ConnectionState{}, fmt.Errorf("TLS: %w", err)
	}
	if len(c.ConnectionState().PeerCertificates) == 0 {
		return tls.ConnectionState{}, errors.New("the server shows no certificate")
	}
	return c.ConnectionState(), nil
}

// trust says whether this box believes the chain and the name: judged with --verify, else only told.
func (o options) trust(r *check.Result, s tls.ConnectionState) {
	name := o.name
	if name == "" {
		name = o.target.Host
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: name, Intermediates: between})
	if err == nil {
		return
	}
	if !o.verify {
		r.Problems = append(r.Problems, "not judged without --verify: "+err.Error())
		return
	}
	r.State = check.Critical
	r.Text = "CERT CRITICAL - " + reach.OneLine(err.Error(), 300)
}

// read reads the certificates of files, the first of each: the others are of those who vouch for it.
func read(patterns []string) ([]found, error) {
	var list []found
	for _, p := range patterns {
		paths, err := filepath.Glob(p)
		if err != nil {
			return nil, err
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("there is no file %s", p)
		}
		for _, path := range paths {
			if len(list) >= maxCerts {
				return nil, fmt.Errorf("more than %d files", maxCerts)
			}
			c, err := readOne(path)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", path, err)
			}
			list = append(list, found{path, c})
		}
	}
	return list, nil
}

func readOne(path string) (*x509.Certificate, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, err
	}
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	if c, err := x509.ParseCertificate(text); err == nil { // DER
		return c, nil
	}
	return nil, errors.New("there is no certificate in it")
}

// judge makes the result: the text is that of the certificate that is worst.
func judge(o options, list []found, now time.Time) check.Result {
	var r check.Result
	var lines []string
	soonest := math.Inf(1)
	for _, f := range list {
		state, text := o.days.Judge(f.cert, now)
		left := math.Floor(f.cert.NotAfter.Sub(now).Hours() / 24)
		if threshold.Worst(r.State, state) != r.State || state == r.State && left < soonest {
			r.State, r.Text, soonest = threshold.Worst(r.State, state), "CERT "+text, left
			if len(list) > 1 {
				r.Text += " (" + f.where + ")"
			}
		}
		lines = append(lines, f.where+": "+text)
		label := "days"
		if len(list) > 1 {
			label = f.where
		}
		r.Perfdata = append(r.Perfdata, check.Perfdata{
			Label: label, Value: left, Warn: fmt.Sprintf("%d:", o.days.Warn+1), Crit: fmt.Sprintf("%d:", o.days.Crit+1), Min: math.NaN(), Max: math.NaN(),
		})
	}
	if len(list) > 1 {
		r.Long = strings.Join(lines, "\n")
	}
	return r
}
