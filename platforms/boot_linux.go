package platforms

import (
	"os"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/plain"

	"golang.org/x/sys/unix"
)

// BootID names this boot of the machine: it differs from that of every other boot.
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", plain.Wrap("read boot id", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// SinceBoot is a clock that starts at boot, is never set, and goes on while the machine sleeps.
func SinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("the kernel has no boot clock: " + err.Error()) // Linux 2.6.39 has
	}
	return time.Duration(ts.Nano())
}
