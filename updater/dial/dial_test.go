package dial

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// peer is a TLS server on loopback with a certificate of its own CA.
type peer struct {
	ca   string
	port string
}

// dates of a certificate.
type dates struct{ from, to time.Time }

var today = dates{time.Now().Add(-time.Hour), time.Now().Add(time.Hour)}

func newPeer(t *testing.T, name string, d dates) peer {
	t.Helper()
	ca, leaf := certify(t, name, d)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{leaf}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() {
				defer c.Close()
				io.WriteString(c, "hello\n")
				io.Copy(io.Discard, c)
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return peer{ca, port}
}

func certify(t *testing.T, name string, d dates) (ca string, leaf tls.Certificate) {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issuer := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: d.from, NotAfter: d.to, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, issuer, issuer, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: d.from, NotAfter: d.to, DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, issuer, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}))
	return ca, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// resolver gives addresses for names; what it does not know does not exist.
func resolver(names map[string][]string) func(context.Context, string) ([]netip.Addr, error) {
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		found, ok := names[host]
		if !ok {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		var all []netip.Addr
		for _, a := range found {
			all = append(all, netip.MustParseAddr(a))
		}
		return all, nil
	}
}

func dialer(t *testing.T, o Options) *Dialer {
	t.Helper()
	if o.Proxy == "" {
		o.Proxy = "none"
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLadder(t *testing.T) {
	p := newPeer(t, "hub.test", today)
	right := map[string][]string{"hub.test": {"127.0.0.1"}}
	tests := []struct {
		name   string
		before func(d *Dialer)
		names  map[string][]string
		rung   Rung // "" = not reached
	}{
		{"resolver", nil, right, RungResolver},
		{"nothing known", nil, nil, ""},
		{"address that worked last", func(d *Dialer) { d.memory.setLast("hub.test", "127.0.0.1") }, nil, RungLast},
		{"address the hub gave", func(d *Dialer) { d.Learn("hub.test", []string{"127.0.0.1:" + p.port}) }, nil, RungHub},
		{"another name's addresses are not tried", func(d *Dialer) { d.Learn("other.test", []string{"127.0.0.1:" + p.port}) }, nil, ""},
		{"resolver gives a dead address", func(d *Dialer) { d.memory.setLast("hub.test", "127.0.0.1") },
			map[string][]string{"hub.test": {"127.0.0.9"}}, RungLast},
		{"a dead address beside a living one", nil, map[string][]string{"hub.test": {"127.0.0.9", "127.0.0.1"}}, RungResolver},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := dialer(t, Options{HubCA: p.ca, Resolve: resolver(tt.names)})
			if tt.before != nil {
				tt.before(d)
			}
			c, err := d.DialTLSContext(t.Context(), "tcp", "hub.test:"+p.port)
			if tt.rung == "" {
				var dns *net.DNSError
				if !errors.As(err, &dns) || d.Route() != (Route{}) {
					t.Errorf("error %v, route %+v", err, d.Route())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if r := d.Route(); r.Rung != tt.rung || r.Address != "127.0.0.1:"+p.port {
				t.Errorf("route %+v", r)
			}
		})
	}
}

// TestStrangerAtTheResolversAddress: an address that answers and cannot prove the name is no address.
func TestStrangerAtTheResolversAddress(t *testing.T) {
	p := newPeer(t, "hub.test", today)
	stranger := newPeer(t, "hub.test", today) // right name, wrong CA
	d := dialer(t, Options{HubCA: p.ca, Resolve: resolver(map[string][]string{"hub.test": {"127.0.0.1"}})})
	d.Learn("hub.test", []string{"127.0.0.1:" + p.port})
	c, err := d.DialTLSContext(t.Context(), "tcp", "hub.test:"+stranger.port)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if d.Route().Rung != RungHub {
		t.Errorf("route %+v", d.Route())
	}
}

func TestMemoryOutlivesTheProcess(t *testing.T) {
	p := newPeer(t, "hub.test", today)
	file := filepath.Join(t.TempDir(), "addresses")
	names := resolver(map[string][]string{"hub.test": {"127.0.0.1"}})
	d := dialer(t, Options{HubCA: p.ca, Resolve: names, Memory: file})
	c, err := d.DialTLSContext(t.Context(), "tcp", "hub.test:"+p.port)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	d = dialer(t, Options{HubCA: p.ca, Resolve: resolver(nil), Memory: file})
	if c, err = d.DialTLSContext(t.Context(), "tcp", "hub.test:"+p.port); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if d.Route().Rung != RungLast {
		t.Errorf("route %+v", d.Route())
	}
	kept, _ := os.ReadFile(file)
	d = dialer(t, Options{HubCA: p.ca, Resolve: resolver(nil), Memory: file, Examine: true})
	if c, err = d.DialTLSContext(t.Context(), "tcp", "hub.test:"+p.port); err != nil {
		t.Fatal(err)
	}
	c.Close()
	d.Learn("hub.test", []string{"127.0.0.2:1"})
	if after, _ := os.ReadFile(file); string(after) != string(kept) {
		t.Errorf("one who only looks wrote %q", after)
	}
	if err := os.WriteFile(file, []byte("\x00garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	dialer(t, Options{Memory: file})
}

func TestWhoMayVouchAndWhen(t *testing.T) {
	now := time.Now()
	past := dates{now.Add(-48 * time.Hour), now.Add(-24 * time.Hour)}
	future := dates{now.Add(24 * time.Hour), now.Add(48 * time.Hour)}
	tests := []struct {
		name    string
		cert    string
		dates   dates
		options func(ca string) Options
		works   bool
		skew    time.Duration // about
	}{
		{"hub's CA", "hub.test", today, func(ca string) Options { return Options{HubCA: ca} }, true, 0},
		{"hub's CA, another name", "other.test", today, func(ca string) Options { return Options{HubCA: ca} }, false, 0},
		{"hub's CA, expired", "hub.test", past, func(ca string) Options { return Options{HubCA: ca} }, true, 24 * time.Hour},
		{"hub's CA, not valid yet", "hub.test", future, func(ca string) Options { return Options{HubCA: ca} }, true, -24 * time.Hour},
		{"box's CA", "hub.test", today, func(ca string) Options { return Options{ExtraCA: ca} }, true, 0},
		{"box's CA, another name", "other.test", today, func(ca string) Options { return Options{ExtraCA: ca} }, false, 0},
		{"box's CA, expired", "hub.test", past, func(ca string) Options { return Options{ExtraCA: ca} }, false, 0},
		{"box's CA, not valid yet", "hub.test", future, func(ca string) Options { return Options{ExtraCA: ca} }, false, 0},
		{"box's CA, clock behind the time floor", "hub.test", future,
			func(ca string) Options { return Options{ExtraCA: ca, TimeFloor: now.Add(25 * time.Hour)} }, true, -24 * time.Hour},
		{"box's CA, clock behind the build", "hub.test", future,
			func(ca string) Options { return Options{ExtraCA: ca, Built: now.Add(25 * time.Hour)} }, true, -24 * time.Hour},
		{"nobody", "hub.test", today, func(string) Options { return Options{} }, false, 0},
		{"anybody, where a hash follows", "other.test", past, func(string) Options { return Options{Unverified: true} }, true, 24 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPeer(t, tt.cert, tt.dates)
			o := tt.options(p.ca)
			o.Resolve = resolver(map[string][]string{"hub.test": {"127.0.0.1"}})
			d := dialer(t, o)
			c, err := d.DialTLSContext(t.Context(), "tcp", "hub.test:"+p.port)
			if err == nil {
				c.Close()
			}
			if (err == nil) != tt.works {
				t.Fatalf("error %v", err)
			}
			if skew := d.Route().Skew; skew.Round(time.Hour) != tt.skew {
				t.Errorf("skew %s", skew)
			}
		})
	}
}

func TestTLS12IsRefused(t *testing.T) {
	ca, leaf := certify(t, "hub.test", today)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{leaf}, MaxVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	d := dialer(t, Options{HubCA: ca, Resolve: resolver(map[string][]string{"hub.test": {"127.0.0.1"}})})
	if c, err := d.DialTLSContext(t.Context(), "tcp", "hub.test:"+port); err == nil {
		c.Close()
		t.Error("TLS 1.2 was spoken")
	}
}

// proxy answers CONNECT on loopback; with another answer than 200 it refuses.
func proxy(t *testing.T, answer string, asked chan<- *http.Request) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() {
				defer c.Close()
				ask, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				asked <- ask
				io.WriteString(c, answer)
				_, port, _ := net.SplitHostPort(ask.Host)
				up, err := net.Dial("tcp", "127.0.0.1:"+port)
				if err != nil {
					return
				}
				defer up.Close()
				go io.Copy(up, c)
				io.Copy(c, up)
			}()
		}
	}()
	return l.Addr().String()
}

