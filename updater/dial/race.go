package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// race connects to the targets one after another, each a moment after the one before (RFC 8305) or
// when that one failed, and gives the first that is done; the others are closed.
func race(ctx context.Context, network string, targets []string, done finish) (net.Conn, string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		conn net.Conn
		at   string
		err  error
	}
	results := make(chan outcome, len(targets)) // nobody waits for a loser
	start := func(target string) {
		go func() {
			c, err := connect(ctx, network, target, done)
			results <- outcome{c, target, err}
		}()
	}
	start(targets[0])
	next, pending := 1, 1
	var failures []error
	timer := time.NewTimer(stagger)
	defer timer.Stop()
	for pending > 0 {
		select {
		case r := <-results:
			pending--
			if r.err == nil {
				go func() { // the losers are cancelled; close one that made it all the same
					for range pending {
						if late := <-results; late.err == nil {
							late.conn.Close()
						}
					}
				}()
				return r.conn, r.at, nil
			}
			failures = append(failures, r.err)
		case <-timer.C:
		}
		if next < len(targets) && ctx.Err() == nil {
			start(targets[next])
			next++
			pending++
			timer.Reset(stagger)
		}
	}
	return nil, "", errors.Join(failures...)
}

func connect(ctx context.Context, network, target string, done finish) (net.Conn, error) {
	dialCtx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(dialCtx, network, target)
	if err != nil {
		return nil, err // net.OpError names the address
	}
	c, err := done(ctx, raw)
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	return c, nil
}
