package gateway_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// occupy takes every place of the open door by strangers who say nothing, from behind a balancer: without a TLS handshake each, they come fast.
func (h *hub) occupy() (leave func()) {
	h.t.Helper()
	plain := httptest.NewServer(h.gateway)
	var crowd []*websocket.Conn
	leave = sync.OnceFunc(func() {
		for _, conn := range crowd {
			_ = conn.Close()
		}
		plain.Close()
	})
	h.t.Cleanup(leave)
	d := websocket.Dialer{Subprotocols: []string{wire.Subprotocol}}
	for range 64 {
		conn, answer, err := d.DialContext(h.t.Context(), "ws"+strings.TrimPrefix(plain.URL, "http"), nil)
		if err != nil {
			h.t.Fatal(err)
		}
		_ = answer.Body.Close()
		crowd = append(crowd, conn)
	}
	return leave
}

func TestWhoIsKnownGetsInBesideACrowd(t *testing.T) {
	for range 5 {
		if knownBesideACrowd(t) {
			return
		}
	}
	t.Error("whoever is known did not get in within a second, or five crowds were gone before all had come")
}

// knownBesideACrowd judges nothing, and says so, where the first of the crowd may have gone before the last of the others came, and where the hub may have
// taken longer to look a knock up than it waits for that.
func knownBesideACrowd(t *testing.T) bool {
	h := startHub(t, settings{})
	defer h.stop()
	known, line := h.join()
	line.bye("stop")
	forgotten, line := h.join()
	line.bye("stop")
	if err := h.register.Forget(t.Context(), forgotten.fingerprint()); err != nil {
		t.Fatal(err)
	}
	stranger := newAgent(t, nil)
	began := time.Now()
	defer h.occupy()()
	comers := []struct {
		name   string
		agent  *agent
		knocks bool
		in     bool
	}{
		{"known, and knocks", known, true, true},
		{"known, and does not", known, false, false},
		{"forgotten", forgotten, true, false},
		{"a stranger who knocks", stranger, true, false},
	}
	said := make([]error, len(comers))
	for i, c := range comers {
		c.agent.knocks = c.knocks
		came := time.Now()
		l, err := c.agent.connect(t.Context(), h.at())
		if err == nil {
			l.bye("stop")
		} else if c.in && time.Since(came) > time.Second {
			return false
		}
		said[i] = err
	}
	if time.Since(began) >= wire.HandshakeStep {
		return false
	}
	for i, c := range comers {
		if (said[i] == nil) != c.in {
			t.Errorf("%s: got %v", c.name, said[i])
			continue
		}
		var away sentAway
		if !c.in && (!errors.As(said[i], &away) || away.status != http.StatusServiceUnavailable || !away.closes || away.seconds < 1 || away.seconds > 30) {
			t.Errorf("%s: sent away as %+v: %v", c.name, away, said[i])
		}
	}
	return true
}