func TestProxy(t *testing.T) {
	p := newPeer(t, "hub.test", today)
	tests := []struct {
		name, answer string
		err          string
	}{
		{"lets through", "HTTP/1.1 200 OK\r\n\r\n", ""},
		{"refuses", "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407"},
		{"talks nonsense", "SSH-2.0-x\r\n\r\n", "malformed"},
		{"talks without end", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxProxyAnswer), "read the proxy's answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := make(chan *http.Request, 8)
			at := proxy(t, tt.answer, asked)
			d := dialer(t, Options{HubCA: p.ca, Proxy: "http://me:secret@" + at, Resolve: resolver(nil)})
			c, err := d.DialTLSContext(t.Context(), "tcp", "hub.test:"+p.port)
			ask := <-asked
			if ask.Method != http.MethodConnect || ask.Host != "hub.test:"+p.port || ask.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0" {
				t.Errorf("asked %v %v %v", ask.Method, ask.Host, ask.Header)
			}
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret") {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if line, err := bufio.NewReader(c).ReadString('\n'); line != "hello\n" || err != nil {
				t.Errorf("through the tunnel: %q, %v", line, err)
			}
			if r := d.Route(); r.Rung != RungProxy || r.Proxy != at {
				t.Errorf("route %+v", r)
			}
		})
	}
}

