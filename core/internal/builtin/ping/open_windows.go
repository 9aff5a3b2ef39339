package ping

import (
	"fmt"
	"net"
	"net/netip"
)

// open opens a raw socket: there is no other here, and the service has the rights to it.
func open(six bool) (*socket, error) {
	network := "ip4:icmp"
	if six {
		network = "ip6:ipv6-icmp"
	}
	raw, err := net.ListenPacket(network, "")
	if err != nil {
		return nil, fmt.Errorf("open a raw socket for ICMP (it is for administrators): %w", err)
	}
	return &socket{PacketConn: raw, six: six, raw: true, from: func(a netip.Addr) net.Addr { return &net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()} }}, nil
}
