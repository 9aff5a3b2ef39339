//go:build unix

package platforms

import (
	"github.com/limpet-monitoring/limpet/platforms/plain"

	"golang.org/x/sys/unix"
)

// DumpNothing keeps this process, and whatever it starts, from leaving a file of its memory when it crashes.
func DumpNothing() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return plain.Wrap("leave no core files", err)
	}
	return nil
}
