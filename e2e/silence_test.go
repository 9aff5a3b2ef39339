//go:build unix

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// TestPlannedSilenceHasACause: what the hub says of an agent's leaving is what happened to it; a killed core alone is lost.
func TestPlannedSilenceHasACause(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.agent("box")
	s.online(a, "the first")
	s.must(a.Reload())
	s.holds(2*time.Second, "a reload that changes nothing ends no session", func() bool { return len(s.left(a)) == 0 })

	next := func(want string, do func()) {
		t.Helper()
		before := len(s.left(a))
		do()
		s.await("the cause "+want, func() bool { return len(s.left(a)) > before })
		if got := s.left(a); got[len(got)-1] != want {
			t.Errorf("%s: it left with %q", want, got[before:])
		}
	}
	next("lost", func() { s.must(a.KillCore()) })
	s.online(a, "after its core's death")
	next("reload", func() { a.Stub().Kill() }) // its core says so, and ends
	s.must(a.Start())
	s.online(a, "after its stub's death")
	next("stop", func() { s.must(a.Stop()) })
	s.must(a.Start())
	s.online(a, "started again")
	next("hub-stopped", func() {
		s.must(s.hub.Stop())
		s.must(s.hub.Start(s.ctx))
	})
	s.online(a, "after the hub's restart")

	before := s.left(a)
	core := filepath.Join(s.Dir, "newer")
	_, err := rig.Reversion(filepath.Join(bin, "limpet-core"), core, "0.1.0", "0.1.1")
	s.must(err)
	_, err = s.PublishCore(s.ctx, "0.1.1", core, "--plain")
	s.must(err)
	s.must(a.Look(s.ctx))
	s.await("the commit of a newer core", func() bool { return a.Record().Good.Counter == 2 })
	// Where the former core is done before the newer one has a session, the hub hears that it leaves for an upgrade.
	if left := s.left(a); slices.ContainsFunc(left[len(before):], func(cause string) bool { return cause != "upgrade" }) {
		t.Errorf("an upgrade showed as a leave: %q", left[len(before):])
	}
}

// TestOneVersionApart: today's agent with a hub of the next version, and an agent of the next version with today's hub.
func TestOneVersionApart(t *testing.T) {
	t.Parallel()
	next := t.TempDir()
	for _, name := range []string{"limpet-core", "limpet-hub"} {
		if err := rig.BuildProgram(context.Background(), name, filepath.Join(next, name), "0.2.0", "protocolnext"); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]func(t *testing.T){}
	for name, from := range map[string]string{"a hub of the next version": "limpet-hub", "an agent of the next version": "limpet-core"} {
		tests[name] = func(t *testing.T) {
			programs := t.TempDir()
			for program := range rig.Programs {
				at := filepath.Join(bin, program)
				if program == from {
					at = filepath.Join(next, program)
				}
				if err := os.Symlink(at, filepath.Join(programs, program)); err != nil {
					t.Fatal(err)
				}
			}
			s := newSiteOf(t, programs)
			a := s.agent("box")
			s.online(a, name)
			s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks:\n  - {name: up, builtin: uptime, every: 1s}\n"))
			s.await("results both ways", func() bool {
				var list []struct{ Text string }
				return s.hub.Get(s.ctx, "/api/v1/agents/"+a.Fingerprint()+"/checks/up/results?limit=10", &list) == nil && len(list) >= 3
			})
			if left := s.left(a); len(left) > 0 {
				t.Errorf("what the other does not know ended the session: %q", left)
			}
		}
	}
	sideBySide(t, tests)
}

// throttle is a proxy, so that an agent knows no address behind it by which it could go round. It passes bytes on, at most so many a second from the agent to the hub; 0 = as they come, negative = not at all: nothing is closed, nothing answers.
type throttle struct {
	net.Listener
	rate atomic.Int64
}

func newThrottle(t *testing.T) *throttle {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &throttle{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			_ = c.(*net.TCPConn).SetReadBuffer(128 << 10) // as much as the kernel swallows of what is not read
			go h.connect(c)
		}
	}()
	return h
}

