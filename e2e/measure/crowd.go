//go:build linux

package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// crowd is a fleet that a hub does not know: each comes again and again, with the pace of an agent that is refused, as far as a whole handshake.
type crowd struct {
	stop   context.CancelFunc
	all    sync.WaitGroup
	met    atomic.Int64 // were answered with a challenge
	turned atomic.Int64 // were told that the hub is busy, or not let in at all
	sem    chan struct{}
}

// atOnce is how many of a crowd have a connection under way: the descriptors of this process are not the measure.
const atOnce = 800

func newCrowd(ctx context.Context, hub string, n int) *crowd {
	c := &crowd{sem: make(chan struct{}, atOnce)}
	ctx, c.stop = context.WithCancel(ctx)
	for range n {
		c.all.Go(func() { c.one(ctx, hub) })
	}
	return c
}

// end sends everybody home, and says how many handshakes there were, and how many were sent away.
func (c *crowd) end() (met, turned int) {
	c.stop()
	c.all.Wait()
	return int(c.met.Load()), int(c.turned.Load())
}

func (c *crowd) one(ctx context.Context, hub string) {
	wait := time.Second
	for {
		if sleep(ctx, wait/2+rand.N(wait/2)) != nil {
			return
		}
		wait = min(2*wait, 30*time.Second)
		select {
		case c.sem <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if c.greet(ctx, hub) {
			c.met.Add(1)
		} else if ctx.Err() == nil {
			c.turned.Add(1)
		}
		<-c.sem
	}
}

// greet goes as far as the hub's challenge, which costs it most.
func (c *crowd) greet(ctx context.Context, hub string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	d := websocket.Dialer{Subprotocols: []string{wire.Subprotocol}, HandshakeTimeout: 10 * time.Second,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}} // what is measured is not this side
	conn, _, err := d.DialContext(ctx, "wss://"+hub+wire.Path, nil)
	if err != nil {
		return false
	}
	defer conn.Close()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		return false
	}
	hello, err := wire.Marshal(&wire.Frame{Body: &wire.Frame_Hello{Hello: &wire.Hello{
		ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax, Nonce: wire.NewNonce(), PublicKey: public}}})
	if err != nil || conn.WriteMessage(websocket.BinaryMessage, hello) != nil {
		return false
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, data, err := conn.ReadMessage()
	f := new(wire.Frame)
	return err == nil && wire.Unmarshal(data, f) == nil && f.GetChallenge() != nil
}
