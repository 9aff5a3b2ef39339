package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// target is what every address of a race has in common.
type target struct {
	network string
	within  time.Duration // for TCP's own handshake
	done    finish
}

// race connects to the targets one after another, each a moment after the one before (RFC 8305) or
// when that one failed, and gives the first that is done; the others are closed.
func race(ctx context.Context, t target, targets []string) (net.Conn, string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		conn net.Conn
		at   string
		err  error
	}
	results := make(chan outcome, len(targets)) // nobody waits for a loser
	start := func(at string) {
		go func() {
			c, err := t.connect(ctx, at)
			results <- outcome{c, at, err}
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

func (t target) connect(ctx context.Context, at string) (net.Conn, error) {
	dialCtx, cancel := context.WithTimeout(ctx, t.within)
	defer cancel()
	raw, err := (&net.Dialer{Control: Persist}).DialContext(dialCtx, t.network, at)
	if err != nil {
		return nil, err // net.OpError names the address
	}
	c, err := t.done(ctx, raw)
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return c, nil
}
