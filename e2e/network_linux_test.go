package e2e

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

const (
	hubSide  = "10.77.0.1"
	boxSide  = "10.77.0.2"
	deadSide = "10.77.0.9" // nobody has it
)

// inNetwork runs the test that calls it once more, in a network and mounts of its own, where it may do as it likes; there it gives true.
func inNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv("LIMPET_E2E_BELOW") != "" {
		return true
	}
	t.Parallel()
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--net", "--mount", os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "20m")
	cmd.Env = append(os.Environ(), "LIMPET_E2E_BELOW=1", "LIMPET_E2E_BIN="+bin)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in its own network: %v", err)
	}
	return false
}

// network is a hub's machine (this process) and a box's, with one cable between them.
type network struct {
	*site
	holder *exec.Cmd
	dns    *resolver
	box    *rig.Agent
}

// newNetwork puts a hub at hubSide, called hub.test, and a box at boxSide whose resolver is here.
func newNetwork(t *testing.T, config ...string) *network {
	t.Helper()
	n := &network{}
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver "+hubSide+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	n.holder = exec.Command("unshare", "--net", "--mount", "sh", "-c", `mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && echo ready && exec sleep 100000`, conf)
	said, err := n.holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.holder.Process.Kill(); _ = n.holder.Wait() })
	if _, err := said.Read(make([]byte, 6)); err != nil {
		t.Fatalf("the box's network: %v", err)
	}
	for _, line := range []string{
		"ip link set lo up",
		fmt.Sprintf("ip link add v0 type veth peer name v1 netns %d", n.holder.Process.Pid),
		"ip addr add " + hubSide + "/24 dev v0", "ip link set v0 up",
		fmt.Sprintf("nsenter -t %d -n ip link set lo up", n.holder.Process.Pid),
		fmt.Sprintf("nsenter -t %d -n ip addr add %s/24 dev v1", n.holder.Process.Pid, boxSide),
		fmt.Sprintf("nsenter -t %d -n ip link set v1 up", n.holder.Process.Pid),
	} {
		n.sh(t, line)
	}
	n.dns = newResolver(t)
	n.site = newSite(t)
	n.must(n.hub.Stop())
	n.hub.Address, n.hub.More = hubSide+":8700", []string{"--name", "hub.test", "--name", hubSide}
	n.must(n.hub.Start(n.ctx))
	n.box = n.NewAgent("box")
	n.must(n.box.Bootstrap(n.ctx, n.hub))
	n.must(n.box.Box(append([]string{"hub = https://hub.test:8700"}, config...)...))
	n.start()
	t.Cleanup(func() { _ = n.box.Stop() })
	return n
}

// start starts the box on its side; what is asked and told is done on this one.
func (n *network) start() {
	n.t.Helper()
	n.Below = []string{"nsenter", "-t", fmt.Sprint(n.holder.Process.Pid), "-n", "-m"}
	defer func() { n.Below = nil }()
	n.must(n.box.Start())
}

// restart gives the box a session that begins anew.
func (n *network) restart() {
	n.t.Helper()
	n.must(n.box.Stop())
	n.start()
}

func (n *network) sh(t *testing.T, line string) {
	t.Helper()
	words := strings.Fields(line)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// swallow lets nothing that comes from here reach the box: it sees silence, as behind a firewall that drops.
func (n *network) swallow(is bool) {
	n.t.Helper()
	if is {
		n.sh(n.t, "ip route add blackhole "+boxSide+"/32")
	} else {
		n.sh(n.t, "ip route del blackhole "+boxSide+"/32")
	}
}

// TestBrokenDNS: however the resolver fails, an agent that has been in session once finds its hub again, says by which rung, and what is wrong with the name; with the
// resolver mended it stands on the first rung again.
func TestBrokenDNS(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	n := newNetwork(t)
	n.online(n.box, "by name")
	if l := n.line(n.box); l.Rung != "resolver" || n.dns.asked.Load() == 0 {
		t.Fatalf("%+v, asked %d times", l, n.dns.asked.Load())
	}
	n.strangerAtTheBox(t)
	for name, way := range ways {
		n.dns.become(t, way)
		n.within(15*time.Second, name+": a session all the same", func() (took time.Duration) {
			n.restart()
			began := time.Now()
			n.await(name+": a session all the same", func() bool { l := n.line(n.box); return l.State == "connected" && l.Rung != "resolver" })
			return time.Since(began)
		})
		var said string
		n.await(name+": a doctor to whom nothing is a problem, as the agent is in session, who says that it goes by what it remembers", func() bool {
			out, err := exec.Command("nsenter", "-t", fmt.Sprint(n.holder.Process.Pid), "-n", "-m", filepath.Join(bin, "limpet"), "doctor", "--root", n.box.Root).CombinedOutput()
			if text := string(out); text != said {
				said = text
				t.Logf("%s: doctor: %v\n%s", name, err, text)
			}
			return err == nil && !strings.Contains(said, "PROBLEM") && strings.Contains(said, "the agent goes by an address it remembers") &&
				strings.Contains(said, "it is the one that this box trusts")
		})
	}
	n.dns.become(t, right)
	n.restart()
	n.await("the first rung again", func() bool { l := n.line(n.box); return l.State == "connected" && l.Rung == "resolver" })
}

// strangerAtTheBox listens where the hub would, on the box's own address, with a certificate for the right name by an authority of its own.
func (n *network) strangerAtTheBox(t *testing.T) {
	t.Helper()
	_, cert, key := foreignCertificate(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", hubSide+":8701")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() {
				_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake()
				_ = c.Close()
			}()
		}
	}()
	// A process of the box's network passes its port 8700 on to here.
	relay := exec.Command("nsenter", "-t", fmt.Sprint(n.holder.Process.Pid), "-n", os.Args[0])
	relay.Env = append(os.Environ(), "LIMPET_E2E_RELAY="+boxSide+":8700 "+hubSide+":8701")
	said, err := relay.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := relay.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relay.Process.Kill(); _ = relay.Wait() })
	if _, err := said.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
}

