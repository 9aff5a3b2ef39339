//go:build !linux

package platforms

import "errors"

// Notify is systemd's, which is on Linux only.
func Notify(socket, message string) error { return errors.ErrUnsupported }
