package dial

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// answering is a connection to a proxy that says what it is given.
type answering struct {
	net.Conn
	said io.Reader
	read int
}

func (a *answering) Read(b []byte) (int, error) {
	n, err := a.said.Read(b)
	a.read += n
	return n, err
}

// FuzzTunnel: whatever a proxy answers, no more is read of it than its limit, and what follows a good answer stays in the tunnel.
func FuzzTunnel(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "SSH-2.0-x\r\n", "HTTP/1.1 200\r\n" + strings.Repeat("X: y\r\n", 2000),
	} {
		f.Add([]byte(s), []byte("tunnel"))
	}
	f.Fuzz(func(t *testing.T, answer, behind []byte) {
		c := &answering{said: io.MultiReader(bytes.NewReader(answer), bytes.NewReader(behind))}
		err := readTunnel(c)
		if c.read > maxProxyAnswer {
			t.Fatalf("%d bytes read", c.read)
		}
		if end := bytes.Index(answer, []byte("\r\n\r\n")); err == nil && end >= 0 && c.read > end+4 && !bytes.Contains(answer[:end], []byte("\n\n")) {
			t.Fatalf("%d bytes read of an answer of %d", c.read, end+4)
		}
		if err == nil && !bytes.HasPrefix(answer, []byte("HTTP/")) {
			t.Fatalf("%q opens a tunnel", answer)
		}
	})
}

// FuzzCA: certificates, or an error; never neither.
func FuzzCA(f *testing.F) {
	f.Add("")
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f.Add("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		if certs, err := parseCA(text); (len(certs) == 0) == (err == nil) || len(certs) > maxCA {
			t.Fatal(errors.Join(err, errors.New("and certificates")))
		}
	})
}
