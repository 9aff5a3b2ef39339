//go:build !linux

package platforms

import "time"

// PersistTCP is for Linux.
func PersistTCP(uintptr, time.Duration, time.Duration) {}
