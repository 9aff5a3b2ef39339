package platforms

import (
	"syscall"
	"unsafe"

	"github.com/limpet-monitoring/limpet/platforms/plain"
)

var getDiskFreeSpaceEx = kernel32.NewProc("GetDiskFreeSpaceExW")

// Space is how many bytes an ordinary user may still write on the disk that holds a folder.
func Space(path string) (int64, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return 0, plain.Wrap("ask for space on "+path, err)
	}
	var free uint64
	if ok, _, err := getDiskFreeSpaceEx.Call(uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&free)), 0, 0); ok == 0 {
		return 0, plain.Wrap("ask for space on "+path, err)
	}
	return int64(free), nil
}
