//go:build unix

package e2e

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// proxy passes CONNECT on for whoever knows the password, as a company's would. It resolves names that nobody else knows.
type proxy struct {
	*http.Server
	Address  string
	names    map[string]string // name to address
	mu       sync.Mutex        // guards what follows
	password string
	passed   map[string]int // tunnels by what was asked for
	refused  int
	open     map[net.Conn]bool
}

func newProxy(t *testing.T, password string, names map[string]string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Address: l.Addr().String(), names: names, password: password, passed: map[string]int{}, open: map[net.Conn]bool{}}
	p.Server = &http.Server{Handler: http.HandlerFunc(p.handle), ReadHeaderTimeout: time.Minute}
	go func() { _ = p.Serve(l) }()
	t.Cleanup(func() { _ = p.Close(); p.cut() })
	return p
}

func (p *proxy) handle(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+p.password))
	good := r.Method == http.MethodConnect && subtle.ConstantTimeCompare([]byte(want), []byte(r.Header.Get("Proxy-Authorization"))) == 1
	if good {
		p.passed[r.Host]++
	} else {
		p.refused++
	}
	p.mu.Unlock()
	if !good {
		w.Header().Set("Proxy-Authenticate", `Basic realm="company"`)
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	to := r.Host
	if known, ok := p.names[to]; ok {
		to = known
	}
	up, err := net.Dial("tcp", to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer up.Close()
	down, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer down.Close()
	p.keep(down, true)
	defer p.keep(down, false)
	fmt.Fprint(down, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(up, buffered)
		_ = up.Close()
	}()
	_, _ = io.Copy(down, up)
}

func (p *proxy) keep(c net.Conn, is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if is {
		p.open[c] = true
	} else {
		delete(p.open, c)
	}
}

// cut breaks every tunnel, and may change the password.
func (p *proxy) cut(password ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
	for _, word := range password {
		p.password = word
	}
}

func (p *proxy) count(host string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed[host]
}
