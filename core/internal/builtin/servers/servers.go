// Package servers has the servers that the tests of checks ask: real ones, on loopback, each for one test.
package servers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"math/big"
	"net"
	"strconv"
	"testing"
	"time"
)

// TCP serves every connection with a function, which need not close it, and gives the port.
func TCP(t testing.TB, serve func(net.Conn)) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return accept(t, l, serve)
}

// TLS is TCP with TLS, by a certificate that holds for so long from now on (negative: it has expired).
func TLS(t testing.TB, name string, holds time.Duration, serve func(net.Conn)) int {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{Certificate(t, name, holds)}})
	if err != nil {
		t.Fatal(err)
	}
	return accept(t, l, serve)
}

func accept(t testing.TB, l net.Listener, serve func(net.Conn)) int {
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// Certificate makes one that vouches for itself.
func Certificate(t testing.TB, name string, holds time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: now.Add(-1000 * 24 * time.Hour), NotAfter: now.Add(holds),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// UDP answers each packet with what a function makes of it, nil = not at all, and gives the port.
func UDP(t testing.TB, answer func([]byte) []byte) int {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if out := answer(append([]byte(nil), buf[:n]...)); out != nil {
				c.WriteTo(out, from)
			}
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).Port
}

// NTP is a server whose clock is ahead of this one's by so much.
func NTP(ahead time.Duration) func([]byte) []byte {
	const seconds1900 = 2208988800
	stamp := func(b []byte, at time.Time) {
		binary.BigEndian.PutUint32(b, uint32(at.Unix()+seconds1900))
		binary.BigEndian.PutUint32(b[4:], uint32(uint64(at.Nanosecond())<<32/1e9))
	}
	return func(in []byte) []byte {
		if len(in) < 48 {
			return nil
		}
		now := time.Now().Add(ahead)
		out := make([]byte, 48)
		out[0], out[1], out[2], out[3] = in[0]&0x38|4, 2, in[2], 0xec
		copy(out[12:16], "TEST")
		stamp(out[16:], now.Add(-time.Minute))
		copy(out[24:32], in[40:48])
		stamp(out[32:], now)
		stamp(out[40:], time.Now().Add(ahead))
		return out
	}
}

// Closed is a port at which nobody listens, and cannot as long as the test lasts: a connection leads from it.
func Closed(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); l.Close() })
	return c.LocalAddr().(*net.TCPAddr).Port
}

// InTime gives what run does some seconds, by the end of which it must have ended, and more where a busy machine has used them up.
func InTime(t testing.TB, run func(context.Context)) {
	t.Helper()
	for _, has := range []time.Duration{2 * time.Second, 8 * time.Second, 30 * time.Second} {
		ctx, cancel := context.WithTimeout(t.Context(), has)
		run(ctx)
		late := ctx.Err() != nil
		cancel()
		if !late {
			return
		}
	}
	t.Error("it does not end in time")
}

// Args puts a port in the place of PORT.
func Args(port int, args ...string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		if out[i] = a; a == "PORT" {
			out[i] = strconv.Itoa(port)
		}
	}
	return out
}
