//go:build unix

package platforms

import (
	"time"

	"golang.org/x/sys/unix"
)

// ProcessorTime is what this process has used of the processors, its children left out.
func ProcessorTime() time.Duration {
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
