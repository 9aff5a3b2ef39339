//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
	"github.com/limpet-monitoring/limpet/internal/twenty"
)

// What surrounds a message of up to 125 bytes that an agent sends, and of a longer one.
const (
	recordHead  = 5      // of TLS
	recordTail  = 1 + 16 // type of content, and the seal
	maskedShort = 6      // of the websocket: two bytes and the mask
	maskedLong  = 8
	longerThan  = 125
)

// counter counts what goes one way, over all lines.
type counter struct {
	bytes, records atomic.Int64
	payload        atomic.Int64 // as if each record were one message of an agent
}

// line is a writer that counts the bytes of one TLS line.
func (c *counter) line() io.Writer { return &tlsLine{of: c} }

type tlsLine struct {
	of   *counter
	head []byte // of the record that begins
	left int    // bytes of the one under way
}

func (l *tlsLine) Write(p []byte) (int, error) {
	l.of.bytes.Add(int64(len(p)))
	for rest := p; len(rest) > 0; {
		n := min(l.left, len(rest))
		if l.left -= n; n > 0 {
			rest = rest[n:]
			continue
		}
		n = min(recordHead-len(l.head), len(rest))
		l.head, rest = append(l.head, rest[:n]...), rest[n:]
		if len(l.head) == recordHead {
			l.left = int(l.head[3])<<8 | int(l.head[4])
			l.count(l.left - recordTail)
			l.head = l.head[:0]
		}
	}
	return len(p), nil
}

func (l *tlsLine) count(sealed int) {
	l.of.records.Add(1)
	message := sealed - maskedShort
	if message > longerThan {
		message = sealed - maskedLong
	}
	l.of.payload.Add(int64(message))
}

// carried is what the line had carried at a moment.
type carried struct {
	results                           uint64
	up, down, messages, back, payload int64
}

// onTheWire counts what the line of one agent carries with twenty checks of Debian's plugins every 10 s, when it has gone on for a while.
func onTheWire(ctx context.Context, t *table, r *rig.Rig, hub *rig.Hub, quick bool) error {
	tap, err := newCutter()
	if err != nil {
		return err
	}
	a := r.NewAgent("wire")
	if err := a.Bootstrap(ctx, hub); err != nil {
		return err
	}
	if err := a.Box("hub = "+hub.URL(), "proxy = http://"+tap.addr, "plugin_dirs = "+debianPlugins()); err != nil {
		return err
	}
	if err := hub.Apply(ctx, wireChecks()); err != nil {
		return err
	}
	if err := a.Start(); err != nil {
		return err
	}
	defer a.Stop()
	look := func() (carried, error) {
		var agent struct {
			Results uint64
			Checks  []json.RawMessage
		}
		err := hub.Get(ctx, "/api/v1/agents/"+a.Fingerprint(), &agent)
		if err == nil && len(agent.Checks) != len(twenty.Checks) {
			err = fmt.Errorf("%d checks, not %d", len(agent.Checks), len(twenty.Checks))
		}
		return carried{agent.Results, tap.toHub.bytes.Load(), tap.toHere.bytes.Load(), tap.toHub.records.Load(), tap.toHere.records.Load(), tap.toHub.payload.Load()}, err
	}
	if err := rig.Await(ctx, time.Minute, "twenty checks", func(context.Context) (bool, error) { _, err := look(); return err == nil, nil }); err != nil {
		return err
	}
	settles, lasts := 4*time.Minute, 5*time.Minute // what a check is judged by (how often its state changed) is the same after 21 results
	if quick {
		settles, lasts = 30*time.Second, time.Minute
	}
	if err := sleep(ctx, settles); err != nil {
		return err
	}
	before, err := look()
	if err != nil {
		return err
	}
	if err := sleep(ctx, lasts); err != nil {
		return err
	}
	after, err := look()
	if err != nil {
		return err
	}
	n := float64(after.results - before.results)
	if n < 20*lasts.Seconds()/10*0.9 {
		return fmt.Errorf("%.0f results in %s", n, lasts)
	}
	payload := float64(after.payload-before.payload) / n
	t.add(fmt.Sprintf("all that an agent says for a result, its heartbeats among it: 20 checks of Debian's plugins every 10 s, %s, %.0f results in %d messages", lasts, n, after.messages-before.messages),
		fmt.Sprintf("%.1f bytes", payload), "40 bytes", payload <= 40)
	t.add("… the socket with websocket and TLS, to the hub and from it, for a result", fmt.Sprintf("%.1f + %.1f bytes", float64(after.up-before.up)/n, float64(after.down-before.down)/n), "stated", true)
	t.add("… messages from the hub", fmt.Sprint(after.back-before.back), "stated", true)
	return nil
}

func wireChecks() string {
	var b strings.Builder
	b.WriteString("defaults: false\nchecks:\n")
	for i, c := range twenty.Checks {
		args, _ := json.Marshal(c[1:]) // strings
		fmt.Fprintf(&b, "  - {name: %s-%02d, plugin: %s, args: %s, every: 10s}\n", strings.TrimPrefix(c[0], "check_"), i, c[0], args)
	}
	return b.String()
}
