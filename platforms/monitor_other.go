//go:build !linux

package platforms

import "time"

// EaseMonitor does nothing here.
func EaseMonitor(time.Duration) {}
