package platforms

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// BootID names this boot of the machine by the system's own count of its boots.
func BootID() (string, error) {
	const path = `SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters`
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.QUERY_VALUE)
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	defer key.Close()
	n, _, err := key.GetIntegerValue("BootId")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strconv.FormatUint(n, 10), nil
}

// SinceBoot is a clock that starts at boot, is never set, and goes on while the machine sleeps.
func SinceBoot() time.Duration { return windows.DurationSinceBoot() }