func (h *throttle) connect(c net.Conn) {
	ask, err := http.ReadRequest(bufio.NewReader(c)) // nothing follows it before it is answered
	if err != nil {
		_ = c.Close()
		return
	}
	up, err := net.Dial("tcp", ask.Host)
	if err != nil {
		_ = c.Close()
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	go h.pass(c, up, true)
	h.pass(up, c, false)
}

func (h *throttle) pass(from, to net.Conn, slow bool) {
	defer from.Close()
	defer to.Close()
	part := make([]byte, 1024)
	for {
		rate := h.rate.Load()
		if rate < 0 {
			<-time.After(20 * time.Millisecond)
			continue
		}
		n, err := from.Read(part)
		if err != nil {
			return
		}
		if _, err := to.Write(part[:n]); err != nil {
			return
		}
		if slow && rate > 0 {
			<-time.After(time.Duration(n) * time.Second / time.Duration(rate))
		}
	}
}

// TestASlowHubFillsTheDisk: for a quarter of a minute the line takes 2 kB a second, of sixty results a second that have 4 kB each. What waits lies on disk; memory stays; then all of it arrives, once.
func TestASlowHubFillsTheDisk(t *testing.T) {
	t.Parallel()
	const checks = 60
	s := newSite(t)
	book, err := ledger.New(s.Dir, "5")
	s.must(err)
	fat := filepath.Join(book.Plugins(), "check_fast")
	script, err := os.ReadFile(fat)
	s.must(err)
	s.must(os.WriteFile(fat, append(script, []byte("head -c 3000 /dev/urandom | base64 -w 0\n")...), 0o755))
	line := newThrottle(t)
	a := s.NewAgent("box")
	s.must(a.Bootstrap(s.ctx, s.hub))
	s.must(a.Box("hub = "+s.hub.URL(), "proxy = http://"+line.Addr().String(), "plugin_dirs = "+book.Plugins()))
	began := time.Now()
	s.must(a.Start())
	t.Cleanup(func() { _ = a.Stop() })
	s.must(s.hub.Apply(s.ctx, ledger.Checks(checks, 0)))
	s.await("every check's first run", func() bool { return book.Began() == checks })
	before := anonymous(t, a.CorePID())
	line.rate.Store(2 << 10)
	var most int
	stays := func() bool {
		most = max(most, anonymous(t, a.CorePID()))
		return most < before+24<<10
	}
	s.holds(15*time.Second, "memory stays", stays)
	var waits uint64
	s.await("many records that wait", func() bool { waits = s.waiting(a); return waits >= 10*checks || !stays() })
	t.Logf("%d records wait on disk; anonymous memory %d kB before, %d kB at most", waits, before, most)
	if !stays() {
		t.Errorf("memory grew from %d kB to %d kB", before, most)
	}
	line.rate.Store(0)
	s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks: []\n"))
	s.must(ledger.Settle(s.ctx, s.Rig, a))
	tally, err := book.Count(s.ctx, s.hub, a.Fingerprint(), time.Since(began)+time.Minute)
	s.must(err)
	if len(tally.Lost)+len(tally.Doubled)+len(tally.Strange) > 0 || tally.Arrived < 10*checks {
		t.Errorf("%d ran, %d arrived: lost %v, doubled %v, strange %v", tally.Ran, tally.Arrived, tally.Lost, tally.Doubled, tally.Strange)
	}
}

func (s *site) waiting(a *rig.Agent) (n uint64) {
	var st struct {
		Core *struct{ Buffer struct{ Pending uint64 } }
	}
	if s.status(a, &st) && st.Core != nil {
		n = st.Core.Buffer.Pending
	}
	return n
}

// anonymous is a process's own memory in kB.
func anonymous(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "RssAnon:" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	t.Fatalf("no RssAnon of %d", pid)
	return 0
}

// TestSilenceIsADeadLine, both ways: a line on which nothing comes any more although nobody closed it is left by both after three heartbeats. When it is there again
// everything arrives.
func TestSilenceIsADeadLine(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	line := newThrottle(t)
	a := s.NewAgent("box")
	s.must(a.Bootstrap(s.ctx, s.hub))
	s.must(a.Box("hub = "+s.hub.URL(), "proxy = http://"+line.Addr().String()))
	s.must(a.Start())
	t.Cleanup(func() { _ = a.Stop() })
	s.online(a, "at first")
	line.rate.Store(-1)
	began := time.Now()
	s.await("the agent leaves", func() bool {
		log, _ := os.ReadFile(filepath.Join(a.Root, "log", "core.log"))
		return strings.Contains(string(log), "silent for 30s")
	})
	s.await("the hub sees it lost", func() bool { return presence(s, a) == "offline" })
	if took := time.Since(began); took < 20*time.Second || took > 75*time.Second { // 30 s, on a machine that has much else to do
		t.Errorf("both had noticed after %s", took)
	}
	s.await("a leave", func() bool { return len(s.left(a)) > 0 })
	if left := s.left(a); len(left) != 1 || left[0] != "lost" {
		t.Errorf("%q", left)
	}
	line.rate.Store(0)
	s.online(a, "when the line is there again")
	s.await("nothing waits", func() bool { return s.waiting(a) < 20 })
}
