//go:build unix

package ping

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// open opens an ICMP socket of this process's own, else a raw one.
func open(six bool) (*socket, error) {
	family, protocol, network := unix.AF_INET, unix.IPPROTO_ICMP, "ip4:icmp"
	if six {
		family, protocol, network = unix.AF_INET6, unix.IPPROTO_ICMPV6, "ip6:ipv6-icmp"
	}
	conn, err := unprivileged(family, protocol)
	if err == nil {
		return &socket{PacketConn: conn, six: six, from: func(a netip.Addr) net.Addr { return &net.UDPAddr{IP: a.AsSlice(), Zone: a.Zone()} }}, nil
	}
	raw, rawErr := net.ListenPacket(network, "")
	if rawErr == nil {
		return &socket{PacketConn: raw, six: six, raw: true, from: func(a netip.Addr) net.Addr { return &net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()} }}, nil
	}
	return nil, explain(err, rawErr)
}

func unprivileged(family, protocol int) (net.PacketConn, error) {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM, protocol)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "icmp")
	defer f.Close()
	return net.FilePacketConn(f)
}

// explain says what this system wants for a ping.
func explain(err, rawErr error) error {
	if runtime.GOOS == "linux" && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)) {
		return fmt.Errorf("this process may not send pings: let its group (%d) with sysctl -w net.ipv4.ping_group_range='0 2147483647', or give it CAP_NET_RAW", os.Getegid())
	}
	return fmt.Errorf("open a socket for ICMP: %w", errors.Join(err, rawErr))
}
