package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// samples are those that came to the bus, by input and name.
func (h *scriptedHub) samples() (got map[string][]*wire.Sample, dropped uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	got = map[string][]*wire.Sample{}
	for _, records := range h.bus {
		for _, r := range records {
			i, err := r.Item()
			if err != nil {
				h.t.Error(err)
				continue
			}
			dropped += i.GetSamples().GetDropped()
			for _, s := range i.GetSamples().GetSamples() {
				key := i.GetSamples().GetInput() + " " + s.GetName()
				got[key] = append(got[key], s)
			}
		}
	}
	return got, dropped
}

// Two senders that know nothing of swaps, one of each kind: every sample comes once.
func TestInputsLiveThroughSwaps(t *testing.T) {
	b := newBox(t, "1")
	graphite, statsd := freePort(t), freePort(t)
	d := &wire.Desired{Revision: 1, NoDefaults: true}
	fmt.Sscan(graphite, &d.GraphitePort)
	fmt.Sscan(statsd, &d.StatsdPort)
	b.hub.push(d)
	cur := b.start()
	cur.heard("ready")
	var tcp net.Conn
	b.eventually("the input listens", func() (ok bool) {
		var err error
		tcp, err = net.Dial("tcp", "127.0.0.1:"+graphite)
		return err == nil
	})
	defer tcp.Close()
	udp, err := net.Dial("udp", "127.0.0.1:"+statsd)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()

	quit := make(chan struct{})
	sent := 0
	var sending sync.WaitGroup
	sending.Go(func() {
		pace := time.NewTicker(2 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-pace.C:
			case <-quit:
				return
			}
			line := fmt.Sprintf("seq.%d %d %d\n", sent, sent, time.Now().Unix())
			half := sent % len(line) // lines come in pieces
			if _, err := io.WriteString(tcp, line[:half]); err != nil {
				t.Error(err)
				return
			}
			if _, err := io.WriteString(tcp, line[half:]); err != nil {
				t.Error(err)
				return
			}
			if _, err := io.WriteString(udp, "hits:1|c\nlevel:+1|g"); err != nil {
				t.Error(err)
				return
			}
			sent++
		}
	})
	b.eventually("samples", func() bool { got, _ := b.hub.samples(); return len(got) > 100 })
	for range 3 {
		old := cur
		cur = b.swap(old)
		old.heard("drained")
		old.exited()
		before, _ := b.hub.samples()
		b.eventually("more samples", func() bool { got, _ := b.hub.samples(); return len(got) > len(before)+100 })
	}
	close(quit)
	sending.Wait()
	full := droppedAt(t, statsd) // what nobody took in time has no room: that is the kernel's, and the sender's
	b.stop(cur)
	b.handedIn()

	got, dropped := b.hub.samples()
	for n := range sent {
		if s := got[fmt.Sprintf("graphite seq.%d", n)]; len(s) != 1 || s[0].GetValue() != float64(n) {
			t.Fatalf("of sample %d of %d came %v", n, sent, s)
		}
	}
	hits := 0.0
	for _, s := range got["statsd hits"] {
		hits += s.GetValue()
	}
	levels := got["statsd level"]
	if last, came := maxOf(levels), float64(sent-full); hits != came || last != came || dropped != 0 {
		t.Errorf("%d sent, %d of them had no room in the socket, %v counted, the gauge is at %v, %d dropped", sent, full, hits, last, dropped)
	}
	if full > sent/2 {
		t.Errorf("%d of %d had no room in the socket", full, sent)
	}
	t.Logf("%d samples of each kind; of StatsD's %d had no room in the socket", sent, full)
}

// droppedAt is how many packets found no room in the socket at a port of loopback, as proc_net_udp(5) says last in its line.
func droppedAt(t *testing.T, port string) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == fmt.Sprintf("0100007F:%04X", number) {
			if n, err = strconv.Atoi(f[len(f)-1]); err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no socket at port %s:\n%s", port, text)
	return 0
}

