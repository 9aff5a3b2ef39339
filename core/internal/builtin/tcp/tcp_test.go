package tcp

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/servers"
)

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "hello\n")
			c.Close()
		}
	}()
	if got := Run(t.Context(), []string{"-H", path, "-e", "hello"}); got.State != check.OK || !strings.HasSuffix(got.Text, "response time on socket "+path+" [hello]") {
		t.Errorf("%+v", got)
	}
	if got := Run(t.Context(), []string{"-H", path + "x"}); got.State != check.Critical || !strings.Contains(got.Text, "connect to file socket") {
		t.Errorf("%+v", got)
	}
}

// The check ends by itself a moment before its time is over, so that it can say what was wrong; a flood costs it no memory.
func TestWithinItsTime(t *testing.T) {
	silent := servers.TCP(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	flood := servers.TCP(t, func(c net.Conn) {
		for {
			if _, err := c.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	for _, args := range [][]string{servers.Args(silent, "-H", "127.0.0.1", "-p", "PORT", "-e", "x"), servers.Args(silent, "-H", "127.0.0.1", "-p", "PORT", "-S")} {
		servers.InTime(t, func(ctx context.Context) {
			if got := Run(ctx, args); got.State != check.Critical || !strings.Contains(got.Text, "Socket timeout") {
				t.Errorf("%q: %+v", args, got)
			}
		})
	}
	if got := Run(t.Context(), servers.Args(flood, "-H", "127.0.0.1", "-p", "PORT", "-e", "x")); got.State != check.Warning || len(got.Text) > 2000 {
		t.Errorf("%+v", got)
	}
}

// What a server says is no perfdata and no second line of ours.
func TestAnswerThatLooksLikeOurs(t *testing.T) {
	port := servers.TCP(t, func(c net.Conn) { io.WriteString(c, "220 x|y=1\r\nsecond\x00\xff\n") })
	got := Run(t.Context(), servers.Args(port, "-H", "127.0.0.1", "-p", "PORT", "-e", "220"))
	if got.State != check.OK || strings.ContainsAny(got.Text, "|\n\r\x00") || len(got.Perfdata) != 1 {
		t.Errorf("%+v", got)
	}
}
