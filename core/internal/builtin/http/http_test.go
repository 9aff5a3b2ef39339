package http

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/servers"
)

// at gives the options that name a test's server.
func at(t *testing.T, h http.HandlerFunc, args ...string) []string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return append([]string{"-H", "127.0.0.1", "-p", s.URL[strings.LastIndexByte(s.URL, ':')+1:]}, args...)
}

func TestBodyLongerThanWhatIsLookedAt(t *testing.T) {
	args := at(t, func(w http.ResponseWriter, r *http.Request) {
		for range 2 * maxKept >> 16 {
			w.Write(make([]byte, 64<<10))
		}
		io.WriteString(w, "at its end")
	}, "-s", "at its end")
	got := Run(t.Context(), args)
	if got.State != check.Critical || !strings.Contains(got.Text, "not found") || len(got.Problems) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestHeadersWithoutEnd(t *testing.T) {
	port := servers.TCP(t, func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for {
			if _, err := io.WriteString(c, "X: "+strings.Repeat("y", 1000)+"\r\n"); err != nil {
				return
			}
		}
	})
	if got := Run(t.Context(), servers.Args(port, "-H", "127.0.0.1", "-p", "PORT")); got.State != check.Critical || !strings.Contains(got.Text, "HTTP CRITICAL - ") {
		t.Errorf("%+v", got)
	}
}

func TestNoWebServer(t *testing.T) {
	port := servers.TCP(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH\r\n") })
	if got := Run(t.Context(), servers.Args(port, "-H", "127.0.0.1", "-p", "PORT")); got.State != check.Critical || !strings.Contains(got.Text, "nvalid HTTP response") {
		t.Errorf("%+v", got)
	}
}

func TestSlowServerEndsInTime(t *testing.T) {
	args := at(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	servers.InTime(t, func(ctx context.Context) {
		if got := Run(ctx, args); got.State != check.Critical || !strings.Contains(got.Text, "Socket timeout") {
			t.Errorf("%+v", got)
		}
	})
}

// A password is for the host that was named, not for where it sends us.
func TestRedirectToAnotherHostCarriesNoPassword(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "auth="+r.Header.Get("Authorization")+".")
	}))
	t.Cleanup(other.Close)
	args := at(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/x", http.StatusFound) }, "-f", "follow", "-a", "me:secret", "-s", "auth=.")
	if got := Run(t.Context(), args); got.State != check.OK {
		t.Errorf("%+v", got)
	}
}

func TestRedirectToNowhere(t *testing.T) {
	for _, to := range []string{"", "ftp://x/", "http://", "://"} {
		args := at(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Location", to); w.WriteHeader(302) }, "-f", "follow")
		if got := Run(t.Context(), args); got.State != check.Unknown || !strings.Contains(got.Text, "could not parse redirect") {
			t.Errorf("%q: %+v", to, got)
		}
	}
}

func TestVerify(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	args := []string{"-H", "127.0.0.1", "-p", s.URL[strings.LastIndexByte(s.URL, ':')+1:], "-S", "--verify-cert"}
	if got := Run(t.Context(), args); got.State != check.Critical || !strings.Contains(got.Text, "certificate") {
		t.Errorf("%+v", got)
	}
}

func TestPhases(t *testing.T) {
	args := at(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		io.WriteString(w, "x")
	}, "-E")
	got := Run(t.Context(), args)
	phases := map[string]float64{}
	for _, p := range got.Perfdata {
		phases[p.Label] = p.Value
	}
	if phases["time_firstbyte"] < 0.05 || phases["time"] < phases["time_firstbyte"] || phases["time_connect"] > phases["time"] {
		t.Errorf("%+v", got)
	}
}
