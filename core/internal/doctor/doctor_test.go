package doctor

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/local"
	"github.com/limpet-monitoring/limpet/platforms"
)

func newPatient(t *testing.T) *patient {
	t.Helper()
	l, err := platforms.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.MakeFolders(); err != nil {
		t.Fatal(err)
	}
	return &patient{o: Options{Layout: l, System: t.TempDir(), Now: time.Now}}
}

func (p *patient) last() Finding { return p.report.Findings[len(p.report.Findings)-1] }

// resolver answers every question with a code (3 = there is no such name), or never.
func resolver(t *testing.T, code byte, silent bool) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for buf := make([]byte, 1500); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if silent || n < 12 {
				continue
			}
			buf[2], buf[3] = 0x81, 0x80|code
			conn.WriteTo(buf[:n], from)
		}
	}()
	was := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = was })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		name   string
		code   byte
		silent bool
		want   string
	}{
		{"no such name", 3, false, "there is no such name"},
		{"the server fails", 2, false, "server misbehaving"},
		{"silence", 0, true, "the resolver does not answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resolver(t, tt.code, tt.silent)
			p := newPatient(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if tt.silent { // the others may take what a busy machine takes
				ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			}
			defer cancel()
			if v := p.resolve(ctx, "hub.example."); v != Problem {
				t.Error(v)
			}
			if f := p.last(); f.Verdict != Problem || !strings.Contains(f.Text, tt.want) || f.Do == "" {
				t.Errorf("%+v", f)
			}
		})
	}
	resolver(t, 3, false)
	p := newPatient(t)
	if err := os.WriteFile(p.o.Layout.Addresses(), []byte("last hub.example. 10.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if v := p.resolve(t.Context(), "hub.example."); v != Warning || p.last().Verdict != Warning {
		t.Errorf("%+v", p.last())
	}
}

func TestTheClock(t *testing.T) {
	built := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		now  time.Time
		want string
	}{
		{built.Add(time.Hour), OK}, {built.AddDate(-10, 0, 0), Problem}, {built.AddDate(12, 0, 0), Warning},
	} {
		p := newPatient(t)
		p.o.Built, p.past, p.o.Now = built, built, func() time.Time { return tt.now }
		p.time()
		if p.last().Verdict != tt.want {
			t.Errorf("%s: %+v", tt.now, p.last())
		}
	}
}

// The stub knows of times later than the program's making: of signatures that it has verified. The core that runs tells them.
func TestTheClockIsBehindWhatTheStubKnows(t *testing.T) {
	p := newPatient(t)
	held, err := platforms.Take(p.o.Layout.StubLock())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	past := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	socket, err := local.Listen(p.o.Layout.Socket(), map[string]local.Answer{"status": local.Alone(func(context.Context) ([]byte, error) {
		return fmt.Appendf(nil, `{"time_floor":%q}`, past.Format(time.RFC3339)), nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go socket.Serve(ctx)
	p.past = past.AddDate(0, -1, 0)
	p.o.Built, p.o.Now = p.past, func() time.Time { return past.Add(-time.Hour) }
	for tries := 0; tries < 30 && p.past.Before(past); tries++ { // a busy machine may not answer within the two seconds that it has
		p.service(t.Context())
	}
	if p.time(); p.last().Verdict != Problem || !strings.Contains(p.last().Text, "2026-03-01T00:00:00Z is surely past") {
		t.Errorf("%+v", p.last())
	}
}

func TestSELinux(t *testing.T) {
	p := newPatient(t)
	enforce := filepath.Join(p.o.System, "sys/fs/selinux/enforce")
	p.security()
	if f := p.last(); f.Verdict != OK || f.Text != "not there" {
		t.Errorf("%+v", f)
	}
	if err := os.MkdirAll(filepath.Dir(enforce), 0o755); err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]string{"0": OK, "1": Warning} { // the file has no label
		if err := os.WriteFile(enforce, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		p.security()
		if f := p.last(); f.Verdict != want {
			t.Errorf("%s: %+v", content, f)
		}
	}
	if labelType("system_u:object_r:bin_t:s0\x00") != "bin_t" || labelType("odd") != "odd" {
		t.Error("a label is not read")
	}
}
