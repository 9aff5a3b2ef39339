//go:build unix

package main

import (
	"os"
	"testing"
)

// More is due than may run, and the stub has not said a word yet: that is told, and nothing breaks.
func TestACoreIsBehindBeforeItsStubSpeaks(t *testing.T) {
	b := newBox(t, "2")
	f, err := os.OpenFile(b.layout.BoxFile(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("limit.runs = 1\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	b.hub.push(b.load(1, 0, 30))
	c := b.start()
	c.heard("ready")
	b.eventually("the hub hears that it is behind", func() bool {
		b.hub.mu.Lock()
		defer b.hub.mu.Unlock()
		return b.hub.more["behind"] != ""
	})
	c.say("stop service 5")
	if code := c.exited(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
