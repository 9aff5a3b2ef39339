package closed

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isRefused says whether the other side, or a firewall before it, has said no.
func isRefused(err error) bool {
	return errors.Is(err, windows.WSAECONNREFUSED) || errors.Is(err, windows.WSAEHOSTUNREACH) || errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAEACCES)
}
