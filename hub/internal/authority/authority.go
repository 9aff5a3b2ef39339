// Package authority is who the hub is: its Ed25519 key, its certificate authority and server certificate, the root of the
// site's own signatures, and the trust documents that name them. It makes what is missing at first start, keeps it in files
// that only the hub's user can read, and renews the certificate by itself.
package authority

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"log/slog"
)

// Options say where everything lies and for whom the certificate is.
type Options struct {
	Dir      string   // of keys and documents, below the hub's data; made when missing
	Names    []string // names and addresses the certificate is for, besides localhost, the loopback addresses and the hostname
	CertFile string   // a given certificate chain instead of an own CA's; needs KeyFile
	KeyFile  string
	CoreRoot string // the publisher's root.json
	Log      *slog.Logger
}

// Authority is the hub's identity. Its methods may be called from anywhere.
type Authority struct{}

// Open reads what is there and makes what is missing.
func Open(o Options) (*Authority, error) { return nil, nil }

// Run renews the certificate in time, until ctx ends.
func (a *Authority) Run(ctx context.Context) {}

// HubKey is the key that proves the hub in each session.
func (a *Authority) HubKey() ed25519.PrivateKey { return nil }

// TLS is the configuration to serve with: the current certificate at every handshake, TLS 1.2 or later, HTTP/1.1 and 2.
func (a *Authority) TLS() *tls.Config { return nil }

// CA is the PEM of the hub's own CA, nil with a given certificate.
func (a *Authority) CA() []byte { return nil }

// Development says that the core's root is a development root.
func (a *Authority) Development() bool { return false }

// Document is the SHA-256 of the current trust document, for new tokens. An error says what is missing and how to make it.
func (a *Authority) Document() ([32]byte, error) { return [32]byte{}, nil }

// Served is the trust document with this hex SHA-256, current or earlier; false when there never was one.
func (a *Authority) Served(hash string) ([]byte, bool) { return nil, false }
