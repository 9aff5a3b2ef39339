package cert

import (
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/servers"
)

const day = 24 * time.Hour

func TestServer(t *testing.T) {
	quiet := func(c net.Conn) { c.Read(make([]byte, 1)) }
	good, soon := servers.TLS(t, "box", 100*day+time.Hour, quiet), servers.TLS(t, "box", 20*day+time.Hour, quiet)
	plain := servers.TCP(t, func(c net.Conn) { c.Write([]byte("no TLS here\r\n")) })
	for _, c := range []struct {
		args  string
		state check.State
		text  string
	}{
		{fmt.Sprintf("-H 127.0.0.1 -p %d", good), check.OK, "CERT OK - Certificate 'box' will expire on"},
		{fmt.Sprintf("-H 127.0.0.1 -p %d", soon), check.Warning, "CERT WARNING - Certificate 'box' expires in 20 day(s)"},
		{fmt.Sprintf("-H 127.0.0.1 -p %d -C 60,40", soon), check.Critical, "CERT CRITICAL - Certificate 'box' expires in 20 day(s)"},
		{fmt.Sprintf("-H 127.0.0.1 -p %d --verify", good), check.Critical, "CERT CRITICAL - x509: "},
		{fmt.Sprintf("-H 127.0.0.1 -p %d", plain), check.Critical, "CERT CRITICAL - TLS: "},
		{fmt.Sprintf("-H 127.0.0.1 -p %d", servers.Closed(t)), check.Critical, "Connection refused"},
	} {
		if got := New().Run(t.Context(), strings.Fields(c.args)); got.State != c.state || !strings.Contains(got.Text, c.text) {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
	got := New().Run(t.Context(), []string{"-H", "127.0.0.1", "-p", fmt.Sprint(good)})
	if len(got.Problems) != 1 || !strings.HasPrefix(got.Problems[0], "not judged without --verify: ") || got.Perfdata[0].Value != 100 {
		t.Errorf("%+v", got)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, holds time.Duration) {
		t.Helper()
		der := servers.Certificate(t, name, holds).Certificate[0]
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a.pem", 100*day+time.Hour)
	write("b.pem", -day)
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args  string
		state check.State
		text  string
	}{
		{"-f DIR/a.pem", check.OK, "Certificate 'a.pem' will expire"}, {"-f DIR/*.pem", check.Critical, "Certificate 'b.pem' expired on"},
		{"-f DIR/a.pem -f DIR/c.pem", check.Critical, "there is no file"}, {"-f DIR/key", check.Critical, "there is no certificate in it"}, {"-f DIR", check.Critical, "no regular file"},
	} {
		if got := New().Run(t.Context(), strings.Fields(strings.ReplaceAll(c.args, "DIR", dir))); got.State != c.state || !strings.Contains(got.Text, c.text) {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
}
