package session

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestPace(t *testing.T) {
	start := time.Unix(1000, 0)
	unreached := fmt.Errorf("dial: %w", errUnreached)
	failed := errors.New("handshake: something")
	at := func(d time.Duration) time.Time { return start.Add(d) }
	type event struct {
		came     time.Duration // of a line that ended now, 0 = none
		err      error
		now      time.Duration
		min, max time.Duration
	}
	tests := []struct {
		name   string
		events []event
	}{
		{"nothing answers: fast for ten seconds, then slower", []event{
			{0, unreached, 0, silentMin, silentMax},
			{0, unreached, 9 * time.Second, silentMin, silentMax},
			{0, unreached, 11 * time.Second, time.Second / 2, time.Second},
			{0, unreached, 13 * time.Second, time.Second, 2 * time.Second},
		}},
		{"what answers and fails is spared from the first", []event{
			{0, failed, 0, time.Second / 2, time.Second},
			{0, failed, 2 * time.Second, time.Second, 2 * time.Second},
		}},
		{"what was waited while nothing answered is forgotten once something does", []event{
			{0, unreached, 20 * time.Second, time.Second / 2, time.Second},
			{0, unreached, 21 * time.Second, time.Second, 2 * time.Second},
			{0, unreached, 23 * time.Second, 2 * time.Second, 4 * time.Second},
			{0, failed, 27 * time.Second, time.Second / 2, time.Second},
			{0, failed, 28 * time.Second, time.Second, 2 * time.Second},
			{0, unreached, 30 * time.Second, 2 * time.Second, 4 * time.Second},
		}},
		{"a long line begins anew", []event{
			{0, failed, 0, time.Second / 2, time.Second},
			{0, failed, 0, time.Second, 2 * time.Second},
			{time.Minute, failed, 2 * time.Minute, hurryMin, hurryMax},
			{0, failed, 2 * time.Minute, time.Second / 2, time.Second},
		}},
		{"a line that breaks at once does not", []event{
			{time.Minute, failed, time.Minute + time.Second, time.Second / 2, time.Second},
			{2 * time.Minute, failed, 2*time.Minute + time.Second, time.Second, 2 * time.Second},
		}},
		{"refused for good", []event{{0, &refusal{code: wire.RefuseTokenUsed}, 0, refusedIn, refusedIn * 6 / 5}}},
		{"refused until later", []event{{0, &refusal{code: wire.RefuseBusy, retry: time.Minute}, 0, time.Minute, time.Minute * 6 / 5}}},
		{"refused until never", []event{{0, &refusal{code: wire.RefuseBusy, retry: 1000 * time.Hour}, 0, maxRetry, maxRetry * 6 / 5}}},
		{"refused for now", []event{{0, &refusal{code: wire.RefuseNotReady}, 0, time.Second / 2, time.Second}}},
		{"replaced", []event{{time.Hour, errReplaced, 2 * time.Hour, replaced, replaced * 6 / 5}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPace(start)
			for i, e := range tt.events {
				if e.came != 0 {
					p.connected(at(e.came))
				}
				if got := p.after(e.err, at(e.now)); got < e.min || got > e.max {
					t.Errorf("event %d: waits %s, not %s to %s", i, got, e.min, e.max)
				}
			}
		})
	}
	p := newPace(start)
	for range 20 {
		if got := p.after(failed, at(time.Hour)); got > slowest {
			t.Errorf("waits %s", got)
		}
	}
}

func TestClockMeasuresTheHubs(t *testing.T) {
	const ahead = 90 * time.Second // of the hub's clock
	var c clock
	now := time.Now()
	if h := c.beat(now); h.GetEchoNs() != 0 || h.GetHeldNs() != 0 {
		t.Errorf("the first heartbeat echoes %v", h)
	}
	// exchange sends one, has the hub hold it, and hears the answer: there and back take what is given.
	exchange := func(there, held, back time.Duration) {
		sent := c.beat(now)
		now = now.Add(there + held + back)
		hub := now.Add(-back).Add(ahead)
		c.heard(&wire.Heartbeat{SentNs: hub.UnixNano(), EchoNs: sent.GetSentNs(), HeldNs: int64(held)}, now)
	}
	exchange(30*time.Millisecond, 4*time.Second, 90*time.Millisecond)
	if got := c.latest(); got != 120*time.Millisecond {
		t.Errorf("way %s", got)
	}
	exchange(5*time.Millisecond, 9*time.Second, 5*time.Millisecond)
	exchange(0, time.Second, 800*time.Millisecond)
	if best, ok := c.best(); !ok || best.rtt != 10*time.Millisecond || best.offset != ahead {
		t.Errorf("best %+v, %v", best, ok)
	}
	n := len(c.samples)
	c.heard(&wire.Heartbeat{SentNs: 1, EchoNs: 12345}, now)                                              // an echo of nothing
	c.heard(&wire.Heartbeat{SentNs: 1, EchoNs: c.beat(now).GetSentNs(), HeldNs: int64(time.Hour)}, now)  // held longer than it took
	c.heard(&wire.Heartbeat{SentNs: 1, EchoNs: c.beat(now).GetSentNs(), HeldNs: -int64(time.Hour)}, now) // or a negative time
	if len(c.samples) != n {
		t.Errorf("%d samples of nonsense", len(c.samples)-n)
	}
	for range 20 {
		exchange(0, 0, time.Millisecond)
	}
	if len(c.samples) > samplesKept {
		t.Errorf("%d samples kept", len(c.samples))
	}
}

func TestParseHub(t *testing.T) {
	for word, want := range map[string]string{
		"hub.example":              "hub.example:8700",
		"hub.example:443":          "hub.example:443",
		"https://hub.example":      "hub.example:8700",
		"wss://hub.example:443/":   "hub.example:443",
		"https://[2001:db8::1]:99": "[2001:db8::1]:99",
		"":                         "", "https://": "", "http://hub.example": "", "https://a/b": "", "https://u:p@a": "", "a b": "", "hub:x": "",
	} {
		h, err := parseHub(word)
		if (err == nil) != (want != "") || err == nil && h.addr() != want {
			t.Errorf("%q: %q, %v", word, h.addr(), err)
		}
	}
}

// TestSlowLineLeavesOutputOutAndSaysSo writes to a line that nobody empties.
func TestSlowLineLeavesOutputOutAndSaysSo(t *testing.T) {
	l := &line{out: make(chan *wire.Frame, queue), over: make(chan struct{})}
	o := &output{call: "1", line: l}
	chunk := bytes.Repeat([]byte("x"), wire.MaxRunOutput)
	for range queueCall + 3 {
		o.write(false, chunk)
	}
	if len(l.out) != queueCall {
		t.Errorf("%d frames wait", len(l.out))
	}
	for range 4 {
		<-l.out
	}
	o.write(false, []byte("later"))
	var last []*wire.RunOutput
	for len(l.out) > 0 {
		last = append(last, (<-l.out).GetRunOutput())
	}
	mark, end := last[len(last)-2], last[len(last)-1]
	if !mark.GetStderr() || !bytes.Contains(mark.GetData(), fmt.Append(nil, 3*wire.MaxRunOutput)) || string(end.GetData()) != "later" {
		t.Errorf("mark %q, then %q", mark.GetData(), end.GetData())
	}
	close(l.over)
	o.write(false, chunk) // nobody is there: gone
	o.close()
	if len(l.out) != 0 || o.left != 0 {
		t.Errorf("%d frames wait on a broken line, %d bytes are left out", len(l.out), o.left)
	}
}
