package e2e

import (
	"encoding/binary"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// Ways of a resolver. Those below way are of the resolver itself.
const (
	right = iota
	nxdomain
	servfail
	empty
	garbage
	mute
	closed
	dead     // the address of nobody
	stranger // of somebody else, who speaks TLS
)

var ways = map[string]int32{"no such name": nxdomain, "SERVFAIL": servfail, "an answer without an address": empty, "nonsense": garbage, "no answer": mute,
	"nobody at the port": closed, "an address where nobody is": dead, "a stranger's address": stranger}

// resolver answers for hub.test as it is told to.
type resolver struct {
	conn  net.PacketConn
	way   atomic.Int32
	asked atomic.Int64
}

func newResolver(t *testing.T) *resolver {
	t.Helper()
	r := &resolver{}
	r.open(t)
	t.Cleanup(func() { _ = r.conn.Close() })
	return r
}

func (r *resolver) open(t *testing.T) {
	t.Helper()
	var err error
	if r.conn, err = net.ListenPacket("udp", hubSide+":53"); err != nil {
		t.Fatal(err)
	}
	go r.serve(r.conn)
}

// become changes the way, and opens or closes the port for it.
func (r *resolver) become(t *testing.T, way int32) {
	t.Helper()
	switch before := r.way.Swap(way); {
	case way == closed && before != closed:
		_ = r.conn.Close()
	case way != closed && before == closed:
		r.open(t)
	}
}

func (r *resolver) serve(conn net.PacketConn) {
	question := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(question)
		if err != nil {
			return
		}
		r.asked.Add(1)
		if answer := r.answer(question[:n]); answer != nil {
			_, _ = conn.WriteTo(answer, from)
		}
	}
}

// answer is by RFC 1035, 4.1: header, the question as it came, an address for type A.
func (r *resolver) answer(q []byte) []byte {
	if len(q) < 17 {
		return nil
	}
	end := 12
	for end < len(q) && q[end] != 0 {
		end += int(q[end]) + 1
	}
	end += 5
	if end > len(q) {
		return nil
	}
	out := append([]byte(nil), q[:end]...)
	out[2], out[3] = 0x81, 0x80
	binary.BigEndian.PutUint16(out[6:], 0)
	binary.BigEndian.PutUint32(out[8:], 0)
	address := hubSide
	switch r.way.Load() {
	case nxdomain:
		out[3] |= 3
		return out
	case servfail:
		out[3] |= 2
		return out
	case empty:
		return out
	case garbage:
		return append(q[:2:2], "nonsense that is no message"...)
	case mute:
		return nil
	case dead:
		address = deadSide
	case stranger:
		address = boxSide
	}
	if binary.BigEndian.Uint16(out[end-4:]) != 1 || !strings.Contains(string(q[12:end]), "\x03hub\x04test") {
		return out // no such address
	}
	binary.BigEndian.PutUint16(out[6:], 1)
	out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4)
	return append(out, net.ParseIP(address).To4()...)
}
