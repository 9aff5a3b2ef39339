package platforms

import (
	"errors"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// BootID names this boot of the machine by the system's own count of its boots.
func BootID() (string, error) {
	const path = `SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters`
	n, err := registryNumber(path, "BootId")
	if err != nil {
		return "", plain.Wrap("read boot id", err)
	}
	return strconv.FormatUint(uint64(n), 10), nil
}

// registryNumber reads a DWORD below HKEY_LOCAL_MACHINE.
func registryNumber(path, name string) (uint32, error) {
	p, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	n, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return 0, err
	}
	var key syscall.Handle
	if err := syscall.RegOpenKeyEx(syscall.HKEY_LOCAL_MACHINE, p, 0, syscall.KEY_READ, &key); err != nil {
		return 0, err
	}
	defer syscall.RegCloseKey(key)
	var kind, value uint32
	size := uint32(unsafe.Sizeof(value))
	if err := syscall.RegQueryValueEx(key, n, nil, &kind, (*byte)(unsafe.Pointer(&value)), &size); err != nil {
		return 0, err
	}
	if kind != syscall.REG_DWORD {
		return 0, errors.New(name + " is not a number")
	}
	return value, nil
}

// SinceBoot is a clock that starts at boot, is never set, and goes on while the machine sleeps.
func SinceBoot() time.Duration {
	low, high, _ := getTickCount64.Call()
	ms := uint64(low)
	if unsafe.Sizeof(low) == 4 {
		ms |= uint64(high) << 32
	}
	return time.Duration(ms) * time.Millisecond
}
