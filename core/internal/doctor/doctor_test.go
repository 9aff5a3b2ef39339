package doctor

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
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
		p.o.Built, p.o.Now = built, func() time.Time { return tt.now }
		p.time()
		if p.last().Verdict != tt.want {
			t.Errorf("%s: %+v", tt.now, p.last())
		}
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
