//go:build unix

package e2e

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// TestHubThatRefusesEverybody: while a release is on trial whatever stands where the hub was answers 429, or 503, to everyone: to the
// core's session and to the fetcher. Nothing is rolled back, and when the hub is there again the release is committed.
func TestHubThatRefusesEverybody(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T){}
	for name, status := range map[string]int{"429": http.StatusTooManyRequests, "503": http.StatusServiceUnavailable} {
		tests[name] = func(t *testing.T) {
			s := newSite(t)
			a := s.agent("box")
			s.await("a session", func() bool { return presence(s, a) == "online" })
			core := filepath.Join(s.Dir, "newer")
			_, err := rig.Reversion(filepath.Join(bin, "limpet-core"), core, "0.1.0", "0.1.1")
			s.must(err)
			_, err = s.PublishCore(s.ctx, "0.1.1", core, "--plain", "--soak", "10s") // so long that the hub is gone before it is over
			s.must(err)
			s.must(a.Look(s.ctx))
			s.await("a trial that is staged", func() bool { return a.Record().Trial.Counter == 2 })
			s.must(s.hub.Stop())
			refused, end := refuses(t, s.hub, status)
			s.await("the trial's start, and that it was refused", func() bool { return a.Record().Starts > 0 && refused.Load() > 3 })
			s.holds(20*time.Second, "nothing is held against the trial", func() bool {
				r := a.Record()
				return r.Good.Counter == 1 && r.Trial.Counter == 2 && r.Tries == 3
			})
			s.must(a.Look(s.ctx)) // its fetcher is refused, too
			end()
			s.must(s.hub.Start(s.ctx))
			s.await("the commit", func() bool { return a.Record().Good.Counter == 2 })
			if r := a.Record(); r.Barred[0].Counter != 0 || r.Aside[0].Counter != 0 {
				t.Errorf("rolled back: %+v", r)
			}
			s.await("the session of the new core", func() bool { return presence(s, a) == "online" })
		}
	}
	sideBySide(t, tests)
}

func presence(s *site, a *rig.Agent) string {
	shown, _ := get[struct{ Presence string }](s, "/api/v1/agents/"+a.Fingerprint())
	return shown.Presence
}

// holds looks for a while that something stays true.
func (s *site) holds(within time.Duration, what string, true func() bool) {
	s.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(within); ; {
		select {
		case <-end:
			return
		case <-tick.C:
			if !true() {
				s.t.Fatalf("it is not so any more that %s", what)
			}
		}
	}
}

// certified is a certificate of the hub's own CA.
func certified(t *testing.T, keys string) tls.Certificate {
	t.Helper()
	ca, err := tls.LoadX509KeyPair(filepath.Join(keys, "ca.crt"), filepath.Join(keys, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(nil, leaf, ca.Leaf, public, ca.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der, ca.Certificate[0]}, PrivateKey: private}
}

// refuses stands in the hub's place, with its certificate, and answers everybody alike. It counts.
func refuses(t *testing.T, hub *rig.Hub, status int) (*atomic.Int64, func()) {
	t.Helper()
	certificate := certified(t, filepath.Join(hub.Data, "keys"))
	l, err := net.Listen("tcp", hub.Address)
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.WriteHeader(status)
	})}
	go func() {
		_ = server.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}))
	}()
	end := func() { _ = server.Close() }
	t.Cleanup(end)
	return &n, end
}
