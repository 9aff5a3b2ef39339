// Package meminfo reads /proc/meminfo for the checks of memory and swap.
package meminfo

import (
	"errors"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// MaxFile bounds what is read of the file, in bytes; today's have some 1,600.
const MaxFile = 4 << 10

// Info is what the checks need of it, in bytes.
type Info struct {
	Total, Free, Available, Buffers, Cached uint64
	SwapTotal, SwapFree                     uint64
}

// Parse reads lines of "NAME: NUMBER kB". A kernel before 3.14 does not say what is available; then it is estimated as
// free, buffers and page cache without shared memory.
func Parse(text []byte) (Info, error) {
	var info Info
	var shmem, reclaimable uint64
	var available, total bool
	for len(text) > 0 {
		var line []byte
		line, text = procfs.Line(text)
		name, rest := procfs.Field(line)
		var to *uint64
		switch string(name) {
		case "MemTotal:":
			to, total = &info.Total, true
		case "MemFree:":
			to = &info.Free
		case "MemAvailable:":
			to, available = &info.Available, true
		case "Buffers:":
			to = &info.Buffers
		case "Cached:":
			to = &info.Cached
		case "Shmem:":
			to = &shmem
		case "SReclaimable:":
			to = &reclaimable
		case "SwapTotal:":
			to = &info.SwapTotal
		case "SwapFree:":
			to = &info.SwapFree
		default:
			continue
		}
		field, _ := procfs.Field(rest)
		kib, ok := procfs.Uint(field)
		if !ok || kib > 1<<50 {
			return Info{}, errors.New("read meminfo: " + string(procfs.Short(line)) + " is no size")
		}
		*to = kib << 10
	}
	if !total || info.Total == 0 {
		return Info{}, errors.New("read meminfo: it has no MemTotal")
	}
	if !available {
		info.Available = info.Free + info.Buffers + reclaimable + info.Cached - min(shmem, info.Cached)
	}
	return info, nil
}
