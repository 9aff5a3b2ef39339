package platforms

import (
	"github.com/limpet-monitoring/limpet/platforms/plain"

	"golang.org/x/sys/unix"
)

// Notify sends one datagram to the init system's socket (systemd's NOTIFY_SOCKET: a path, or a name
// that starts with '@'). It does not wait.
func Notify(socket, message string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return plain.Wrap("notify", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, []byte(message), 0, &unix.SockaddrUnix{Name: socket}); err != nil {
		return plain.Wrap("notify "+socket, err)
	}
	return nil
}
