//go:build unix

package main

import "testing"

// An agent that was enrolled to come and go says that it goes for good where its host ends, and only there.
func TestAnEphemeralAgentDeregistersWithItsHost(t *testing.T) {
	for _, c := range []struct {
		ephemeral  bool
		cause, bye string
	}{{true, "shutdown", "deregister"}, {false, "shutdown", "shutdown"}, {true, "service", "stop"}, {true, "restart", "reload"}} {
		b := newBox(t, "1")
		b.hub.ephemeral = c.ephemeral
		b.hub.push(b.load(1, 1, 0))
		one := b.start()
		one.heard("ready")
		b.more(1)
		one.say("stop " + c.cause + " 60")
		if code := one.exited(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		b.eventually("the goodbye", func() bool {
			b.hub.mu.Lock()
			defer b.hub.mu.Unlock()
			return len(b.hub.away) > 0
		})
		b.hub.mu.Lock()
		if got := b.hub.away[len(b.hub.away)-1]; got != c.bye {
			t.Errorf("%+v: it said %q", c, got)
		}
		b.hub.mu.Unlock()
	}
}
