//go:build linux

package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
)

// cutter is a line between an agent and its hub that can be cut: what is open breaks, and while it is down nothing gets through. It is a proxy (CONNECT), so that an
// agent knows no address behind it by which it could go round.
type cutter struct {
	addr   string
	toHub  counter
	toHere counter

	mu   sync.Mutex // guards what follows
	l    net.Listener
	open map[net.Conn]bool
}

func newCutter() (*cutter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &cutter{addr: l.Addr().String(), open: map[net.Conn]bool{}, l: l}
	go c.serve(l)
	return c, nil
}

func (c *cutter) serve(l net.Listener) {
	for {
		down, err := l.Accept()
		if err != nil {
			return
		}
		go c.pass(down)
	}
}

func (c *cutter) pass(down net.Conn) {
	ask, err := http.ReadRequest(bufio.NewReader(down)) // nothing follows it before it is answered
	if err != nil {
		_ = down.Close()
		return
	}
	up, err := net.Dial("tcp", ask.Host)
	if err != nil {
		_ = down.Close()
		return
	}
	_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
	c.mu.Lock()
	if c.l == nil { // cut meanwhile
		c.mu.Unlock()
		_, _ = down.Close(), up.Close()
		return
	}
	c.open[down], c.open[up] = true, true
	c.mu.Unlock()
	go func() { _, _ = io.Copy(up, io.TeeReader(down, c.toHub.line())); _ = up.Close() }()
	_, _ = io.Copy(down, io.TeeReader(up, c.toHere.line()))
	_ = down.Close()
	c.mu.Lock()
	delete(c.open, down)
	delete(c.open, up)
	c.mu.Unlock()
}

// down cuts the line and lets nobody through.
func (c *cutter) down() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.l != nil {
		_ = c.l.Close()
		c.l = nil
	}
	for conn := range c.open {
		if t, ok := conn.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // as a router that forgot the connection
		}
		_ = conn.Close()
	}
}

// up lets through again.
func (c *cutter) up() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.l != nil {
		return nil
	}
	l, err := net.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	c.l = l
	go c.serve(l)
	return nil
}
