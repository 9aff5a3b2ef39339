package ping

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

func TestJudge(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		times []time.Duration
		state check.State
		text  string
	}{
		{[]time.Duration{ms, 2 * ms, 3 * ms, 2 * ms}, check.OK, "PING OK - Packet loss = 0%, RTA = 2.00 ms"},
		{[]time.Duration{60 * ms, 60 * ms, 60 * ms, 60 * ms}, check.Warning, "PING WARNING - Packet loss = 0%, RTA = 60.00 ms"},
		{[]time.Duration{ms, ms, ms}, check.Warning, "PING WARNING - Packet loss = 25%, RTA = 1.00 ms"},
		{[]time.Duration{ms}, check.Critical, "PING CRITICAL - Packet loss = 75%, RTA = 1.00 ms"},
		{nil, check.Critical, "PING CRITICAL - Packet loss = 100%"},
	} {
		o, err := parse([]string{"-H", "x", "-p", "4", "-w", "50,25%", "-c", "100,50%"})
		if err != nil {
			t.Fatal(err)
		}
		if got := o.judge(c.times); got.State != c.state || got.Text != c.text || len(got.Perfdata) != 2 {
			t.Errorf("%+v", got)
		}
	}
}

// Only an echo reply with our own mark counts, with and without the IP header that raw sockets show.
func TestAnswers(t *testing.T) {
	cookie := []byte("0123456789abcdef")
	for _, six := range []bool{false, true} {
		s := &socket{six: six}
		request := s.request(3, cookie)
		if _, ok := s.answer(request, cookie); ok {
			t.Error("a request is no answer")
		}
		request[0] = reply4
		if six {
			request[0] = reply6
		}
		if seq, ok := s.answer(request, cookie); !ok || seq != 3 {
			t.Error("the answer is not known")
		}
		if _, ok := s.answer(request, []byte("another mark....")); ok {
			t.Error("somebody else's answer")
		}
		for n := range request {
			if _, ok := s.answer(request[:n], cookie); ok {
				t.Errorf("%d bytes are an answer", n)
			}
		}
	}
	s := &socket{raw: true}
	packet := append(append([]byte{0x45}, make([]byte, 19)...), s.request(1, cookie)...)
	packet[20] = reply4
	if seq, ok := s.answer(packet, cookie); !ok || seq != 1 {
		t.Error("an answer behind its IP header is not known")
	}
	from := netip.MustParseAddr("10.0.0.1")
	if !isFrom(&net.UDPAddr{IP: net.IPv4(10, 0, 0, 1)}, from) || isFrom(&net.IPAddr{IP: net.IPv4(10, 0, 0, 2)}, from) {
		t.Error("addresses")
	}
}

// RFC 1071, section 3.
func TestChecksum(t *testing.T) {
	if got := checksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != ^uint16(0xddf2) {
		t.Errorf("%#x", got)
	}
	if got := checksum([]byte{1}); got != ^uint16(0x0100) {
		t.Errorf("%#x", got)
	}
}
