package builtin

import (
	"context"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/servers"
)

// BenchmarkRun is one run of each default check on this box, and a round of them all: also the CPU time it takes, user and
// system, which counts on a box that does other things too.
func BenchmarkRun(b *testing.B) {
	for _, c := range Defaults() {
		b.Run(c.Name, func(b *testing.B) { measure(b, []check.Check{c}) })
	}
	b.Run("round", func(b *testing.B) { measure(b, Defaults()) })
}

// BenchmarkServed is one run of those that ask somebody, over loopback; what the server costs is in it.
func BenchmarkServed(b *testing.B) {
	web := httptest.NewServer(website())
	b.Cleanup(web.Close)
	for _, c := range []check.Check{
		{Builtin: "tcp", Args: servers.Args(servers.TCP(b, banner), "-H", "127.0.0.1", "-p", "PORT", "-e", "220")},
		{Builtin: "http", Args: servers.Args(web.Listener.Addr().(*net.TCPAddr).Port, "-H", "127.0.0.1", "-p", "PORT", "-s", "hello")},
		{Builtin: "ntp", Args: servers.Args(servers.UDP(b, servers.NTP(0)), "-H", "127.0.0.1", "-p", "PORT")},
		{Builtin: "file", Args: []string{"-f", "/etc/passwd"}},
		{Builtin: "log", Args: []string{"-F", "/etc/passwd", "-q", "x"}},
	} {
		b.Run(c.Builtin, func(b *testing.B) { measure(b, []check.Check{c}) })
	}
}

func measure(b *testing.B, checks []check.Check) {
	r := New(Env{})
	b.ReportAllocs()
	before := used(b)
	for b.Loop() {
		for _, c := range checks {
			r.Run(context.Background(), c.Builtin, c.Args)
		}
	}
	b.ReportMetric(float64((used(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// used gives the CPU time of this process.
func used(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
