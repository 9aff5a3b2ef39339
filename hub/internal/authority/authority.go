// Package authority is who the hub is: its Ed25519 key, its certificate authority and server certificate, the root of the
// site's own signatures, and the trust documents that name them. It makes what is missing at first start, keeps it in files
// that only the hub's user can read, and renews the certificate and the site's signatures by itself.
package authority

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/site"
)

// Rhythm of Run.
const (
	lookEvery = time.Hour       // at the certificate's age, or a given certificate's file
	signEvery = 24 * time.Hour  // the site's repository: its timestamp is good for a week
	siteEvery = 2 * time.Second // whether somebody has published to it, or made the hub a new key
)

// Options say where everything lies and for whom the certificate is.
type Options struct {
	Dir      string   // of keys and documents, below the hub's data; made when missing
	Names    []string // names and addresses the certificate is for, besides localhost, the loopback addresses and the hostname
	CertFile string   // a given certificate chain instead of an own CA's; needs KeyFile
	KeyFile  string
	Release  string // folder of the release repository, whose root the trust document names
	// SiteChanged is called by Run's goroutine after the site's repository lists something else than before, whoever published it; nil = nobody is told.
	SiteChanged func(*site.View)
	Log         *slog.Logger
}

// Authority is the hub's identity. Its methods may be called from anywhere.
type Authority struct {
	o    Options
	log  *slog.Logger
	ca   *issuer // nil with a given certificate
	site atomic.Pointer[site.View]
	cert atomic.Pointer[tls.Certificate]

	voice atomic.Pointer[voice] // replaced by Run's goroutine

	siteRead time.Time // of what was read of the site last; Open's, then Run's
}

// Open reads what is there and makes what is missing.
func Open(o Options) (*Authority, error) {
	a := &Authority{o: o, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler))}
	if err := os.MkdirAll(filepath.Join(o.Dir, "documents"), 0o700); err != nil {
		return nil, fmt.Errorf("open hub's keys: %w", err)
	}
	v, err := readVoice(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open hub's keys: %w", err)
	}
	a.voice.Store(v)
	if err := a.openSite(time.Now()); err != nil {
		return nil, fmt.Errorf("open hub's keys: %w", err)
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, errors.New("open hub's certificate: a certificate and its key are needed, only one is given")
	}
	if o.CertFile == "" {
		if a.ca, err = openIssuer(o.Dir); err != nil {
			return nil, fmt.Errorf("open hub's certificate: %w", err)
		}
	}
	if err := a.renew(time.Now()); err != nil {
		return nil, fmt.Errorf("open hub's certificate: %w", err)
	}
	return a, nil
}

// Run renews the certificate in time, or reads a given one anew when its file changed, and signs the site's repository anew
// at once and then daily, until ctx ends.
func (a *Authority) Run(ctx context.Context) {
	look, sign, glance := time.NewTicker(lookEvery), time.NewTicker(signEvery), time.NewTicker(siteEvery)
	defer look.Stop()
	defer sign.Stop()
	defer glance.Stop()
	a.signSite(time.Now())
	for {
		select {
		case <-look.C:
			if err := a.renew(time.Now()); err != nil {
				a.log.Error("certificate not renewed, the old one stays", "err", err)
			}
		case <-sign.C:
			a.signSite(time.Now())
		case <-glance.C:
			a.lookAtSite()
			a.lookAtKey()
		case <-ctx.Done():
			return
		}
	}
}

// TLS is the configuration to serve with: the current certificate at every handshake, TLS 1.2 or later, HTTP/1.1 and 2.
func (a *Authority) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12, // agents are held to 1.3 where they come in
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.cert.Load(), nil },
	}
}

// CA is the PEM of the hub's own CA, nil with a given certificate.
func (a *Authority) CA() []byte {
	if a.ca == nil {
		return nil
	}
	return a.ca.pem
}

// Pin is what names the key of the certificate that is served: the base64 of the SHA-256 of its public half (as in curl's
// --pinnedpubkey). A renewed certificate has another: ask anew for each line that is shown.
func (a *Authority) Pin() string {
	sum := sha256.Sum256(a.cert.Load().Leaf.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// renew puts the certificate to serve with in place: the one that is there while it will do, else a new one.
func (a *Authority) renew(now time.Time) error {
	if a.ca == nil {
		cert, err := tls.LoadX509KeyPair(a.o.CertFile, a.o.KeyFile)
		if err != nil {
			return fmt.Errorf("read %s: %w", a.o.CertFile, err)
		}
		a.cert.Store(&cert)
		return nil
	}
	names := namesOf(a.o.Names)
	if current := a.cert.Load(); current != nil && serves(current, names, now) {
		return nil
	}
	cert, err := a.ca.serverCertificate(a.o.Dir, names, now)
	if err != nil {
		return err
	}
	a.cert.Store(cert)
	return nil
}

// hubKey reads the hub's key, or makes it.
func hubKey(name string) (ed25519.PrivateKey, error) {
	key, err := readKey(name)
	if errors.Is(err, os.ErrNotExist) {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			return nil, err
		}
		return key, writeKey(name, key)
	}
	if err != nil {
		return nil, err
	}
	if key, ok := key.(ed25519.PrivateKey); ok {
		return key, nil
	}
	return nil, fmt.Errorf("read %s: not an Ed25519 key", name)
}