func maxOf(samples []*wire.Sample) (most float64) {
	for _, s := range samples {
		most = max(most, s.GetValue())
	}
	return most
}

// What collectd gathers comes over the agent's own input, and goes on while cores change.
func TestCollectdWritesToTheInput(t *testing.T) {
	b := newBox(t, "1")
	d := realCollectd(t, 1, "")
	fmt.Sscan(freePort(t), &d.GraphitePort)
	c := d.Collectors[0]
	c.Config = strings.Replace(c.Config, "LoadPlugin csv\n", "LoadPlugin csv\nLoadPlugin write_graphite\n", 1) + fmt.Sprintf(`<Plugin write_graphite>
  <Node "limpet">
    Host "127.0.0.1"
    Port "{{if .Graphite}}%d{{end}}"
    Protocol "tcp"
    Prefix "collectd."
  </Node>
</Plugin>
`, d.GraphitePort)
	b.hub.push(d)
	cur := b.start()
	cur.heard("ready")
	b.until("collectd runs", running)
	const name = "graphite collectd.metrics.load.load.shortterm"
	came := func() []*wire.Sample { got, _ := b.hub.samples(); return got[name] }
	b.eventually("its samples come", func() bool { return len(came()) > 2 })
	for range 2 {
		old := cur
		cur = b.swap(old)
		old.heard("drained")
		old.exited()
		n := len(came())
		b.eventually("more of them", func() bool { return len(came()) > n+2 })
	}
	b.stop(cur)
	b.handedIn()
	at, last := map[int64]int{}, int64(0) // by second
	for _, s := range came() {
		second := s.GetAtNs() / int64(time.Second)
		at[second]++
		last = max(last, second)
	}
	rows := b.samples() // what it wrote to its own files; the last ones may have been on their way
	missing := 0
	for _, x := range rows {
		if second := int64(x); second < last && at[second] == 0 && at[second+1] == 0 {
			missing++
		}
	}
	for second, n := range at { // collectd rounds: of two that are nearly a second apart both may be of one second
		of := 0
		for _, x := range rows {
			if d := x - float64(second); d > -0.51 && d < 0.51 {
				of++
			}
		}
		if n > max(of, 1) {
			t.Errorf("the sample of %d came %d times, %d are written", second, n, of)
		}
	}
	if len(at) < 6 || missing > 2 {
		t.Errorf("%d rows written, %d samples came, %d are missing", len(rows), len(at), missing)
	}
}

func TestInputsTakeOnlyWhatIsTheirs(t *testing.T) {
	b := newBox(t, "1")
	d := &wire.Desired{Revision: 1, NoDefaults: true}
	port := freePort(t)
	fmt.Sscan(port, &d.GraphitePort)
	b.hub.push(d)
	cur := b.start()
	cur.heard("ready")
	var conn net.Conn
	b.eventually("the input listens", func() bool {
		var err error
		conn, err = net.Dial("tcp", "127.0.0.1:"+port)
		return err == nil
	})
	fmt.Fprintf(conn, "good 1 1700000000\nbad\nbad x 1\n%s 1 1\n%s\ngood 2 -1\nlast 3", strings.Repeat("n", 600), strings.Repeat("z", 9000))
	b.eventually("what is good", func() bool { got, _ := b.hub.samples(); return len(got["graphite good"]) == 2 })
	defer conn.Close() // it stays: when its end would be seen is not known
	var idle []net.Conn
	for range 70 {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	status := func() string {
		out, _ := exec.Command(coreFile, "status", "--root", b.layout.Root).Output() // a core that does not answer yet says nothing
		return string(out)
	}
	b.eventually("refused ones are counted", func() bool { return strings.Contains(status(), "127.0.0.1:"+port+", 2 samples, 11 lines refused") })
	for _, c := range idle {
		c.Close()
	}
	d = &wire.Desired{Revision: 2, NoDefaults: true}
	b.hub.push(d)
	b.eventually("it is off again", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	b.stop(cur)
}
