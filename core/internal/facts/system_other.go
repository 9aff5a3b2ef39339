//go:build !linux

package facts

import (
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
)

func system() (platform, kernel, bootID, machine string, memory uint64) {
	if info, err := host.Info(); err == nil {
		platform = strings.TrimSpace(info.Platform + " " + info.PlatformVersion)
		kernel, machine = info.KernelVersion, info.HostID
		bootID = strconv.FormatUint(info.BootTime, 10)
	}
	if m, err := mem.VirtualMemory(); err == nil {
		memory = m.Total
	}
	return
}
