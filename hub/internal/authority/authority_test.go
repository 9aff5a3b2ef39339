package authority

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// release makes a release repository with a development root.
func release(t *testing.T) string {
	t.Helper()
	key, err := signing.Generate(true)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "release")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := repo.Create(fsys.Disk{}, dir, func(string) (signing.Key, error) { return key, nil }, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(time.Now()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t *testing.T, o Options) *Authority {
	t.Helper()
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWhatIsMadeOnceStays(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), "keys"), Release: release(t)}
	first := open(t, o)
	hash, err := first.Document()
	if err != nil {
		t.Fatal(err)
	}
	second := open(t, o)
	again, err := second.Document()
	if err != nil || again != hash {
		t.Errorf("another document after a restart, %v", err)
	}
	if !second.HubKey().Equal(first.HubKey()) || !bytes.Equal(second.CA(), first.CA()) ||
		!bytes.Equal(second.cert.Load().Certificate[0], first.cert.Load().Certificate[0]) {
		t.Error("keys or certificates were made anew")
	}
	data, ok := second.Served(hex.EncodeToString(hash[:]))
	if !ok {
		t.Fatal("the document is not served")
	}
	d, err := trust.ParseDocument(data, hash)
	if err != nil || !d.HubKey.Equal(first.HubKey().Public().(ed25519.PublicKey)) || d.CA != string(first.CA()) {
		t.Errorf("document %+v, %v", d, err)
	}
	if !second.Development() {
		t.Error("a development root is not said to be one")
	}
	for _, bad := range []string{"", "..", strings.Repeat("0", 64), "../" + strings.Repeat("0", 61), hex.EncodeToString(hash[:31])} {
		if _, ok := second.Served(bad); ok {
			t.Errorf("%q is served", bad)
		}
	}
}

func TestKeysAreTheirOwnersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // its files have no such modes; the folder's access list does it
	}
	o := Options{Dir: filepath.Join(t.TempDir(), "keys"), Release: release(t)}
	open(t, o)
	err := filepath.WalkDir(o.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".key") && !strings.HasSuffix(path, ".pem") {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(o.Dir, "hub.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others may read: %v", err)
	}
}

func TestWithoutAReleaseTheErrorSaysWhatToDo(t *testing.T) {
	a := open(t, Options{Dir: t.TempDir(), Release: filepath.Join(t.TempDir(), "none")})
	if _, err := a.Document(); !errors.Is(err, ErrNoRelease) || !strings.Contains(err.Error(), "limpet-release") {
		t.Errorf("got %v", err)
	}
	if a.Development() {
		t.Error("nothing is a development root")
	}
}

func TestAgentsCanVerifyTheServer(t *testing.T) {
	a := open(t, Options{Dir: t.TempDir(), Names: []string{"hub.example", "192.0.2.7"}, Release: "none"})
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.CA()) {
		t.Fatal("the CA is no PEM")
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "hub.example", "192.0.2.7"} {
		here, there := net.Pipe()
		server := tls.Server(here, a.TLS())
		go func() { _ = server.Handshake() }()
		client := tls.Client(there, &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS13})
		if err := client.Handshake(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, _ = here.Close(), there.Close()
	}
}

func TestCertificatesAreRenewedInTime(t *testing.T) {
	o := Options{Dir: t.TempDir(), Release: "none"}
	a := open(t, o)
	serialOf := func(a *Authority) string { return a.cert.Load().Leaf.SerialNumber.String() }
	first := serialOf(a)
	now := time.Now()
	for _, c := range []struct {
		name  string
		at    time.Time
		fresh bool
	}{
		{"a month later", now.AddDate(0, 1, 0), false},
		{"ten months later", now.AddDate(0, 10, 0), true},
		{"eleven months later", now.AddDate(0, 11, 0), false},
		{"five years later", now.AddDate(5, 0, 0), true},
	} {
		before := serialOf(a)
		if err := a.renew(c.at); err != nil {
			t.Fatal(err)
		}
		if fresh := serialOf(a) != before; fresh != c.fresh {
			t.Errorf("%s: renewed %v", c.name, fresh)
		}
	}
	if serialOf(a) == first {
		t.Error("never renewed")
	}
	o.Names = []string{"new.example"}
	if b := open(t, o); b.cert.Load().Leaf.VerifyHostname("new.example") != nil {
		t.Error("a new name is not in the certificate")
	}
}

func TestAGivenCertificateIsServed(t *testing.T) {
	dir := t.TempDir()
	own := open(t, Options{Dir: filepath.Join(dir, "own"), Names: []string{"given.example"}, Release: "none"})
	given := filepath.Join(dir, "own", "server.pem")
	o := Options{Dir: filepath.Join(dir, "hub"), CertFile: given, KeyFile: given, Release: release(t)}
	a := open(t, o)
	if a.CA() != nil || !bytes.Equal(a.cert.Load().Certificate[0], own.cert.Load().Certificate[0]) {
		t.Error("another certificate is served")
	}
	hash, err := a.Document()
	if err != nil {
		t.Fatal(err)
	}
	data, _ := a.Served(hex.EncodeToString(hash[:]))
	if d, err := trust.ParseDocument(data, hash); err != nil || d.CA != "" {
		t.Errorf("document with CA %q, %v", d.CA, err)
	}
	o.KeyFile = ""
	if _, err := Open(o); err == nil {
		t.Error("a certificate without key was taken")
	}
	o.CertFile, o.KeyFile = "none", "none"
	if _, err := Open(o); err == nil {
		t.Error("a certificate that is not there was taken")
	}
}
