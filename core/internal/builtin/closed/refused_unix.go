//go:build unix

package closed

import (
	"errors"
	"syscall"
)

// isRefused says whether the other side, or a firewall before it, has said no.
func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EACCES)
}
