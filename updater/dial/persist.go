package dial

import (
	"syscall"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
)

const (
	// mostBackoff is how long TCP waits at most between two tries to bring what was not confirmed. Its own two minutes let a line that was swallowed
	// for nine seconds be silent for six more. More than most round trips; what takes longer is sent twice.
	mostBackoff = 1500 * time.Millisecond
	// unconfirmed is when TCP gives a connection up. A session's own deadline is mostly sooner.
	unconfirmed = 2 * time.Minute
)

// Persist is for net.Dialer's and net.ListenConfig's Control: connections try again soon after the network swallowed what they sent, where the system lets them.
func Persist(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { platforms.PersistTCP(fd, mostBackoff, unconfirmed) })
}
