package session

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestComesAgainWhenItIsAskedTo(t *testing.T) {
	for _, tt := range []struct {
		name, retry string
		status      int
		code        string
		least, most time.Duration
	}{
		{"busy for a while", "40", http.StatusServiceUnavailable, wire.RefuseBusy, 40 * time.Second, 48 * time.Second},
		{"too many requests", "40", http.StatusTooManyRequests, wire.RefuseBusy, 40 * time.Second, 48 * time.Second},
		{"busy for years", "4000000000", http.StatusServiceUnavailable, wire.RefuseBusy, maxRetry, maxRetry * 6 / 5},
		{"busy, and does not say", "", http.StatusServiceUnavailable, "", 0, time.Second},
		{"not for seconds", "Wed, 21 Oct 2026 07:28:00 GMT", http.StatusServiceUnavailable, "", 0, time.Second},
		{"not a word of being busy", "40", http.StatusBadGateway, "", 0, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			h.set(func(c *hubConfig) {
				c.door = func(w http.ResponseWriter, r *http.Request) bool {
					if tt.retry != "" {
						w.Header().Set("Retry-After", tt.retry)
					}
					w.WriteHeader(tt.status)
					return false
				}
			})
			a := newAgent(t, h)
			before := time.Now()
			a.start()
			st := a.next("sent away", answered)
			// Its wait is told a moment before the status is: nothing that holds this machine up makes it longer.
			if st.State != Waiting || st.Code != tt.code || !strings.Contains(st.Err, http.StatusText(tt.status)) || st.Retry.Sub(before) < tt.least || st.Retry.Sub(st.Since) > tt.most {
				t.Errorf("waits %s, %s after the start: %+v", st.Retry.Sub(st.Since), st.Retry.Sub(before), st)
			}
		})
	}
}

func TestKnocksWithItsKey(t *testing.T) {
	h := newHub(t)
	keys := make(chan string, 16)
	h.set(func(c *hubConfig) {
		c.door = func(_ http.ResponseWriter, r *http.Request) bool {
			bound, err := wire.Binding(*r.TLS)
			if err != nil {
				t.Error(err)
			}
			key, err := wire.ReadKnock(r.Header.Get(wire.KnockHeader), bound)
			if err != nil {
				t.Error(err)
			}
			keys <- string(key)
			return true
		}
	})
	a := newAgent(t, h)
	a.start()
	a.until("connected", isConnected)
	if got := <-keys; got != string(a.options.Identity.PublicKey()) {
		t.Errorf("knocks with the key %x", got)
	}
}
