// Package input takes metrics from programs on this box: Graphite's plaintext lines over TCP and StatsD's datagrams over UDP, on the loopback
// address alone, and only where the configuration names a port. What comes goes into the agent's buffer as Samples and from there the way of every result.
// docs/inputs.md is for people.
//
// A sample that was taken (its line read) is kept on disk or counted as dropped. A slow disk makes senders wait (TCP) or the kernel drop (UDP), never memory grow. Sockets and
// connections go from one core to the next (Leave, Adopt): nobody who sends notices a swap. Apply, Leave, Adopt and Close belong to one goroutine.
package input

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// Kinds of inputs.
const (
	Graphite = "graphite"
	StatsD   = "statsd"
)

// Limits.
const (
	maxConns   = 64       // of Graphite's at once; more are closed at once
	maxLine    = 4 << 10  // bytes
	maxName    = 512      // bytes of a metric's name
	flushCount = 500      // samples of one record
	flushBytes = 96 << 10 // of their names
	flushAfter = time.Second
	retryEvery = 2 * time.Second // a port that is taken
)

// Want is which inputs there shall be: a port each, 0 for none.
type Want struct{ Graphite, StatsD int }

// Options say where samples go.
type Options struct {
	Append func(*wire.Item) error // buffer.Append
	Log    *slog.Logger
}

// State is how one input is.
type State struct {
	Kind        string
	Address     string
	Problem     string // why it does not listen, "" when it does
	Samples     uint64 // taken since the core's start
	Refused     uint64 // lines that are none of its kind, and connections beyond the limit
	Dropped     uint64 // samples that could not be kept
	Connections int    // of Graphite
}

// Inputs are all inputs of an agent.
type Inputs struct {
	o     Options
	mu    sync.Mutex // guards ports, for States
	ports map[string]*port
}

// New listens on nothing.
func New(o Options) *Inputs { return &Inputs{o: o, ports: map[string]*port{}} }

// Apply makes the inputs those that are wanted. One that stays as it is goes on undisturbed.
func (i *Inputs) Apply(w Want) {
	for kind, number := range map[string]int{Graphite: w.Graphite, StatsD: w.StatsD} {
		p := i.ports[kind]
		if p != nil && p.number == number {
			continue
		}
		if p != nil {
			p.end()
			i.set(kind, nil)
		}
		if number > 0 {
			p = newPort(i.o, kind, number)
			i.set(kind, p)
			p.begin(nil)
		}
	}
}

func (i *Inputs) set(kind string, p *port) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if p == nil {
		delete(i.ports, kind)
		return
	}
	i.ports[kind] = p
}

// Close ends all inputs; what was taken is kept first.
func (i *Inputs) Close() { i.Apply(Want{}) }

// States are how the inputs are, nil for none. Any goroutine may ask.
func (i *Inputs) States() []State {
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []State
	for _, kind := range []string{Graphite, StatsD} {
		if p := i.ports[kind]; p != nil {
			out = append(out, p.state())
		}
	}
	return out
}

// Address is where an input of a kind listens, as configured: "" for none.
func Address(number int) string {
	if number == 0 {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(number))
}

// port is one input.
type port struct {
	o       Options
	kind    string
	number  int
	quit    chan struct{} // closed: read no more
	wg      sync.WaitGroup
	sink    *sink
	problem atomic.Pointer[string]

	samples, refused atomic.Uint64

	mu       sync.Mutex // guards what follows
	leaving  bool
	listener net.Listener   // of Graphite
	packets  net.PacketConn // of StatsD
	conns    map[net.Conn]*string
	gauges   map[string]float64 // StatsD's, for those that send what changed; its reader's until it has ended
}

func newPort(o Options, kind string, number int) *port {
	return &port{o: o, kind: kind, number: number, quit: make(chan struct{}), sink: newSink(o, kind), conns: map[net.Conn]*string{}, gauges: map[string]float64{}}
}

// begin listens, or goes on with what another core gave.
func (p *port) begin(g *given) {
	if g != nil {
		p.listener, p.packets, p.gauges = g.listener, g.packets, g.gauges
		for conn, rest := range g.conns {
			p.hold(conn, rest)
		}
	}
	p.wg.Go(p.serve)
}

// serve listens until it can, then reads until the end.
func (p *port) serve() {
	for !p.open() {
		select {
		case <-time.After(retryEvery):
		case <-p.quit:
			return
		}
	}
	if p.kind == StatsD {
		p.readPackets()
		return
	}
	p.accept()
}

// open is true when there is something to read from.
func (p *port) open() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leaving || p.listener != nil || p.packets != nil {
		return true
	}
	var err error
	if p.kind == StatsD {
		p.packets, err = net.ListenPacket("udp4", Address(p.number))
	} else {
		p.listener, err = net.Listen("tcp4", Address(p.number))
	}
	if err != nil {
		text := err.Error()
		if was := p.problem.Swap(&text); was == nil {
			p.o.Log.Warn("input does not listen", "input", p.kind, "err", err)
		}
		return false
	}
	p.problem.Store(nil)
	return true
}

// halt has every reader return, and waits for them. What they have read is with the sink, or in conns.
func (p *port) halt() {
	close(p.quit)
	p.mu.Lock()
	p.leaving = true
	past := time.Unix(1, 0)
	if l, ok := p.listener.(*net.TCPListener); ok {
		_ = l.SetDeadline(past)
	}
	if p.packets != nil {
		_ = p.packets.SetReadDeadline(past)
	}
	for c := range p.conns {
		_ = c.SetReadDeadline(past)
	}
	p.mu.Unlock()
	p.wg.Wait()
	p.sink.close()
}

// end gives the port up.
func (p *port) end() {
	p.halt()
	p.closeAll()
}

func (p *port) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		p.listener.Close()
	}
	if p.packets != nil {
		p.packets.Close()
	}
	for c := range p.conns {
		c.Close()
	}
}

func (p *port) state() State {
	s := State{Kind: p.kind, Address: Address(p.number), Samples: p.samples.Load(), Refused: p.refused.Load(), Dropped: p.sink.dropped.Load()}
	if text := p.problem.Load(); text != nil {
		s.Problem = *text
	}
	p.mu.Lock()
	s.Connections = len(p.conns)
	p.mu.Unlock()
	return s
}

// take gives a sample to the sink; it waits while that writes.
func (p *port) take(s *wire.Sample) {
	p.samples.Add(1)
	p.sink.in <- s
}

func (s State) String() string {
	text := fmt.Sprintf("%s  %s, %d samples", s.Kind, s.Address, s.Samples)
	if s.Refused > 0 {
		text += fmt.Sprintf(", %d lines refused", s.Refused)
	}
	if s.Dropped > 0 {
		text += fmt.Sprintf(", %d could not be kept", s.Dropped)
	}
	if s.Problem != "" {
		text += "; does not listen: " + s.Problem
	}
	return text
}
