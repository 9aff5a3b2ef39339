package platforms

import (
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/plain"

	"golang.org/x/sys/unix"
)

// BootID names this boot of the machine by the second it started, as the system itself keeps it.
func BootID() (string, error) {
	tv, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return "", plain.Wrap("read boot time", err)
	}
	return strconv.FormatInt(int64(tv.Sec), 10), nil
}

// SinceBoot is a clock that starts at boot and is never set.
func SinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("the kernel has no monotonic clock: " + err.Error())
	}
	return time.Duration(ts.Nano())
}
