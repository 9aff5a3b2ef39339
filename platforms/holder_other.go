//go:build !linux

package platforms

import "errors"

// Holder cannot tell here who holds a lock.
func Holder(string) (int, error) { return 0, errors.ErrUnsupported }

// KillBelow is not possible where Holder cannot tell.
func KillBelow(int, string) error { return errors.ErrUnsupported }
