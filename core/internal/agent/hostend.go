package agent

import (
	"context"
	"encoding/binary"
	"os"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/systemd"
)

const (
	askHost = time.Second
	utmp    = "/run/utmp" // where init systems that have runlevels write down the one they are in

	utmpRecord   = 384 // bytes of one record on Linux
	utmpRunLevel = 1   // its type
	maxUtmp      = 1 << 20
)

// stopCause is why the service is asked to stop: the stub knows of no shutdown, the host does.
func (a *agent) stopCause(ctx context.Context, cause string) string {
	if cause != "service" {
		return cause
	}
	ctx, cancel := context.WithTimeout(ctx, askHost)
	defer cancel()
	how, err := systemd.HostEnd(ctx)
	if err != nil {
		how = levelEnd(readLevel(utmp))
	}
	switch how {
	case systemd.Stays:
		return cause
	case systemd.Reboots:
		return reboot
	default:
		return "shutdown"
	}
}

// reboot is the cause of a stop with a host that comes back. To the hub it is a shutdown, but never the end of the box.
const reboot = "reboot"

// levelEnd is what a runlevel means for the host: 0 halts it, 6 has it begin anew.
func levelEnd(level byte) systemd.End {
	switch level {
	case '0':
		return systemd.Ends
	case '6':
		return systemd.Reboots
	default:
		return systemd.Stays
	}
}

// readLevel is the runlevel that utmp names last; 0 = none.
func readLevel(name string) (level byte) {
	data, err := os.ReadFile(name)
	if err != nil || len(data) > maxUtmp {
		return 0
	}
	for ; len(data) >= utmpRecord; data = data[utmpRecord:] {
		if binary.NativeEndian.Uint16(data) == utmpRunLevel {
			level = byte(binary.NativeEndian.Uint32(data[4:])) // the runlevel's character, the one before in the next byte
		}
	}
	return level
}
