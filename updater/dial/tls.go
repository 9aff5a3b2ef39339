package dial

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// maxCA bounds the certificates read of one CA text.
const maxCA = 256

// always is a span that every time lies in.
var (
	alwaysFrom = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	alwaysTo   = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

// TLSConfig is a client's configuration for host: TLS 1.3, the name always verified, and the rules of
// time that Options names. Each call makes a new one.
func (d *Dialer) TLSConfig(host string) *tls.Config {
	config := &tls.Config{
		ServerName: host,
		MinVersion: tls.VersionTLS13,
		RootCAs:    d.roots,
		Time:       d.surely,
	}
	switch {
	case d.o.Unverified:
		config.InsecureSkipVerify = true
	case d.hubCA != nil:
		// The standard check looks at dates, so it is switched off and done in VerifyConnection,
		// which also runs when a session is resumed.
		config.InsecureSkipVerify = true
		config.VerifyConnection = func(state tls.ConnectionState) error {
			return d.verifyPinned(host, state)
		}
	}
	return config
}

// surely is the latest of the clock and the times that are surely past.
func (d *Dialer) surely() time.Time {
	now := d.o.Now()
	for _, t := range []time.Time{d.o.TimeFloor, d.o.Built} {
		if t.After(now) {
			now = t
		}
	}
	return now
}

// verifyPinned verifies that the hub's own CA vouches for host, in every respect but the dates.
func (d *Dialer) verifyPinned(host string, state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("verify the hub's certificate: there is none")
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range d.hubCA {
		roots.AddCert(undated(c))
	}
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(undated(c))
	}
	_, err := undated(state.PeerCertificates[0]).Verify(x509.VerifyOptions{
		DNSName:       host,
		Roots:         roots,
		Intermediates: between,
		CurrentTime:   d.surely(),
	})
	if err != nil {
		return fmt.Errorf("verify the hub's certificate against its own CA: %w", err)
	}
	return nil
}

// undated is a certificate whose dates always hold. Its signature is checked over the raw bytes,
// which stay as they are.
func undated(c *x509.Certificate) *x509.Certificate {
	copied := *c
	copied.NotBefore, copied.NotAfter = alwaysFrom, alwaysTo
	return &copied
}

// skew is how far the clock lies outside the dates of the peer's certificate.
func (d *Dialer) skew(state tls.ConnectionState) time.Duration {
	if len(state.PeerCertificates) == 0 {
		return 0
	}
	leaf, now := state.PeerCertificates[0], d.o.Now()
	switch {
	case now.Before(leaf.NotBefore):
		return now.Sub(leaf.NotBefore)
	case now.After(leaf.NotAfter):
		return now.Sub(leaf.NotAfter)
	}
	return 0
}

func parseCA(text string) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	rest := []byte(text)
	for len(certs) < maxCA {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, errors.New("no PEM certificate in it")
	}
	return certs, nil
}

// extendedPool is the system's pool and what text holds.
func extendedPool(text string) (*x509.CertPool, error) {
	certs, err := parseCA(text)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // no system store: the box's own CA is all there is
	}
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool, nil
}
