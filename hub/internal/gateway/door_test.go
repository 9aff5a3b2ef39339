package gateway_test

import (
	"errors"
	"net/http"
	"testing"
)

// occupy takes every place of the open door by strangers who say nothing.
func (h *hub) occupy() {
	h.t.Helper()
	for range 64 {
		h.raw()
	}
}

func TestWhoIsKnownGetsInBesideACrowd(t *testing.T) {
	h := startHub(t, settings{})
	known, line := h.join()
	line.bye("stop")
	forgotten, line := h.join()
	line.bye("stop")
	if err := h.register.Forget(t.Context(), forgotten.fingerprint()); err != nil {
		t.Fatal(err)
	}
	h.occupy()
	stranger := newAgent(t, nil)
	for _, tt := range []struct {
		name   string
		agent  *agent
		knocks bool
		in     bool
	}{
		{"known, and knocks", known, true, true},
		{"known, and does not", known, false, false},
		{"forgotten", forgotten, true, false},
		{"a stranger who knocks", stranger, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.agent.knocks = tt.knocks
			l, err := tt.agent.connect(t.Context(), h.at())
			if (err == nil) != tt.in {
				t.Fatalf("got %v", err)
			}
			if tt.in {
				l.bye("stop")
				return
			}
			var away sentAway
			if !errors.As(err, &away) || away.status != http.StatusServiceUnavailable || !away.closes || away.seconds < 1 || away.seconds > 30 {
				t.Errorf("sent away as %+v: %v", away, err)
			}
		})
	}
}
