package platforms

import (
	"time"

	"github.com/limpet-monitoring/limpet/platforms/plain"

	"golang.org/x/sys/unix"
)

// BootID names this boot of the machine: it differs from that of every other boot.
func BootID() (string, error) {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return "", plain.Wrap("read boot id", err)
	}
	return id, nil
}

// SinceBoot is a clock that starts at boot, is never set, and goes on while the machine sleeps.
func SinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("the kernel has no monotonic clock: " + err.Error())
	}
	return time.Duration(ts.Nano())
}
