package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
)

// listener reads server-sent events.
type listener struct {
	t     *testing.T
	lines *bufio.Scanner
	body  io.Closer
}

func (h *testHub) listen(t *testing.T, query string) *listener {
	t.Helper()
	answer := h.open(t, "GET", "/api/v1/events"+query, "", h.bearer(t)...)
	t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("events: %s %v", answer.Status, answer.Header)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	l := &listener{t, lines, answer.Body}
	if kind, data := l.next(); kind != "hello" || !strings.Contains(data, `"time":"`) {
		t.Fatalf("first event %s %s", kind, data)
	}
	return l
}

// next is the next event; "" when the stream has ended.
func (l *listener) next() (kind, data string) {
	for l.lines.Scan() {
		line := l.lines.Text()
		if k, ok := strings.CutPrefix(line, "event: "); ok {
			kind = k
		}
		if d, ok := strings.CutPrefix(line, "data: "); ok {
			return kind, d
		}
	}
	return "", ""
}

// awaitEvent reads up to the event that fits, and decodes it.
func awaitEvent[T any](l *listener, kind string, fits func(T) bool) T {
	l.t.Helper()
	for {
		k, data := l.next()
		if k == "" {
			l.t.Fatalf("the stream ended before the %s", kind)
		}
		var v T
		if k != kind {
			continue
		}
		if err := json.Unmarshal([]byte(data), &v); err != nil {
			l.t.Fatalf("%s: %v in %s", kind, err, data)
		}
		if fits(v) {
			return v
		}
	}
}

type checkEvent struct {
	Fingerprint string
	Check       fleet.CheckStatus
}

func TestEventsTellWhatHappens(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	all, logOnly := h.listen(t, ""), h.listen(t, "?kinds=log")
	a := h.enrolled(t, h.token(t, 2), facts("alpha"))
	came := awaitEvent(all, "agent", func(a fleet.Agent) bool { return a.Presence == fleet.Online })
	if came.Fingerprint != a.fingerprint() || came.Hostname != "alpha" {
		t.Errorf("came %+v", came)
	}
	if kind, data := logOnly.next(); kind != "log" || !strings.Contains(data, `"kind":"enrolled"`) {
		t.Errorf("log stream: %s %s", kind, data)
	}
	a.report(result("disk", wire.State_STATE_CRITICAL, "DISK CRITICAL"))
	heard := awaitEvent(all, "check", func(c checkEvent) bool { return c.Check.Check == "disk" })
	if heard.Fingerprint != a.fingerprint() || heard.Check.State != "CRITICAL" || heard.Check.Last.Text != "DISK CRITICAL" {
		t.Errorf("check %+v", heard)
	}
	one := h.listen(t, "?agent=alpha")
	_ = a.conn.Close()
	left := awaitEvent(one, "agent", func(a fleet.Agent) bool { return a.Presence == fleet.Offline })
	if left.Cause != "lost" {
		t.Errorf("left: %s", left.Cause)
	}
	h.admin(t, 204, "DELETE", "/agents/alpha", "")
	gone := awaitEvent(one, "agent-gone", func(struct{ Fingerprint string }) bool { return true })
	if gone.Fingerprint != a.fingerprint() {
		t.Errorf("gone %+v", gone)
	}
	h.stop() // which ends streams, rather than wait for them
	for kind, _ := all.next(); kind != ""; kind, _ = all.next() {
	}
}

func TestEventsRefuseWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	h.admin(t, 404, "GET", "/events?agent=none", "")
	h.admin(t, 400, "GET", "/events?kinds=log,agents", "")
	h.listen(t, "?kinds=none") // hello alone
}

// A reader that takes nothing is cut off; what waits for it is bounded.
func TestASlowReaderIsCutOff(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	a := h.enrolled(t, h.token(t, 1), facts("alpha"))
	conn, err := tls.Dial("tcp", strings.TrimPrefix(h.url, "https://"), &tls.Config{RootCAs: h.roots, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.NetConn().(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /api/v1/events HTTP/1.1\r\nHost: hub\r\n"+strings.Join(h.bearer(t), ": ")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 4000)
	sent := 0
	for range 40 {
		var batch []*wire.Result
		for i := range 100 {
			batch = append(batch, result(fmt.Sprint("disk", i), wire.State_STATE_OK, text))
		}
		a.report(batch...)
		sent += 100 * 2 * len(text) // a check's event has the text twice
	}
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	<-time.After(11 * time.Second) // the hub waits 10 s for a reader
	read, err := io.Copy(io.Discard, conn)
	if netErr, ok := err.(net.Error); ok && netErr.Timeout() {
		t.Fatalf("the hub still serves it: %d bytes of %d came", read, sent)
	}
	if read >= int64(sent) {
		t.Errorf("all of %d bytes waited for a reader that took nothing", sent)
	}
}
