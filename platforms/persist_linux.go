package platforms

import (
	"time"

	"golang.org/x/sys/unix"
)

// PersistTCP has the TCP socket fd, and what it accepts, try again at the latest after most what the network swallowed, and give up after gives. Linux before 6.15 cannot: there, and elsewhere, it does nothing.
func PersistTCP(fd uintptr, most, gives time.Duration) {
	if unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS, int(most.Milliseconds())) == nil {
		// TCP counts tries: without a time of its own it would give up after as many as before, so much sooner.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(gives.Milliseconds()))
	}
}
