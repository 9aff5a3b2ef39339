package ping

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// socket sends and takes ICMP messages.
type socket struct {
	net.PacketConn
	raw  bool // what arrives is everybody's, and on IPv4 has its IP header
	six  bool
	from func(netip.Addr) net.Addr
}

// Types of ICMP messages.
const (
	echo4, reply4 = 8, 0
	echo6, reply6 = 128, 129
)

const headerLength = 8

// cookieLength is what marks our own requests beyond the id, which the kernel chooses for sockets that are not raw.
const cookieLength = 16

// exchange sends the requests one after the other and collects the round trips of those that are answered.
func (o options) exchange(ctx context.Context, s *socket, to netip.Addr) (times []time.Duration, err error) {
	cookie := make([]byte, cookieLength)
	rand.Read(cookie)
	sent := make([]time.Time, o.packets)
	answered := make([]bool, o.packets)
	end, _ := ctx.Deadline()
	stop := context.AfterFunc(ctx, func() { s.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	pause := min(between, time.Until(end)/time.Duration(o.packets+1))
	for i := range sent {
		sent[i] = time.Now()
		if _, sendErr := s.WriteTo(s.request(uint16(i), cookie), s.from(to)); sendErr != nil {
			return times, sendErr
		}
		wait := pause
		if i == len(sent)-1 {
			wait = patience
		}
		until := sent[i].Add(wait)
		if until.After(end) {
			until = end
		}
		times, err = s.collect(until, cookie, to, sent, answered, times)
		if err != nil || len(times) == o.packets {
			return times, err
		}
	}
	return times, nil
}

// collect reads answers until a time, or until all that was sent is answered.
func (s *socket) collect(until time.Time, cookie []byte, from netip.Addr, sent []time.Time, answered []bool, times []time.Duration) ([]time.Duration, error) {
	buf := make([]byte, 1500)
	s.SetReadDeadline(until)
	for len(times) < len(sent) {
		n, peer, err := s.ReadFrom(buf)
		now := time.Now()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return times, nil
		}
		if err != nil {
			return times, err
		}
		seq, ok := s.answer(buf[:n], cookie)
		if !ok || int(seq) >= len(sent) || answered[seq] || sent[seq].IsZero() || !isFrom(peer, from) {
			continue
		}
		answered[seq] = true
		times = append(times, now.Sub(sent[seq]))
	}
	return times, nil
}

func isFrom(peer net.Addr, from netip.Addr) bool {
	var ip net.IP
	switch a := peer.(type) {
	case *net.IPAddr:
		ip = a.IP
	case *net.UDPAddr:
		ip = a.IP
	}
	got, ok := netip.AddrFromSlice(ip)
	return ok && got.Unmap() == from.WithZone("")
}

// request makes an echo request (RFC 792, RFC 4443). The kernel fills in the checksum of ICMPv6, and for sockets that are not raw the id.
func (s *socket) request(seq uint16, cookie []byte) []byte {
	b := make([]byte, headerLength, headerLength+len(cookie))
	b[0] = echo4
	if s.six {
		b[0] = echo6
	}
	binary.BigEndian.PutUint16(b[4:], uint16(os.Getpid()))
	binary.BigEndian.PutUint16(b[6:], seq)
	b = append(b, cookie...)
	if !s.six {
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

// answer reads the number of the request that a message answers; false when it is not one of ours.
func (s *socket) answer(b, cookie []byte) (uint16, bool) {
	if s.raw && !s.six && len(b) > 0 && b[0]>>4 == 4 { // some systems leave the IP header off
		if header := int(b[0]&15) * 4; header <= len(b) {
			b = b[header:]
		}
	}
	kind := byte(reply4)
	if s.six {
		kind = reply6
	}
	if len(b) != headerLength+len(cookie) || b[0] != kind || !bytes.Equal(b[headerLength:], cookie) {
		return 0, false
	}
	return binary.BigEndian.Uint16(b[6:]), true
}

// checksum is the internet's (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	sum = sum>>16 + sum&0xffff
	return ^uint16(sum + sum>>16)
}