// TestAFlappingLine: the line is swallowed for a while, again and again, under load. Nothing is lost or doubled, and after a short outage the agent is back within two seconds; what is
// longer is make bench's.
func TestAFlappingLine(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	const checks = 20
	dir := t.TempDir()
	book, err := ledger.New(dir, "5")
	if err != nil {
		t.Fatal(err)
	}
	n := newNetwork(t, "plugin_dirs = "+book.Plugins())
	n.must(n.hub.Apply(n.ctx, ledger.Checks(checks, 0)))
	n.await("every check's first run", func() bool { return book.Began() == checks })
	began := time.Now()
	rnd := rand.New(rand.NewPCG(uint64(began.UnixNano()), 7))
	for time.Since(began) < 20*time.Second {
		n.swallow(true)
		n.pass(time.Duration(100+rnd.IntN(3000)) * time.Millisecond)
		n.swallow(false)
		n.pass(time.Duration(100+rnd.IntN(1500)) * time.Millisecond)
	}
	n.await("nothing waits after the flapping", func() bool { return n.waiting(n.box) < 2*checks && n.line(n.box).State == "connected" })

	// A hub that is gone for less than ten seconds, behind a network that drops: the agent has to be quick.
	for range 2 {
		n.within(3*time.Second, "a session after a short outage", func() time.Duration { // make bench holds it against two, on a quiet machine
			n.must(n.hub.Stop())
			n.swallow(true)
			n.must(n.hub.Start(n.ctx))
			n.pass(time.Duration(2+rnd.IntN(5)) * time.Second)
			n.swallow(false)
			began := time.Now()
			var session time.Time
			n.await("a session after a short outage", func() (is bool) { session, is = n.sessionSince(began); return is })
			n.pass(11 * time.Second) // a line that held
			return session.Sub(began)
		})
	}
	// A session that lives through silence: what waited goes soon after it, not when TCP's doubled patience ends, which would be five seconds later.
	if persists(t) {
		n.within(3*time.Second, "confirmations flow again after silence", func() time.Duration {
			n.swallow(true)
			n.pass(7500 * time.Millisecond)
			n.swallow(false)
			began := time.Now()
			n.await("confirmations flow again", func() bool { return n.waiting(n.box) < 2*checks && n.line(n.box).State == "connected" })
			return time.Since(began)
		})
	}
	n.must(n.hub.Apply(n.ctx, "defaults: false\nchecks: []\n"))
	n.must(ledger.Settle(n.ctx, n.Rig, n.box))
	tally, err := book.Count(n.ctx, n.hub, n.box.Fingerprint(), time.Hour)
	n.must(err)
	t.Logf("%d ran, %d arrived", tally.Ran, tally.Arrived)
	if len(tally.Lost)+len(tally.Doubled)+len(tally.Strange) > 0 || tally.Ran < 10*checks {
		t.Errorf("%d ran, %d arrived: lost %v, doubled %v, strange %v", tally.Ran, tally.Arrived, tally.Lost, tally.Doubled, tally.Strange)
	}
}

// persists says whether this kernel lets a program say how long TCP waits between tries (Linux 6.15).
func persists(t *testing.T) bool {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS, 1500) == nil
}

// sessionSince is when the box has had a session since then, by its own log: to look takes longer than that on a busy machine.
func (n *network) sessionSince(then time.Time) (at time.Time, is bool) {
	n.t.Helper()
	log, err := os.ReadFile(filepath.Join(n.box.Root, "log", "core.log"))
	n.must(err)
	for line := range strings.Lines(string(log)) {
		text, ok := strings.CutPrefix(line, "time=")
		if !ok || !strings.Contains(line, `msg="session with the hub"`) {
			continue
		}
		text, _, _ = strings.Cut(text, " ")
		if at, err = time.Parse(time.RFC3339, text); err == nil && at.After(then) {
			return at, true
		}
	}
	return at, false
}

// within holds what the product promises against the best of six tries: whatever else this machine does now and then takes longer than any of them may.
func (n *network) within(most time.Duration, what string, try func() (took time.Duration)) {
	n.t.Helper()
	for range 6 {
		took := try()
		n.t.Logf("%s: %s", what, took.Round(time.Millisecond))
		if took <= most {
			return
		}
	}
	n.t.Errorf("%s: not once within %s", what, most)
}

// pass lets time go by.
func (n *network) pass(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}