func TestTunnelLosesNoByteThatFollowsTheAnswer(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		http.ReadRequest(bufio.NewReader(theirs))
		io.WriteString(theirs, "HTTP/1.1 200 OK\r\nA: b\r\n\r\nfirst words")
		theirs.Close()
	}()
	if err := askTunnel(t.Context(), ours, "hub:1", nil); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(ours); string(rest) != "first words" || err != nil {
		t.Errorf("rest %q, %v", rest, err)
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{{Proxy: "socks5://x:1"}, {Proxy: "http://"}, {Proxy: "http://a:secret@\x7f"}, {HubCA: "nonsense"}, {ExtraCA: "nonsense"}} {
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestHTTPTransportFetches(t *testing.T) {
	ca, leaf := certify(t, "hub.test", today)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{leaf}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })}
	go server.Serve(l)
	defer server.Close()
	d := dialer(t, Options{HubCA: ca, Resolve: resolver(map[string][]string{"hub.test": {"127.0.0.1"}})})
	transport := d.HTTPTransport()
	defer transport.CloseIdleConnections()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	answer, err := (&http.Client{Transport: transport}).Get("https://hub.test:" + port + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); string(body) != "hub.test:"+port || err != nil {
		t.Errorf("body %q, %v", body, err)
	}
}

func TestBackoffDoublesToItsCeiling(t *testing.T) {
	b := Backoff{Min: time.Second, Max: 30 * time.Second}
	for _, most := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if w := b.Next(); w < most*time.Second/2 || w > most*time.Second {
			t.Errorf("waits %s where %d s is the most", w, most)
		}
	}
	b.Reset()
	if w := b.Next(); w > time.Second {
		t.Errorf("waits %s after a reset", w)
	}
	if w := (&Backoff{}).Next(); w != 0 {
		t.Errorf("the zero value waits %s", w)
	}
}

func FuzzMemory(f *testing.F) {
	m := parseMemory(nil)
	m.setLast("hub.test", "192.0.2.1")
	m.setGiven("hub.test", []string{"192.0.2.1:8700", "[2001:db8::1]:8700"})
	f.Add(m.text())
	f.Add([]byte(memoryHead + "\nlast\ngiven a b c\nlast h 1.2.3.4\ngiven h 1.2.3.4:0\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := parseMemory(data)
		again := parseMemory(m.text())
		if string(again.text()) != string(m.text()) {
			t.Fatalf("reads back otherwise:\n%s\n%s", m.text(), again.text())
		}
		if len(m.last) > maxHosts || len(m.given) > maxHosts {
			t.Fatalf("%d and %d hosts", len(m.last), len(m.given))
		}
	})
}

func ExampleBackoff() {
	b := Backoff{Min: time.Second, Max: 30 * time.Second}
	fmt.Println(b.Next() <= time.Second)
	// Output: true
}
